#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""DMARC reports between two real programs: what one sees of sender.test's mail is told to the other, through a kill.

`there` is example.test, which reports; `here` has sender.test, whose mail it is. Argument: keystone-mail.
"""
import email.policy
import gzip
import imaplib
import json
import pathlib
import re
import signal
import smtplib
import sys
import time
from email.message import EmailMessage

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402
from name_server import NameServer  # noqa: E402

PASSWORD = 'a long enough password'
LISTENERS = [('smtp', 'none', False), ('imap', 'starttls', True)]
program = sys.argv[1]
check = Checks()


def wait(condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return bool(condition())


def deliver(server, recipient, message, sender='someone@sender.test'):
    with smtplib.SMTP('127.0.0.1', server.port('smtp'), timeout=30) as client:
        client.sendmail(sender, [recipient], message)


def data(server, *words):
    out = server.run('reports', *words, '--json')
    return json.loads(out.stdout) if out.returncode == 0 else []


def inbox(server, login):
    with imaplib.IMAP4('127.0.0.1', server.port('imap')) as client:
        client.login(login, PASSWORD)
        client.select('INBOX', readonly=True)
        numbers = client.search(None, 'ALL')[1][0].split()
        return [client.fetch(number.decode(), '(BODY.PEEK[])')[1][0][1].decode() for number in numbers]


def key_records(server):
    """The DKIM records of its domain, for the DNS."""
    records = {}
    for key in json.loads(server.run('dkim', 'list', '--json').stdout):
        name = key['record'].split()[0].rstrip('.')
        records[(name, 'TXT')] = [''.join(re.findall(r'"([^"]*)"', key['record']))]
    return records


def settings(names, more=''):
    return f'\n[authentication]\nexempt = []\n\n[resolver]\nservers = ["127.0.0.1:{names.port}"]\n{more}'


def exchange(there, here):
    text = 'From: someone@sender.test\r\nSubject: hello\r\n\r\nHello.\r\n'
    for _ in range(3):
        deliver(there, 'alice@example.test', text)
    time.sleep(6)  # what was counted is in the store by now
    there.process.send_signal(signal.SIGKILL)
    there.process.wait()
    there.start()
    sent = data(there, 'send', '--now')
    check('reports: a kill loses nothing that was counted', [(one['domain'], one['sent']) for one in sent] == [('sender.test', 1)], sent)
    check('reports: the report comes in at the domain it tells of', wait(lambda: data(here, 'list')), there.log()[-3000:] + here.log()[-3000:])
    received = data(here, 'list')
    check('reports: it is verified by its signature, and counts each message', [(one['kind'], one['domain'], one['verified'], one['passed'], one['failed'])
                                                                          for one in received] == [('dmarc', 'sender.test', True, 3, 0)], received)
    check('reports: there is nothing more to send', data(there, 'send', '--now') == [])
    mail = inbox(here, 'postmaster@sender.test')
    check('reports: its mail is delivered too', len(mail) == 1 and 'Report Domain: sender.test Submitter: example.test' in re.sub(r'\r\n\s+', ' ', mail[0]), mail)
    shown = here.run('reports', 'show', received[0]['id'])
    check('reports: show has its records', shown.returncode == 0 and '127.0.0.1' in shown.stdout and 'spf=pass sender.test' in shown.stdout, shown.stdout + shown.stderr)
    summary = here.run('reports', 'summary')
    check('reports: summary says who sends and what to do', 'sender.test' in summary.stdout and 'fine' in summary.stdout and 'Next: ' in summary.stdout, summary.stdout)
    lines = [line for line in summary.stdout.splitlines() if line.startswith(('SOURCE', '127.0.0.1'))]
    check('reports: its columns line up', len(lines) == 2 and lines[0].index('WHAT TO DO') == lines[1].index('fine'), summary.stdout)
    check('reports: another domain has none', data(here, 'list', '--domain', 'example.test') == [])
    check('reports: and the future neither', data(here, 'summary', '--since', '2999-01-01')['dmarc'] == [])


def garbage(here):
    bomb = EmailMessage()
    bomb['From'] = 'someone@sender.test'
    bomb['Subject'] = 'Report Domain: sender.test'
    bomb.set_content('x')
    bomb.add_attachment(gzip.compress(b'<' * 40_000_000), maintype='application', subtype='gzip', filename='a!b!1!2.xml.gz')
    before = len(data(here, 'list'))
    deliver(here, 'postmaster@sender.test', bomb.as_bytes(policy=email.policy.SMTP))
    check('C9: a bomb at the report address is told of in the log', wait(lambda: 'reports.unreadable' in here.log()), here.log()[-2000:])
    check('and does no harm', len(data(here, 'list')) == before and len(inbox(here, 'postmaster@sender.test')) == 2)


def offline(here):
    before = data(here, 'list')
    here.stop()
    check('reports: list works without a server', data(here, 'list') == before)
    out = here.run('reports', 'send', '--now')
    check('reports: sending needs one', out.returncode == 1 and 'no server runs' in out.stderr, out.stderr)
    check('reports: a time that is none is wrong usage', here.run('reports', 'list', '--since', 'yesterday').returncode == 2)
    check('reports: send wants --now', here.run('reports', 'send').returncode == 2)
    check('reports: a report that is not there is a problem', here.run('reports', 'show', '00').returncode == 1)


records = {('sender.test', 'TXT'): ['v=spf1 ip4:127.0.0.1 -all'], ('_dmarc.sender.test', 'TXT'): ['v=DMARC1; p=none; rua=mailto:postmaster@sender.test']}
with NameServer(records) as names, Server(program, listeners=LISTENERS, extra=settings(names)) as here:
    assert here.run('domain', 'add', 'sender.test').returncode == 0
    here.add_account('postmaster@sender.test', PASSWORD)
    here.start()
    routes = f'\n[relay]\nroutes = {{ "sender.test" = "127.0.0.1:{here.port("smtp")}" }}\n'
    with Server(program, listeners=LISTENERS, extra=settings(names, routes)) as there:
        there.add_account('alice@example.test', PASSWORD)
        names.records.update(key_records(there))
        there.start()
        exchange(there, here)
    garbage(here)
    offline(here)
sys.exit(check.finish())
