#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""One id follows a connection: from the reply and the Received field of its message to its lines in the log and its queue entry.

Also: the events and fields of host/docs/logs.md are those of the program. Argument: keystone-mail.
"""
import imaplib
import json
import os
import pathlib
import re
import smtplib
import ssl
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests/support'))
from keystone import Checks, Server  # noqa: E402

program = os.path.abspath(sys.argv[1])
check = Checks()
ALICE, BOB, PASSWORD = 'alice@example.test', 'bob@example.test', 'correct horse battery staple'
MESSAGE = f'From: {ALICE}\r\nTo: {BOB}\r\nSubject: a story\r\n\r\nhello\r\n'


def unverified():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def story(server, session):
    return [json.loads(line) for line in server.lines if session in line and line.startswith('{')]


def test_submission(server):
    with smtplib.SMTP_SSL('127.0.0.1', server.port('submissions'), timeout=20, context=unverified()) as client:
        client.login(ALICE, PASSWORD)
        client.mail(ALICE)
        client.rcpt(BOB)
        client.rcpt('carol@elsewhere.test')
        code, reply = client.data(MESSAGE)
    session = re.search(r'Ok: ([0-9a-f]{16})\.1', reply.decode())
    check('the reply to a message names the session', code == 250 and session, reply)
    session = session[1]
    server.stop()
    events = story(server, session)
    names = [event['event'] for event in events]
    check('the log has its login, its message and its end', names == ['smtp.login', 'smtp.accepted', 'smtp.closed'], names)
    accepted = events[1]
    check('the message with sender, recipients, size, login and place in the queue',
          accepted['from'] == ALICE and accepted['recipients'] == 2 and accepted['octets'] >= len(MESSAGE) and accepted['login'] == ALICE
          and accepted['queued'] > 0, accepted)
    check('each with the peer', all(event['peer'].startswith('127.0.0.1:') for event in events), events)
    out = server.run('queue', 'show', str(accepted['queued']))
    check('queue show names it', out.returncode == 0 and session in out.stdout, out.stdout + out.stderr)
    return session


def test_imap(server, session):
    with imaplib.IMAP4_SSL('127.0.0.1', server.port('imaps'), ssl_context=unverified()) as client:
        client.login(BOB, PASSWORD)
        client.select('INBOX')
        header = client.fetch('1', '(BODY[HEADER.FIELDS (RECEIVED)])')[1][0][1].decode()
        check('the Received field of the stored message names it', f'id {session}' in header, header)
        client.append('INBOX', None, None, MESSAGE.encode())
        email = re.search(r'EMAILID \((\w+)\)', client.fetch('2', '(EMAILID)')[1][0].decode())[1]
    server.stop()
    logins = [json.loads(line) for line in server.lines if '"imap.login"' in line]
    check('an IMAP session has an id too', len(logins) == 1 and re.fullmatch('[0-9a-f]{16}', logins[0]['session']), logins)
    events = story(server, logins[0]['session'])
    check('with its login, the message it brought, and its end', [event['event'] for event in events] == ['imap.login', 'imap.appended', 'imap.logout'], events)
    check('the message by the id under which IMAP has it', events[1]['email'] == email, (events[1], email))


def test_refusals(server):
    with smtplib.SMTP('127.0.0.1', server.port('smtp'), timeout=20) as client:
        client.helo('client.test')
        client.mail('x@elsewhere.test')
        client.rcpt('nobody@example.test')
    server.stop()
    refused = [json.loads(line) for line in server.lines if '"smtp.refused"' in line]
    check('a refusal is in the log, with the stage and the reply', len(refused) == 1 and refused[0]['stage'] == 'rcpt' and '550' in refused[0]['reply'], refused)
    check('and belongs to its session', [event['event'] for event in story(server, refused[0]['session'])][-1] == 'smtp.closed')


def test_commands(server):
    server.run('account', 'add', 'dan@example.test', '--password-stdin', stdin='a secret of Dan\n')
    server.run('account', 'remove', 'nobody@example.test')
    server.run('account', 'list')
    server.stop()
    done = [json.loads(line) for line in server.lines if '"admin.done"' in line]
    check('what an administrator does is in the log', [(one['command'], one['status']) for one in done] ==
          [('account add dan@example.test', 0), ('account remove nobody@example.test', 1)], done)
    check('without passwords', 'a secret of Dan' not in server.log())


def test_document():
    """The events of the code are those of the page, and so are their fields."""
    in_code = {}
    for folder in ('lib', 'host'):
        for path in (ROOT / folder).rglob('*.cpp'):
            if 'demo' in path.parts:
                continue
            for name, fields in re.findall(r'LogLevel::\w+,\s*"([a-z_.-]+)",(.*?)\}\);', path.read_text(), re.S):
                in_code.setdefault(name, set()).update(re.findall(r'\{"(\w+)"', fields))
            in_code.update({name: set() for name in re.findall(r'(?:return|\?|:) "(relay\.[a-z_]+)"', path.read_text())})  # chosen among several
            for name in re.findall(r'log_error\("([a-z_.-]+)"', path.read_text()):
                in_code.setdefault(name, set()).update({'login', 'error'})
    rows = re.findall(r'^\| `([a-z_.-]+)` \|[^|]*\|[^|]*\|([^|]*)\|', (ROOT / 'host/docs/logs.md').read_text(), re.M)
    described = {name: set(re.findall(r'\w+', fields)) | {'session', 'peer'} for name, fields in rows}
    check('host/docs/logs.md has every event of the code', in_code.keys() <= described.keys(), sorted(in_code.keys() - described.keys()))
    check('and no other', described.keys() <= in_code.keys(), sorted(described.keys() - in_code.keys()))
    for name in sorted(in_code.keys() & described.keys()):
        check(f'and its fields: {name}', in_code[name] <= described[name], in_code[name] - described[name])


with Server(program, extra='\n[log]\nformat = "json"\n') as server:
    server.add_account(ALICE, PASSWORD)
    server.add_account(BOB, PASSWORD)
    server.start()
    session = test_submission(server)
    server.start()
    test_imap(server, session)
    server.start()
    test_refusals(server)
    server.start()
    test_commands(server)
test_document()
sys.exit(check.finish())
