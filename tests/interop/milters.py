#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Mail filters of Debian asked by the real server: a filter on libmilter, OpenDKIM, ClamAV, rspamd. Arguments: the program, and the
names of those to run if not all.

Each has a folder of its own and listens on loopback or a Unix socket. rspamd takes up to a minute to start; a machine on which it
does not come up within two fails the test.
"""
import imaplib
import json
import os
import pathlib
import re
import resource
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402
from loopback import free_port  # noqa: E402

ALICE, BOB = 'alice@example.test', 'bob@example.test'
PASSWORD = 'correct horse battery staple'
GTUBE = 'XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X'
HERE = pathlib.Path(__file__).resolve().parent
check = Checks()


def name_of_loopback():
    """A name that leads to 127.0.0.1 and is not localhost, where /etc/hosts has one; else the address."""
    for line in pathlib.Path('/etc/hosts').read_text().splitlines():
        words = line.split('#')[0].split()
        if words[:1] == ['127.0.0.1']:
            for name in words[1:]:
                if not name.startswith('localhost') and socket.gethostbyname(name) == '127.0.0.1':
                    return name
    return '127.0.0.1'


def is_listening(where):
    family, address = (socket.AF_UNIX, where) if isinstance(where, str) else (socket.AF_INET, ('127.0.0.1', where))
    with socket.socket(family) as s:
        s.settimeout(1)
        return s.connect_ex(address) == 0


class Filter:
    """A filter's process, from its first connection on."""

    def __init__(self, command, where, seconds=20, output=None):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output or subprocess.DEVNULL,
                                        stderr=subprocess.STDOUT, start_new_session=True)
        deadline = time.monotonic() + seconds
        while not is_listening(where):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f'{command[0]} does not listen at {where}')
            time.sleep(0.1)

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, 15)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, 9)
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def milter(address, **keys):
    lines = ''.join(f'{key} = {value}\n' for key, value in keys.items())
    return f'\n[[milter]]\naddress = "{address}"\n{lines}'


def serve(extra):
    server = Server(sys.argv[1], extra=extra)
    for login in (ALICE, BOB):
        server.add_account(login, PASSWORD)
    return server.start()


def unverified():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def received(server, login=BOB, mailbox='INBOX', seconds=10):
    """The newest message there; it is taken away."""
    client = imaplib.IMAP4_SSL('127.0.0.1', server.port('imaps'), ssl_context=unverified())
    client.login(login, PASSWORD)
    try:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if client.select(mailbox)[0] == 'OK':
                _, data = client.search(None, 'ALL')
                if data[0]:
                    newest = data[0].split()[-1]
                    _, parts = client.fetch(newest, '(BODY.PEEK[])')
                    client.store(newest, '+FLAGS', '\\Deleted')
                    client.expunge()
                    return parts[0][1]
            time.sleep(0.1)
        return b''
    finally:
        client.logout()


def swaks(server, subject, *more, to=BOB, protocol='smtp', body='hello'):
    ways = {'smtp': ['--from', 'carol@elsewhere.test'],
            'submission': ['--tls', '--auth', 'PLAIN', '--auth-user', ALICE, '--auth-password', PASSWORD, '--from', ALICE],
            'lmtp': ['--protocol', 'LMTP', '--from', 'carol@elsewhere.test']}
    out = subprocess.run(['swaks', '--server', '127.0.0.1', '--port', str(server.port(protocol)), '--to', to, '--h-Subject', subject,
                          '--body', body, *ways[protocol], *more], text=True, errors='replace', capture_output=True, timeout=120)
    return out.returncode == 0, out.stdout + out.stderr


def test_libmilter(scratch):
    where, log = str(scratch / 'filter.sock'), scratch / 'filter.log'
    with Filter(['/usr/bin/python3', HERE / 'libmilter_filter.py', where, log], where), serve(milter('unix:' + where)) as server:
        for protocol in ('smtp', 'submission', 'lmtp'):
            sent, said = swaks(server, 'edit', '--header', 'X-Old: first', '--header', 'X-Old: second', protocol=protocol)
            got = received(server)
            check(f'libmilter: edits of header and body are stored ({protocol})',
                  sent and re.search(rb'^X-Inserted: top\r\n', got, re.M) and b'\r\nX-Added: one\r\n\ttwo\r\n' in got and b'X-Old: changed\r\n' in got
                  and b'first' not in got and b'Subject: edited\r\n' in got and got.endswith(b'\r\n\r\na new\r\nbody\r\n'), said + repr(got))
        for subject, code in {'reject': '554', 'tempfail': '451', 'reject at body': '550'}.items():
            sent, said = swaks(server, subject)
            check(f'libmilter: {subject} is the reply to the message', not sent and f'<** {code}' in said, said)
        check('libmilter: a reply of two lines arrives as two', '554-5.7.9 two' in swaks(server, 'reject')[1])
        sent, said = swaks(server, 'x', '--from', 'refused@elsewhere.test')
        check('libmilter: a sender is refused', not sent and '<** 550' in said, said)
        sent_alias = server.run('alias', 'add', 'refused@example.test', BOB).returncode == 0
        sent, said = swaks(server, 'one of two', to=f'refused@example.test,{BOB}')
        check('libmilter: a recipient is refused alone', sent_alias and '550 5.7.1 not this one' in said and b'one of two' in received(server), said)
        received(server)
        sent, said = swaks(server, 'discard')
        check('libmilter: what it discards is accepted and goes nowhere', sent and received(server, seconds=1) == b'', said)
        sent, said = swaks(server, 'quarantine')
        check('libmilter: quarantine goes to Junk', sent and b'Subject: quarantine' in received(server, mailbox='Junk'), said)
        sent, said = swaks(server, 'recipients')
        got = received(server, login=ALICE)
        check('libmilter: recipients and sender are changed', sent and b'Return-Path: <changed@example.test>' in got and received(server, seconds=1) == b'', said)
        sent, said = swaks(server, 'parameters')
        entry = json.loads(server.run('queue', 'list', '--json').stdout)[0]
        shown = server.run('queue', 'show', entry['id']).stdout
        check('libmilter: parameters of a new sender and recipient are those of the message',
              sent and b'parameters' in received(server) and 'far@elsewhere.test' in shown and 'envelope id: QQ314159' in shown, said + shown)
        server.run('queue', 'cancel', entry['id'])
        with smtplib.SMTP('127.0.0.1', server.port('smtp'), timeout=60) as client:
            client.ehlo()
            plain, worded = client.docmd('XYZZY'), client.docmd('MAGIC', 'word')
            client.mail('carol@elsewhere.test')
            unknown, known = client.rcpt('nobody@example.test'), client.rcpt(BOB)
        check('libmilter: a command that nobody knows is refused in our words, or in its own', plain[0] == 500 and worded == (502, b'5.5.1 no magic here'), (plain, worded))
        told = log.read_text()
        check('libmilter: it hears of unknown commands and refused recipients, and changes nothing about those',
              'unknown XYZZY' in told and 'refused <nobody@example.test> 5.1.1 No such user here' in told and unknown[0] == 550 and known[0] == 250, (told[-2000:], unknown, known))
        sent, said = swaks(server, 'slow')
        check('libmilter: progress is waited for', sent and b'slow' in received(server), said)
        server.run('alias', 'add', 'team@example.test', BOB)
        sent, said = swaks(server, 'recipients', to='team@example.test')
        told = log.read_text()
        check('libmilter: it is told who connects, by macros too', re.search(r"^connect \S+ (localhost|\[127\.0\.0\.1\]) .*127\.0\.0\.1", told, re.M) and
              ' mail.example.test ' in told, told[:2000])
        check('libmilter: it is told who logged in', f'auth {ALICE}' in told, told[:2000])
        check('libmilter: each session is closed', told.count('connect ') > 8 and told.count('close ') >= told.count('connect ') - 1, told[-2000:])
        check('libmilter: an alias is taken out by its name', sent and received(server, seconds=1) == b'' and received(server, login=ALICE) != b'', said)
        test_memory(where)
    with serve(milter('unix:' + where)) as server:
        sent, said = swaks(server, 'nobody there')
        check('milter: without the filter mail is deferred', not sent and '<** 451 4.7.1' in said, said)
        server.config.write_text(server.config.read_text() + 'failure = "accept"\n')
        server.process.send_signal(1)
        deadline = time.monotonic() + 10
        while 'config.reloaded' not in server.log() and time.monotonic() < deadline:
            time.sleep(0.1)
        sent, said = swaks(server, 'nobody there')
        check('milter: a reload changes what a failure means, and it is in the log',
              sent and b'nobody there' in received(server) and 'milter.failed' in server.log(), said)


def resident(process, what):
    text = pathlib.Path(f'/proc/{process.pid}/status').read_text()
    return int(re.search(rf'{what}:\s+(\d+) kB', text)[1]) // 1024


LINE = b'x' * 998 + b'\r\n'


def peak(server, subject):
    """MiB that a message of 50 MiB takes for a while, and what Bob gets."""
    message = b'From: carol@elsewhere.test\r\nSubject: ' + subject + b'\r\n\r\n' + LINE * (50 * 1024 * 1024 // len(LINE) - 10)
    pathlib.Path(f'/proc/{server.process.pid}/clear_refs').write_text('5')  # the peak begins anew
    start = resident(server.process, 'VmRSS')
    with smtplib.SMTP('127.0.0.1', server.port('smtp'), timeout=300) as client:
        client.sendmail('carol@elsewhere.test', [BOB], message)
    grown = resident(server.process, 'VmHWM') - start
    return grown, received(server, seconds=60)


def test_memory(where):
    """A message of 50 MiB passes through the filter, and another one comes back in its place: neither takes memory."""
    slack = 16  # MiB
    with serve('') as server:
        without, _ = peak(server, b'plain')
    with serve(milter('unix:' + where)) as server:
        through, got = peak(server, b'plain')
        check('milter: 50 MiB pass through the filter unchanged', got.endswith(LINE) and len(got) > 50_000_000, len(got))
        check('milter: that takes no memory', through < without + slack, f'{through} MiB; without a filter {without} MiB')
    with serve(milter('unix:' + where)) as server:
        replaced, got = peak(server, b'large')
        check('milter: a new body of 50 MiB is stored', got.endswith(b'y' * 65533 + b'\r\n') and len(got) > 52_000_000, len(got))
        check('milter: that takes none either', replaced < without + slack, f'{replaced} MiB; without a filter {without} MiB')
    print(f'      peak of a message of 50 MiB: {without} MiB without a filter, {through} MiB through one, {replaced} MiB with a new body')


def test_opendkim(scratch):
    port, key = free_port(), scratch / 'key'
    subprocess.run(['openssl', 'genrsa', '-out', key, '2048'], check=True, capture_output=True)
    key.chmod(0o600)
    public = subprocess.run(['openssl', 'rsa', '-in', key, '-pubout', '-outform', 'DER'], check=True, capture_output=True).stdout
    import base64
    (scratch / 'dns').write_text(f'test._domainkey.example.test v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}\n')
    (scratch / 'opendkim.conf').write_text(f'''
Syslog no
Mode sv
Domain example.test
Selector test
KeyFile {key}
Socket inet:{port}@127.0.0.1
InternalHosts {scratch}/none
ExternalIgnoreList {scratch}/none
RequireSafeKeys no
TestDNSData {scratch}/dns
AlwaysAddARHeader yes
On-BadSignature reject
AuthservID filter.test
Canonicalization simple/simple
BaseDirectory {scratch}
''')
    (scratch / 'none').write_text('192.0.2.99\n')
    with Filter(['/usr/sbin/opendkim', '-f', '-x', scratch / 'opendkim.conf'], port), serve(milter(f'inet:{name_of_loopback()}:{port}')) as server:
        sent, said = swaks(server, 'signed by the filter', protocol='submission')
        got = received(server)
        signatures = re.findall(rb'^DKIM-Signature:(?:.*\r\n)(?:[ \t].*\r\n)*', got, re.M)
        check('opendkim: signs what is submitted, and so do we', len(signatures) == 3 and b's=test;' in signatures[-1], said + repr(signatures))
        # The copy in the mailbox, as another server would get it, with the filter's signature alone.
        for ours in signatures[:-1]:
            got = got.replace(ours, b'')
        with smtplib.SMTP('127.0.0.1', server.port('smtp'), timeout=60) as client:
            client.sendmail('alice@example.test', [BOB], got)
        again = received(server)
        check('opendkim: what it signed it verifies, simple canonicalization included', b'filter.test;\r\n\tdkim=pass' in again or b'dkim=pass' in again, repr(again[:2500]))
        with smtplib.SMTP('127.0.0.1', server.port('smtp'), timeout=60) as client:
            try:
                client.sendmail('alice@example.test', [BOB], got.replace(b'Subject: signed', b'Subject: Signed'))
                reply = 'taken'
            except smtplib.SMTPDataError as refusal:
                reply = f'{refusal.smtp_code} {refusal.smtp_error}'
        check('opendkim: what was changed it refuses', reply.startswith('550') and 'bad DKIM signature' in reply, reply)


def test_rspamd(scratch):
    port = free_port()
    (scratch / 'rspamd.conf').write_text(f'''
lua = "/usr/share/rspamd/rules/rspamd.lua";
options {{
  pidfile = "{scratch}/rspamd.pid"; filters = ""; url_tld = "/usr/share/rspamd/effective_tld_names.dat";
  cache_file = "{scratch}/symbols.cache"; hs_cache_dir = "{scratch}"; gtube_patterns = "all";
  dns {{ nameserver = "127.0.0.1:9"; timeout = 0.1s; retransmits = 1; }}
}}
logging {{ type = "file"; filename = "{scratch}/rspamd.log"; level = "info"; }}
actions {{ reject = 15; add_header = 6; greylist = 4; }}
modules {{ path = "/usr/share/rspamd/plugins"; }}
milter_headers {{ use = ["x-spamd-result", "x-rspamd-server", "x-rspamd-queue-id"]; skip_local = false; skip_authenticated = false;
                  authenticated_headers = ["x-rspamd-server"]; local_headers = ["x-rspamd-server", "x-spamd-result"]; }}
worker "rspamd_proxy" {{
  bind_socket = "127.0.0.1:{port}"; milter = yes; count = 1; timeout = 60s;
  upstream "local" {{ default = yes; self_scan = yes; }}
}}
''')
    identity = subprocess.run(['id', '-un'], capture_output=True, text=True).stdout.strip()
    with Filter(['rspamd', '-f', '-i', '-u', identity, '-g', identity, '-c', scratch / 'rspamd.conf'], port, seconds=120):
        with serve(milter(f'inet:127.0.0.1:{port}', reuse='true')) as server:
            sent, said = swaks(server, 'harmless')
            got = received(server)
            check('rspamd: what it adds to a message is stored', sent and b'X-Rspamd-Server:' in got, said + repr(got[:1500]))
            sent, said = swaks(server, 'spam', body=GTUBE)
            check('rspamd: GTUBE is refused in its words', not sent and re.search(r'<\*\* 5\d\d .*Gtube', said), said)
            for i in range(5):
                sent, said = swaks(server, f'another {i}', protocol='lmtp')
            check('rspamd: its connection is used again', sent and server.log().count('milter.failed') == 0, server.log()[-1500:])
            sent, said = swaks(server, 'submitted', protocol='submission')
            check('rspamd: submission passes through it', sent, said)
            check('rspamd: the server stops well while connections to it wait', server.stop() == 0, server.log()[-1500:])


def test_clamav(scratch):
    port, database = free_port(), scratch / 'database'
    database.mkdir()
    (database / 'test.hdb').write_text('44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test-Signature\n')
    identity = subprocess.run(['id', '-un'], capture_output=True, text=True).stdout.strip()
    (scratch / 'clamd.conf').write_text(f'''
LocalSocket {scratch}/clamd.sock
DatabaseDirectory {database}
Foreground yes
User {identity}
TemporaryDirectory {scratch}
''')
    (scratch / 'clamav-milter.conf').write_text(f'''
MilterSocket inet:{port}@127.0.0.1
ClamdSocket unix:{scratch}/clamd.sock
Foreground yes
User {identity}
OnInfected Reject
RejectMsg Infected by %v
OnFail Defer
AddHeader Add
TemporaryDirectory {scratch}
''')
    (scratch / 'eicar.com').write_text('X5O!P%@AP[4\\PZX54(P^)7CC)7}$' + 'EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*')  # apart, so that no scanner finds it here
    with Filter(['clamd', '-c', scratch / 'clamd.conf'], f'{scratch}/clamd.sock', seconds=60):
        with Filter(['clamav-milter', '-c', scratch / 'clamav-milter.conf'], port), serve(milter(f'inet:127.0.0.1:{port}')) as server:
            sent, said = swaks(server, 'clean')
            check('clamav: a clean message passes, and says so', sent and b'X-Virus-Status: Clean' in received(server), said)
            sent, said = swaks(server, 'infected', '--attach-type', 'application/octet-stream', '--attach', f'@{scratch}/eicar.com')
            check('clamav: a virus in an attachment is refused', not sent and re.search(r'<\*\* 5\d\d .*Infected by Eicar-Test-Signature', said), said)


def main():
    tests = (test_libmilter, test_opendkim, test_clamav, test_rspamd)
    for test in [test for test in tests if not sys.argv[2:] or test.__name__[5:] in sys.argv[2:]]:
        with tempfile.TemporaryDirectory(prefix='keystone-milter-', dir='/var/tmp') as folder:
            os.chmod(folder, 0o755)
            try:
                test(pathlib.Path(folder))
            except Exception as failure:  # noqa: BLE001
                check(f'{test.__name__} runs to its end', False, repr(failure))
    return check.finish()


if __name__ == '__main__':
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
