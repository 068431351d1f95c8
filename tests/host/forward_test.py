#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Forwarding through the real program: a sender of ours and back by it, lists, copies, success reports, traces: argv[1] is keystone-mail."""
import imaplib
import json
import pathlib
import re
import smtplib
import stat
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402
from sink import Sink, wait_for  # noqa: E402

PASSWORD = 'a long enough password'
LISTENERS = [('submission', 'none', True), ('smtp', 'none', False), ('imap', 'none', True), ('lmtp', 'none', False)]
check = Checks()


def is_clean(octets):
    return b'\r\n.\r\n' not in octets and not re.search(rb'(?<!\r)\n|\r(?!\n)', octets)


sink = Sink()
extra = f'\n[relay]\nenabled = true\n[[route]]\ndomains = ["sink.test", "sender.test"]\nhost = "{sink.place}"\ntls = "none"\n'
with Server(sys.argv[1], listeners=LISTENERS, extra=extra) as server:
    server.add_account('alice@example.test', PASSWORD)
    server.add_account('bob@example.test', PASSWORD)
    server.add_account('carol@example.test', PASSWORD)
    run = server.run
    check('an alias elsewhere', run('alias', 'add', 'away@example.test', 'far@sink.test').returncode == 0)
    check('a list with its owner', run('alias', 'add-list', '--owner', 'alice', 'team@example.test', 'bob', 'member@sink.test', Sink.refused).returncode == 0)
    check('it is listed as one', json.loads(run('alias', 'list', '--json').stdout)[-1] == {
        'address': 'team@example.test', 'targets': ['bob@example.test', 'member@sink.test', Sink.refused], 'list': True, 'owner': 'alice@example.test'},
        run('alias', 'list', '--json').stdout)
    done = run('account', 'forward', 'bob', 'copy@sink.test')
    check('an account that is forwarded and keeps a copy', done.returncode == 0 and 'keeps a copy' in done.stdout, done)
    check('says so when asked', json.loads(run('account', 'forward', 'bob', '--json').stdout) == {
        'login': 'bob', 'targets': ['copy@sink.test'], 'keeps_copy': True})
    server.start()
    mode = stat.S_IMODE((server.data / 'srs.key').stat().st_mode)
    check('the secret for senders is readable by its owner alone', mode == 0o600, oct(mode))

    def receive(recipients, message_id, sender='writer@sender.test', fields='', mail=(), rcpt=(), port='smtp', body='hello'):
        with smtplib.SMTP('127.0.0.1', server.port(port)) as client:
            text = f'{fields}From: writer@sender.test\r\nTo: x@y.test\r\nSubject: {message_id}\r\nMessage-ID: <{message_id}>\r\n\r\n{body}\r\n'
            client.sendmail(sender, recipients, text, mail_options=list(mail), rcpt_options=list(rcpt))

    def inbox(login):
        with imaplib.IMAP4('127.0.0.1', server.port('imap')) as client:
            client.login(login, PASSWORD)
            client.select('INBOX', readonly=True)
            numbers = client.search(None, 'ALL')[1][0].split()
            return [client.fetch(number, '(BODY.PEEK[])')[1][0][1].decode() for number in numbers]

    def refusal(*arguments, **words):
        try:
            receive(*arguments, **words)
        except smtplib.SMTPRecipientsRefused as error:
            return next(iter(error.recipients.values()))
        except smtplib.SMTPResponseException as error:
            return error.smtp_code, error.smtp_error
        return None

    # Out by an alias, and back.
    receive(['away@example.test'], 'one@sender.test')
    got = sink.wait('far@sink.test')
    check('mail for an alias elsewhere goes there', got is not None, server.log())
    sender = got[0]
    check('from a sender of ours', re.fullmatch(r'SRS0=[A-Z2-7]{8}=[A-Z2-7]{2}=sender\.test=writer@example\.test', sender), sender)
    check('with a field that shows a loop', b'Delivered-To: away@example.test\r\n' in got[2], got[2])
    receive([sender], 'bounce@sink.test', sender='')
    back = sink.wait('writer@sender.test')
    check('a report to that sender finds its way back', back is not None and back[0] == '', server.log())
    check('what goes over has no bare CR or LF and one end', all(is_clean(message[2]) for message in sink.messages))
    check('with the case lost on the way as well', refusal([sender.lower()], 'bounce2@sink.test', sender='') is None)
    check('a changed one is refused', (refusal([sender.replace('writer', 'victim')], 'x@y', sender='') or [0])[0] == 550)
    check('so is one for somebody with a sender', (refusal([sender], 'x@y', sender='spam@else.test') or [0])[0] == 550)
    text = (refusal([sender.replace('writer', 'victim')], 'x@y', sender='') or [0, b''])[1]
    check('for good, and as policy', text.startswith(b'5.7.1'), text)

    # A mailbox that keeps a copy.
    receive(['bob@example.test'], 'two@sender.test')
    check('a copy goes on', sink.wait('copy@sink.test') is not None)
    check('and one stays', any('<two@sender.test>' in one for one in inbox('bob@example.test')))

    # A list.
    receive(['team@example.test'], 'three@sender.test')
    got = sink.wait('member@sink.test')
    check('members elsewhere get it in the name of the owner', got and got[0] == 'owner-team@example.test', got)
    check('with the list named', got and b'List-Id: <team.example.test>\r\n' in got[2])
    check('members here as well', wait_for(lambda: any('Return-Path: <owner-team@example.test>' in one for one in inbox('bob@example.test'))))
    check('the owner hears of the member that is none', wait_for(lambda: any(Sink.refused in one and 'Action: failed' in one for one in inbox('alice@example.test'))), server.log())
    check('a message that has been there is refused', (refusal(['team@example.test'], 'x@y', fields='Delivered-To: team@example.test\r\n') or [0])[0] == 554)
    check('so is an answer of a machine', (refusal(['team@example.test'], 'x@y', fields='Auto-Submitted: auto-replied\r\n') or [0])[0] == 554)

    # Reports of success.
    def submit(recipients, message_id, rcpt):
        with smtplib.SMTP('127.0.0.1', server.port('submission')) as client:
            client.login('alice@example.test', PASSWORD)
            client.sendmail('alice@example.test', recipients, f'From: alice@example.test\r\nSubject: x\r\nMessage-ID: <{message_id}>\r\n\r\nhi\r\n',
                            mail_options=['ENVID=mine+2B1'], rcpt_options=rcpt)

    submit(['bob@example.test'], 'four@example.test', ['NOTIFY=SUCCESS'])
    reports = [one for one in inbox('alice@example.test') if 'Original-Envelope-Id: mine+1' in one]
    check('who asked hears that it is in a mailbox here, at once', len(reports) == 1 and 'Action: delivered' in reports[0] and
          'Final-Recipient: rfc822; bob@example.test' in reports[0], reports)
    receive(['bob@example.test'], 'five@sender.test', mail=[], rcpt=['NOTIFY=SUCCESS'])
    check('somebody elsewhere too', wait_for(lambda: sum('writer@sender.test' in m[1] and b'Action: delivered' in m[2] for m in sink.messages) == 1), server.log())

    # Traces.
    def steps(what):
        out = run('trace', what, '--json')
        return json.loads(out.stdout) if out.returncode == 0 else []

    local = steps('two@sender.test')
    words = [step['what'] for step in local]
    check('the trace of mail for a mailbox here', words[:3] == ['connected', 'sender', 'recipient'] and 'accepted' in words and 'delivered' in words, local)
    check('and of its copy, to the end', wait_for(lambda: [s['what'] for s in steps('two@sender.test')].count('delivered') == 2), steps('two@sender.test'))
    check('with the reply that ended it', any(s['what'] == 'accepted' and s['text'].startswith('250 ') for s in local), local)
    refused = steps('x@y')
    check('mail that was refused has one as well', refused and refused[-1]['what'] == 'refused' and '5.4.6' in refused[-1]['text'], refused)
    check('in words for people', 'delivered' in run('trace', '<two@sender.test>').stdout)
    check('one that nobody knows is not found', run('trace', 'nothing@sender.test').returncode == 1)

    # Attack E2: what comes again stays here, also after the server was killed.
    run('account', 'forward', 'carol', 'redirected@sink.test', '--only')
    sent = lambda: sum('redirected@sink.test' in message[1] for message in sink.messages)  # noqa: E731
    receive(['carol@example.test'], 'six@sender.test')
    check('mail of a user goes on, and does not stay', wait_for(lambda: sent() == 1) and not inbox('carol@example.test'), server.log())
    server.kill()
    server.start()
    receive(['carol@example.test'], 'six@sender.test')
    check('E2: the same message again stays in the mailbox', len(inbox('carol@example.test')) == 1, server.log())
    receive(['carol@example.test'], 'seven@sender.test')
    check('E2: another one goes on, and the first did not', wait_for(lambda: sent() == 2) and len(inbox('carol@example.test')) == 1, server.log())
    check('E2: the trace tells', 'kept here' in run('trace', 'six@sender.test').stdout, run('trace', 'six@sender.test').stdout)

    # A backup has the keys that lie beside the store.
    signed_by = {path.name for path in server.data.glob('dkim/example.test/*.pem')}
    check('keys to sign with', len(signed_by) == 2, signed_by)
    backups = server.folder / 'backups'
    done = run('backup', backups)
    check('a backup', done.returncode == 0, done)
    copied = sorted(path for path in backups.rglob('*') if path.is_file())
    check('backup: it has the keys, and nobody else may read it', {path.name for path in copied} > signed_by | {'srs.key'} and
          all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in copied), copied)
    with Server(sys.argv[1], listeners=LISTENERS, extra=extra) as other:
        other.data.mkdir(exist_ok=True)
        (other.data / 'srs.key').write_text('another secret, of a server that was there before\n')
        done = other.run('restore', backups)
        check('restore: into a server of its own', done.returncode == 0, done)
        check('restore: the keys are the same, with their modes',
              all((other.data / name).read_bytes() == (server.data / name).read_bytes() and stat.S_IMODE((other.data / name).stat().st_mode) == 0o600
                  for name in ['srs.key', *(f'dkim/example.test/{name}' for name in signed_by)]))
        check('restore: a key that was there is moved aside', len(list(other.data.glob('before-restore-*/srs.key'))) == 1)
        other.start()
        with smtplib.SMTP('127.0.0.1', other.port('smtp')) as client:
            client.sendmail('', [sender], 'From: daemon@sink.test\r\nSubject: x\r\nMessage-ID: <after@restore>\r\n\r\nno\r\n')
        check('restore: an address that was made before leads back still',
              wait_for(lambda: any(b'<after@restore>' in message[2] and 'writer@sender.test' in message[1] for message in sink.messages)), other.log())
        with smtplib.SMTP('127.0.0.1', other.port('submission')) as client:
            client.login('alice@example.test', PASSWORD)
            client.sendmail('alice@example.test', ['signed@sink.test'], 'From: alice@example.test\r\nSubject: signed\r\n\r\nhi\r\n')
        got = sink.wait('signed@sink.test')
        check('restore: mail is signed with the keys of before', got and
              all(f's={name.removesuffix(".pem")};'.encode() in got[2].replace(b' ', b'') for name in signed_by), got)

    done = run('account', 'forward', 'bob', '--off')
    check('forwarding ends', done.returncode == 0 and 'not forwarded' in done.stdout, done)
    check('an address that is none is refused', run('account', 'forward', 'bob', 'nonsense@').returncode == 1)
    check('the server ends well', server.stop() == 0)
sys.exit(check.finish())
