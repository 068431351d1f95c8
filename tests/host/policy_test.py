#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""The built-in policies of the real program, with swaks for a client and a DNS of our own. Argument: keystone-mail.

Strangers come from 127.0.0.8 and 127.0.0.9, since no list of addresses may have 127.0.0.1 (RFC 5782).
"""
import http.server
import imaplib
import json
import os
import pathlib
import re
import smtplib
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402
from name_server import SERVFAIL, NameServer  # noqa: E402

program = os.path.abspath(sys.argv[1])
check = Checks()
ALICE, BOB, PASSWORD = 'alice@example.test', 'bob@example.test', 'correct horse battery staple'
LISTENERS = [('smtp', 'starttls', False), ('submission', 'starttls', True), ('imap', 'starttls', True)]
RECORDS = {
    ('good.test', 'MX'): [(10, 'mx.good.test')], ('mx.good.test', 'A'): ['192.0.2.1'], ('null.test', 'MX'): [(0, '.')], ('shaky.test', 'MX'): [(10, 'mx.good.test')],
    ('2.0.0.127.bl.test', 'A'): ['127.0.0.2'], ('9.0.0.127.bl.test', 'A'): ['127.0.0.4'], ('9.0.0.127.bl.test', 'TXT'): ['see https://bl.test/127.0.0.9'],
    ('2.0.0.127.blocked.test', 'A'): ['127.255.255.254'], ('9.0.0.127.blocked.test', 'A'): ['127.255.255.254'], ('8.0.0.127.blocked.test', 'A'): ['127.255.255.254'],
}


class Hook(http.server.BaseHTTPRequestHandler):
    """Takes events of a [[webhook]]."""
    events = []

    def do_POST(self):
        self.events.extend(json.loads(self.rfile.read(int(self.headers['Content-Length'])))['events'])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def swaks(server, *words, source='127.0.0.9', sender='x@good.test', to=BOB, helo='client.good.test'):
    """The whole dialogue."""
    command = ['swaks', '--server', '127.0.0.1', '--port', str(server.port('smtp')), '--local-interface', source, '--helo', helo, '--from', sender, '--to', to,
               '--timeout', '30', *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=90).stdout


def replies(text):
    """What the server refused or took, in its words."""
    return ' / '.join(line[4:] for line in text.splitlines() if line.startswith('<** '))


def accepted(text):
    return bool(re.search(r'^<-  250 2\.0\.0 Ok: ', text, re.M))


def setup(server, **sections):
    """Writes [policy...] sections anew; a list of dicts is a [[section]] of each."""
    text = re.sub(r'(?ms)^\[+policy.*?(?=^\[|\Z)', '', server.config.read_text())
    for section, keys in {'policy': {'exempt': []}, **sections}.items():
        name = section.replace('__', '.')
        for one in keys if isinstance(keys, list) else [keys]:
            text += f'\n[[{name}]]\n' if isinstance(keys, list) else f'\n[{name}]\n'
            text += ''.join(f'{key} = {inline(value)}\n' for key, value in one.items())
    server.config.write_text(text)
    if server.process:
        out = server.run('reload')
        assert out.returncode == 0, out.stdout + out.stderr


def inline(value):
    if isinstance(value, dict):
        return '{ ' + ', '.join(f'{json.dumps(key)} = {json.dumps(one)}' for key, one in value.items()) + ' }'
    return json.dumps(value)


def mailbox(server, login, name='INBOX'):
    with imaplib.IMAP4('127.0.0.1', server.port('imap')) as client:
        client.login(login, PASSWORD)
        if client.select(name, readonly=True)[0] != 'OK':
            return []
        return [client.fetch(number.decode(), '(BODY.PEEK[])')[1][0][1].decode() for number in client.search(None, 'ALL')[1][0].split()]


def test_senders_and_helo(server, dns):
    setup(server)
    check('a stranger with a good sender is let in', accepted(swaks(server)))
    check('a sender domain that is not there is refused for good', '550 5.1.8' in replies(swaks(server, sender='x@gone.test')))
    check('so is one that takes no mail', '550 5.7.27' in replies(swaks(server, sender='x@null.test')))
    dns.faults['shaky.test'] = SERVFAIL
    check('T10: one that cannot be looked up is put off', '451 4.1.8' in replies(swaks(server, sender='x@shaky.test')))
    del dns.faults['shaky.test']
    check('our own name as HELO is refused', '550 5.7.1 That is our name' in replies(swaks(server, helo='mail.example.test')))


def test_lists(server, dns):
    setup(server, policy__lists={'timeout_seconds': 3}, policy__list=[{'zone': 'bl.test'}, {'zone': 'blocked.test'}])
    text = swaks(server)
    check('DNSBL: who is listed is refused at RCPT, with the reason', '550 5.7.1 Your address [127.0.0.9] is listed by bl.test: see https://bl.test/127.0.0.9' in replies(text), text)
    check('DNSBL: who is not is let in, though another list refuses our resolver', accepted(swaks(server, source='127.0.0.8')), server.log()[-1500:])
    check('DNSBL: that list is switched off, and the log says so', server.logged('policy.list.off list=blocked.test why="it refuses our resolver"'))
    log = server.log()
    check('the log says why', 'policy=dns-lists stage=rcpt verdict=reject reason="score 10: bl.test 127.0.0.4 (10)"' in log and 'smtp.refused' in log, log[-2000:])
    policies = json.loads(server.run('policies', '--json').stdout)
    check('policies: decisions are counted, lists and their state shown',
          any(one['policy'] == 'dns-lists' and one['verdict'] == 'reject' and one['count'] >= 1 for one in policies['decided'])
          and {one['zone']: one['off'] for one in policies['lists']} == {'bl.test': None, 'blocked.test': 'it refuses our resolver'}, policies)
    out = json.loads(server.run('check', 'policy', '--ip', '127.0.0.9', '--helo', 'client.good.test', '--from', 'x@good.test', '--json').stdout)
    check('check policy: says the same without a client', [(one['stage'], one['verdict'], one['policy']) for one in out]
          == [('connect', 'proceed', ''), ('helo', 'proceed', ''), ('mail', 'proceed', ''), ('rcpt', 'reject', 'dns-lists')] and 'see https://bl.test' in out[-1]['reply'], out)
    out = server.run('check', 'policy', '--ip', '127.0.0.9', '--helo', 'mail.example.test', '--from', '').stdout
    check('check policy: ends at the first refusal', out.splitlines()[-1].endswith('the peer is told: 550 5.7.1 That is our name, not yours') and 'helo     reject by helo' in out, out)
    setup(server, policy__lists={'reject': 20, 'quarantine': 10}, policy__list=[{'zone': 'bl.test'}])
    before = len(mailbox(server, BOB, 'Junk'))
    check('DNSBL: below the threshold for refusal there is one for Junk', accepted(swaks(server)) and len(mailbox(server, BOB, 'Junk')) == before + 1)
    check('DNSBL: what was found is in the message', 'X-Listed: score 10; bl.test 127.0.0.4 (10)' in mailbox(server, BOB, 'Junk')[-1])
    setup(server, policy__lists={'timeout_seconds': 2}, policy__list=[{'zone': 'silent.test'}])
    for name in ('9.0.0.127.silent.test', '2.0.0.127.silent.test', '1.0.0.127.silent.test'):
        dns.faults[name] = None
    started = time.monotonic()
    check('T10: DNSBL: a list that never answers lets mail in, in time', accepted(swaks(server)) and time.monotonic() - started < 8, time.monotonic() - started)


def test_access(server):
    setup(server, policy__list=[{'zone': 'bl.test'}],
          policy__access={'clients': {'127.0.0.8': 'reject 5.7.1 Not you'}, 'senders': {'spam.test': 'reject', 'slow@good.test': 'defer 4.7.1 Come back later', 'friend@good.test': 'allow'},
                          'recipients': {'old@example.test': 'reject 5.1.6 This address has moved', 'sales@example.test': 'redirect alice@example.test'}})
    check('access: a client is turned away', '554 5.7.1 Not you' in replies(swaks(server, source='127.0.0.8')))
    check('access: a sender domain is refused', '550 5.7.1 Refused by an access rule' in replies(swaks(server, sender='x@spam.test')))
    check('access: a sender is put off', '451 4.7.1 Come back later' in replies(swaks(server, sender='slow@good.test')))
    check('access: who is allowed passes the DNS lists', accepted(swaks(server, sender='friend@good.test')))
    setup(server, policy__access={'recipients': {'old@example.test': 'reject 5.1.6 This address has moved', 'sales@example.test': 'redirect alice@example.test'}})
    server.run('alias', 'add', 'old@example.test', BOB), server.run('alias', 'add', 'sales@example.test', BOB)
    check('access: a recipient is refused in the words that were chosen', '550 5.1.6 This address has moved' in replies(swaks(server, to='old@example.test')))
    check('access: a recipient is redirected', accepted(swaks(server, '--header', 'Subject: for sales', to='sales@example.test'))
          and any('for sales' in one for one in mailbox(server, ALICE)) and not any('for sales' in one for one in mailbox(server, BOB)))
    setup(server, policy__access={'recipients': {'noreply@': 'discard'}})
    server.run('alias', 'add', 'noreply@example.test', BOB)
    before = len(mailbox(server, BOB))
    check('access: what is discarded for one recipient reaches the other', accepted(swaks(server, '--header', 'Subject: for two', to=f'noreply@example.test,{ALICE}'))
          and any('for two' in one for one in mailbox(server, ALICE)) and len(mailbox(server, BOB)) == before)
    check('access: and a message for nobody else is taken', accepted(swaks(server, to='noreply@example.test')) and server.logged('smtp.discarded'))
    check('access: a reload took the other rules away', accepted(swaks(server, sender='slow@good.test')))


def test_greylist(server):
    setup(server, policy__greylist={'enabled': True, 'delay_seconds': 2})
    text = swaks(server)
    check('greylisting: the first time is 451 4.7.1', '451 4.7.1 Greylisted: please try again in' in replies(text), text)
    check('greylisting: too soon is too', '451 4.7.1' in replies(swaks(server)))
    time.sleep(2.2)
    check('greylisting: then it is taken', accepted(swaks(server)))
    check('greylisting: another sender waits for itself', '451 4.7.1' in replies(swaks(server, sender='y@good.test')))
    server.stop()
    server.start()
    check('greylisting: it is remembered over a restart', accepted(swaks(server)))
    time.sleep(6)
    server.kill()
    server.start()
    check('greylisting: and over a kill, some seconds later', accepted(swaks(server)))
    with smtplib.SMTP('127.0.0.1', server.port('submission'), timeout=20) as client:
        client.login(BOB, PASSWORD)
        client.mail(BOB)
        check('greylisting: who logs in never waits', client.rcpt(BOB)[0] == 250)


def test_tarpit_and_rates(server):
    setup(server, policy={'exempt': [], 'tarpit_seconds': 1}, policy__rates={'refusals': 4})
    with smtplib.SMTP('127.0.0.1', server.port('smtp'), source_address=('127.0.0.9', 0), timeout=30) as client:
        client.helo('client.good.test')
        client.mail('x@good.test')
        started = time.monotonic()
        codes = [client.rcpt(f'guess{i}@example.test')[0] for i in range(2)]
        check('tarpit: unknown recipients are answered late', codes == [550, 550] and time.monotonic() - started >= 2.9, (codes, time.monotonic() - started))
        codes = [client.rcpt(f'guess{i}@example.test')[0] for i in range(2, 5)]
        check('rates: a dictionary ends the connection', codes == [550, 550, 421], codes)
    check('rates: and keeps the network out for a while', '421 4.7.0' in replies(swaks(server)))
    setup(server, policy={'exempt': ['127.0.0.0/8']})
    check('rates: exempt networks are not asked', accepted(swaks(server)))


def submit(server, recipients, sender=ALICE):
    with smtplib.SMTP('127.0.0.1', server.port('submission'), timeout=20) as client:
        client.login(ALICE, PASSWORD)
        code = client.mail(sender)[0]
        if code != 250:
            return code, []
        codes = [client.rcpt(one)[0] for one in recipients]
        if 250 in codes:
            code = client.data(b'From: alice@example.test\r\nSubject: offer\r\nMessage-ID: <offer@example.test>\r\n\r\nBuy.\r\n')[0]
        return code, codes


def people(count):
    people.last += count
    return [f'p{number}@elsewhere.test' for number in range(people.last - count, people.last)]


people.last = 0


def test_sending(server):
    setup(server, policy__sending={'recipients_per_minute': 0, 'recipients_per_hour': 6, 'suspend_at': 12})
    check('E6: a sender that is not the login\'s is refused', submit(server, people(1), BOB) == (550, []))
    check('sending limits: so many in an hour', submit(server, people(4)) == (250, [250] * 4))
    time.sleep(6)
    server.kill()
    server.start()
    answers = submit(server, people(4))
    check('sending limits: the count outlives a kill', answers == (250, [250, 250, 450, 450]), answers)
    out = json.loads(server.run('account', 'limits', ALICE, '--json').stdout)
    check('account limits: shows what was sent', out['recipients_per_hour'] == {'used': 6, 'limit': 6} and not out['own'], out)
    out = server.run('account', 'limits', ALICE, 'recipients_per_hour=7')
    check('account limits: gives an account its own', out.returncode == 0 and re.search(r'recipients_per_hour +6 of 7', out.stdout), out)
    check('sending limits: which hold at once', submit(server, people(2)) == (250, [250, 450]))
    check('account limits: what is no limit is wrong usage', server.run('account', 'limits', ALICE, 'sheep=7').returncode == 2)
    check('account limits: nobody has none', server.run('account', 'limits', 'nobody@example.test').returncode == 1)
    before = len(server.run('queue', 'list').stdout.splitlines())
    code, codes = submit(server, people(4))
    check('E6: much too much suspends the account, and what comes then is taken and held', (code, codes) == (250, [450, 250, 250, 250]), codes)
    queue = server.run('queue', 'list').stdout.splitlines()
    check('E6: it is held in the queue', len(queue) == before + 1 and 'held' in queue[-1], queue)
    check('E6: the log cries', server.logged('level=error event=sending.suspended', f'login={ALICE}'), server.log()[-1500:])
    end = time.monotonic() + 20
    while not Hook.events and time.monotonic() < end:
        time.sleep(0.1)
    check('E6: a webhook is told, though this server sends no mail to others', [(one['event'], one['login']) for one in Hook.events] == [('suspended', ALICE)], Hook.events)
    entry = queue[-1].split()[0]
    check('E6: trace says why it is held', 'sending-limits: alice@example.test is suspended' in server.run('trace', entry).stdout, server.run('trace', entry).stdout)
    check('E6: policies names the account', 'SUSPENDED' in server.run('policies').stdout)
    server.stop()
    check('E6: it is suspended when no server runs, too', 'SUSPENDED' in server.run('account', 'limits', ALICE).stdout)
    out = server.run('account', 'limits', ALICE, 'usual', 'release')
    check('account limits: release lets it go on, usual takes its own limits back', out.returncode == 0 and 'SUSPENDED' not in out.stdout and 'usual limits' in out.stdout, out)
    server.start()
    check('sending limits: from the start', submit(server, people(1)) == (250, [250]))
    check('E6: what was held waits for somebody all the same', any(line.split()[0] == entry and 'held' in line for line in server.run('queue', 'list').stdout.splitlines()))


def test_sizes(server):
    text = re.sub(r'(?ms)^\[limits\].*?(?=^\[|\Z)', '', server.config.read_text())
    server.config.write_text(text + '\n[limits]\nmessage_size = 100000\nmessage_size_submitted = 300000\nmessage_size_trusted = 200000\nrecipients = 2\n'
                             'recipients_submitted = 4\nrecipients_trusted = 3\ntrusted = ["127.0.0.8"]\n')
    assert server.run('reload').returncode == 0
    for protocol, source, size, recipients in (('smtp', '127.0.0.9', 100_000, 2), ('smtp', '127.0.0.8', 200_000, 3), ('submission', '127.0.0.9', 300_000, 4)):
        with smtplib.SMTP('127.0.0.1', server.port(protocol), source_address=(source, 0), timeout=20) as client:
            client.ehlo('client.good.test')
            offered = int(client.esmtp_features['size']), int(re.search(r'RCPTMAX=(\d+)', client.esmtp_features['limits'])[1])
        check(f'limits by class: {protocol} from {source} may send {size} octets to {recipients}', offered == (size, recipients), offered)


hook = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Hook)
threading.Thread(target=hook.serve_forever, daemon=True).start()
extra = f'\n[[webhook]]\nurl = "http://127.0.0.1:{hook.server_port}/"\nevents = ["suspended"]\n[resolver]\nservers = '
with NameServer(RECORDS) as names, Server(program, listeners=LISTENERS, trusted=False, extra=f'{extra}["{names.address}"]\n') as running:
    for login in (ALICE, BOB):
        running.add_account(login, PASSWORD)
    setup(running)
    running.start()
    check('policies: nothing yet is said, and is data too', 'No policy has decided' in running.run('policies').stdout and json.loads(running.run('policies', '--json').stdout)['decided'] == [])
    test_senders_and_helo(running, names)
    test_lists(running, names)
    test_access(running)
    test_greylist(running)
    test_tarpit_and_rates(running)
    test_sending(running)
    test_sizes(running)
sys.exit(check.finish())
