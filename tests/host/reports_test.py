#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Reports between two real programs: what one sees of sender.test's mail is told to the other by mail, through a kill; and how TLS with
its host fared, by HTTPS.

`there` is example.test, which reports; `here` has sender.test, whose mail it is. Argument: keystone-mail.
"""
import email.policy
import gzip
import http.client
import imaplib
import json
import pathlib
import re
import signal
import smtplib
import ssl
import sys
import time
from email.message import EmailMessage

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402
from loopback import wait  # noqa: E402
from name_server import NameServer  # noqa: E402

PASSWORD = 'a long enough password'
LISTENERS = [('smtp', 'none', False), ('imap', 'starttls', True)]
program = sys.argv[1]
check = Checks()


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
    told = data(here, 'show', received[0]['id'])
    check('reports: so has JSON, and what was published and went wrong', told['records'][0]['messages'] == 3 and told['published_at'] == 'sender.test'
          and told['errors'] == [] and told['records_ignored'] == 0 and f"Policy    {told['policy']} at {told['published_at']}" in shown.stdout, told)
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


def post(server, body, kind='application/tlsrpt+json', path='/tls-reports', method='POST'):
    """Status and headers, by a client that checks the certificate."""
    context = ssl.create_default_context(cafile=server.data / 'tls/certificate.pem')
    connection = http.client.HTTPSConnection('127.0.0.1', server.port('https'), timeout=30, context=context)
    connection.connect = lambda: setattr(connection, 'sock', context.wrap_socket(
        http.client.socket.create_connection(('127.0.0.1', server.port('https')), 30), server_hostname='mail.example.test'))
    try:
        connection.request(method, path, body, {'Content-Type': kind, 'Host': 'mail.example.test'})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders())
    finally:
        connection.close()


def by_https(there, here, names):
    with smtplib.SMTP('127.0.0.1', there.port('submission'), timeout=30) as client:
        client.login('alice@example.test', PASSWORD)
        client.sendmail('alice@example.test', ['postmaster@sender.test'], 'From: alice@example.test\r\nSubject: hello\r\n\r\nHello.\r\n')
    check('tls reports: mail goes to the host that the DNS names', wait(lambda: inbox(here, 'postmaster@sender.test')), there.log()[-3000:])
    time.sleep(6)  # what was counted is in the store by now
    names.records[('_smtp._tls.sender.test', 'TXT')] = [f'v=TLSRPTv1; rua=https://mail.example.test:{here.port("https")}/tls-reports']
    sent = [(one['kind'], one['domain'], one['sent']) for one in data(there, 'send', '--now')]
    check('tls reports: the report of its sessions is posted to the address in its record', sent == [('tls', 'sender.test', 1)], (sent, there.log()[-3000:]))
    received = data(here, 'list')
    check('tls reports: it is there when it has been taken, and nobody vouches for it',
          [(one['kind'], one['domain'], one['from'], one['verified'], one['passed'], one['failed']) for one in received] ==
          [('tls', 'sender.test', '127.0.0.1', False, 1, 0)], (received, here.log()[-3000:]))
    check('tls reports: summary leaves it out, and says so', 'which are not counted: 1;' in here.run('reports', 'summary').stdout, here.run('reports', 'summary').stdout)
    check('tls reports: unless it is to count', 'sender.test, ' in (shown := here.run('reports', 'summary', '--unverified').stdout) and '1 encrypted sessions' in shown, shown)
    zone = here.run('dns', 'sender.test').stdout
    check('tls reports: the zone names both ways', 'v=TLSRPTv1; rua=mailto:postmaster@sender.test,https://mail.example.test/tls-reports' in zone, zone)


def strangers(here):
    def report(domain, name='x'):
        return json.dumps({'organization-name': name, 'date-range': {'start-datetime': '2026-01-01T00:00:00Z', 'end-datetime': '2026-01-01T23:59:59Z'},
                           'contact-info': 'a@x.test', 'report-id': name, 'policies': [{
                               'policy': {'policy-type': 'no-policy-found', 'policy-domain': domain},
                               'summary': {'total-successful-session-count': 1, 'total-failure-session-count': 0}}]}).encode()

    before = len(data(here, 'list'))
    for title, status, words in (
            ('a report of a domain that is not ours is 403', 403, {'body': report('other.test')}),
            ('what is no report is 400', 400, {'body': b'{'}),
            ('C9: a bomb is 400', 400, {'body': gzip.compress(b'{' * 40_000_000), 'kind': 'application/tlsrpt+gzip'}),
            ('what is too large is 413', 413, {'body': b'{' * 1_100_000}),
            ('what the forms of a web page send is 415', 415, {'body': report('sender.test'), 'kind': 'text/plain'}),
            ('reading is 405', 405, {'body': None, 'method': 'GET'}),
            ('another path is 404', 404, {'body': report('sender.test'), 'path': '/tls-reports/x'})):
        answer = post(here, **words)
        check(f'tls reports: {title}', answer[0] == status, answer)
    check('tls reports: none of that is kept', len(data(here, 'list')) == before, data(here, 'list'))
    forged = report('sender.test', 'x\nlevel=error event=forged\x1b[2J')
    check('tls reports: a report that is plain JSON is 201', post(here, forged)[0] == 201)
    check('tls reports: and 200 the second time', post(here, forged)[0] == 200)
    check('tls reports: what strangers write makes no lines of the log',
          'event=reports.refused' in here.log() and not any('event=forged' in line.split('"')[0] or '\x1b' in line for line in here.lines), here.log()[-2000:])
    check('tls reports: nor does it drive the terminal', '\x1b' not in here.run('reports', 'list').stdout)
    answers = [post(here, b'{') for _ in range(30)]
    check('tls reports: one address may post so many in an hour, then it is told to wait', answers[-1][0] == 429 and 0 < int(answers[-1][1]['Retry-After']) <= 3600, answers[-1])
    secure = here.run('check')
    check('tls reports: the configuration is found good', secure.returncode == 0, secure.stdout + secure.stderr)


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

records = {('sender.test', 'MX'): [(10, 'mx.sender.test')], ('mx.sender.test', 'A'): ['127.0.0.1'], ('mail.example.test', 'A'): ['127.0.0.1']}
with NameServer(records) as names, Server(program, listeners=[('smtp', 'starttls', False), ('imap', 'starttls', True), ('https', 'implicit', False)],
                                          extra=settings(names, '\n[reports]\ntls_https = true\n')) as here:
    assert here.run('domain', 'add', 'sender.test').returncode == 0
    here.add_account('postmaster@sender.test', PASSWORD)
    here.start()
    more = f'\n[relay]\nport = {here.port("smtp")}\nauthorities = "{here.data}/tls/certificate.pem"\n\n[reports]\nprivate_networks = true\n'
    with Server(program, listeners=[('submission', 'none', True)], extra=settings(names, more)) as there:
        there.add_account('alice@example.test', PASSWORD)
        there.start()
        by_https(there, here, names)
    strangers(here)
sys.exit(check.finish())
