#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Mail out of the real program by DANE, MTA-STS and REQUIRETLS: Knot DNS with a signed zone, Python's TLS for mail hosts and for the
policies' web server, openssl for certificates. Argument: the program."""
import hashlib
import http.server
import imaplib
import json
import pathlib
import re
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from knot import KNOT_SERVER  # noqa: E402
from keystone import Checks, Server  # noqa: E402

program = sys.argv[1]
check = Checks()
ALICE, PASSWORD = 'alice@example.test', 'correct horse battery staple'
KNOT = KNOT_SERVER + '''policy:
  - id: quick
    algorithm: ecdsap256sha256
zone:
  - domain: signed.example
    dnssec-signing: on
    dnssec-policy: quick
  - domain: plain.example
'''
START = '$TTL 300\n@ SOA ns admin 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n'
POLICIES = {'enforced': 'enforce', 'wrong': 'enforce', 'stranger': 'enforce', 'testing': 'testing'}


def free_port(host='127.0.0.1'):
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def wait(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return bool(condition())


def openssl(*words, stdin=None):
    return subprocess.run(['openssl', *map(str, words)], input=stdin, capture_output=True, check=True, timeout=60).stdout


class Authority:
    def __init__(self, folder):
        self.folder = folder
        openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30', '-subj', '/CN=Test CA',
                '-addext', 'basicConstraints=critical,CA:TRUE', '-keyout', folder / 'ca.key', '-out', folder / 'ca.pem')

    def certify(self, name, names):
        """A certificate by the authority; its chain and key in one file each."""
        key, chain, request, wanted = (self.folder / f'{name}.{end}' for end in ('key', 'pem', 'csr', 'ext'))
        wanted.write_text('subjectAltName=' + ','.join(f'DNS:{one}' for one in names) + '\n')
        openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', f'/CN={names[0]}', '-keyout', key, '-out', request)
        openssl('x509', '-req', '-in', request, '-CA', self.folder / 'ca.pem', '-CAkey', self.folder / 'ca.key', '-CAcreateserial', '-days', '30',
                '-extfile', wanted, '-out', chain)
        return chain, key

    def self_signed(self, name, host):
        key, chain = self.folder / f'{name}.key', self.folder / f'{name}.pem'
        openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30', '-subj', f'/CN={host}', '-keyout', key, '-out', chain)
        return chain, key


def key_digest(chain):
    public = openssl('x509', '-in', chain, '-pubkey', '-noout')
    return hashlib.sha256(openssl('pkey', '-pubin', '-outform', 'DER', stdin=public)).hexdigest()


def server_context(certified):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certified)
    return context


class Sink(threading.Thread):
    """A mail host that keeps what it gets: (MAIL line, RCPT line, TLS version or None)."""

    def __init__(self, address, port, certified, offers=()):
        super().__init__(daemon=True)
        self.context = server_context(certified) if certified else None
        self.offers, self.got = offers, []
        self.listening = socket.create_server((address, port))
        self.start()

    def run(self):
        while True:
            try:
                stream, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(stream,), daemon=True).start()

    def serve(self, stream):
        try:
            self.talk(stream)
        except OSError:
            pass
        finally:
            stream.close()

    def talk(self, stream):
        stream.settimeout(60)
        secure, sender, recipients = None, '', []
        lines = stream.makefile('rb')
        stream.sendall(b'220 sink\r\n')
        while line := lines.readline().decode().strip():
            verb = line.split()[0].upper()
            if verb == 'EHLO':
                words = ['sink', *self.offers, *(['STARTTLS'] if self.context and not secure else [])]
                stream.sendall(''.join(f'250{"-" if n + 1 < len(words) else " "}{word}\r\n' for n, word in enumerate(words)).encode())
            elif verb == 'STARTTLS' and self.context:
                stream.sendall(b'220 go\r\n')
                stream = self.context.wrap_socket(stream, server_side=True)
                lines, secure = stream.makefile('rb'), stream.version()
            elif verb == 'MAIL':
                sender, recipients = line, []
                stream.sendall(b'250 ok\r\n')
            elif verb == 'RCPT':
                recipients.append(line)
                stream.sendall(b'250 ok\r\n')
            elif verb == 'DATA':
                stream.sendall(b'354 go\r\n')
                while lines.readline() not in (b'.\r\n', b''):
                    pass
                self.got += [(sender, recipient, secure) for recipient in recipients]
                stream.sendall(b'250 kept\r\n')
            elif verb == 'QUIT':
                stream.sendall(b'221 bye\r\n')
                return
            else:
                stream.sendall(b'250 ok\r\n')

    def of(self, domain):
        return [one for one in self.got if f'@{domain}>' in one[1]]


class PolicyHost(http.server.BaseHTTPRequestHandler):
    asked = []

    def do_GET(self):
        host = self.headers['Host'].split(':')[0]
        name = host.removeprefix('mta-sts.').removesuffix('.plain.example')
        PolicyHost.asked.append((host, self.path))
        mx = 'other.plain.example' if name == 'stranger' else f'mx.{name}.plain.example'
        body = f'version: STSv1\r\nmode: {POLICIES.get(name, "none")}\r\nmx: {mx}\r\nmax_age: 86400\r\n'.encode()
        self.send_response(200 if self.path == '/.well-known/mta-sts.txt' else 404)
        self.send_header('Content-Type', 'text/plain')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def policy_host(certified):
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), PolicyHost)
    server.socket = server_context(certified).wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def write_zones(directory, port, fits, other):
    def host(domain, address, tlsa=''):
        record = f'_{port}._tcp.mx.{domain} TLSA 3 1 1 {tlsa}\n' if tlsa else ''
        return f'{domain} MX 10 mx.{domain}\nmx.{domain} A {address}\n{record}'

    signed = START + host('good', '127.0.0.2', fits) + host('bad', '127.0.0.2', other) + host('clear', '127.0.0.4', fits)
    signed += 'two MX 10 mx.bad\ntwo MX 20 mx.good\n' + host('ignored', '127.0.0.2', other)
    plain = START + host('enforced', '127.0.0.3') + host('wrong', '127.0.0.2') + host('stranger', '127.0.0.3') + host('testing', '127.0.0.2')
    plain += host('nothing', '127.0.0.2', other) + host('strict', '127.0.0.2') + host('sure', '127.0.0.3')
    for name in POLICIES:
        plain += f'_mta-sts.{name} TXT "v=STSv1; id=1;"\nmta-sts.{name} A 127.0.0.1\n'
    (directory / 'signed.example.zone').write_text('$ORIGIN signed.example.\n' + signed)
    (directory / 'plain.example.zone').write_text('$ORIGIN plain.example.\n' + plain)


class Knot:
    def __init__(self, directory):
        self.port, self.configuration = free_port(), directory / 'knot.conf'
        self.configuration.write_text(KNOT.format(directory=directory, port=self.port))
        self.process = subprocess.Popen(['knotd', '-c', self.configuration], stderr=subprocess.DEVNULL)
        wait(lambda: 'RRSIG' in self.dig('signed.example', 'SOA'))

    def dig(self, name, kind):
        return subprocess.run(['kdig', '+dnssec', '+timeout=1', '@127.0.0.1', '-p', str(self.port), name, kind], capture_output=True, text=True).stdout

    def anchor(self):
        records = subprocess.run(['keymgr', '-c', self.configuration, 'signed.example', 'ds'], capture_output=True, text=True, timeout=30).stdout
        found = re.search(r'^signed\.example\. DS (\d+ \d+ 2 [0-9A-Fa-f]+)$', records, re.M)
        return f'signed.example. IN DS {found[1]}' if found else ''

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def unverified():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def send(server, domain, options=()):
    with smtplib.SMTP('127.0.0.1', server.port('submission')) as client:
        client.starttls(context=unverified())
        client.login(ALICE, PASSWORD)
        client.sendmail(ALICE, [f'bob@{domain}'], f'Message-ID: <{domain}@example.test>\r\nSubject: {domain}\r\n\r\nHello.\r\n', mail_options=options)


def trace(server, domain):
    return server.run('trace', f'<{domain}@example.test>').stdout


def inbox(server):
    client = imaplib.IMAP4_SSL('127.0.0.1', server.port('imaps'), ssl_context=unverified())
    client.login(ALICE, PASSWORD)
    client.select()
    _, found = client.search(None, 'ALL')
    texts = [client.fetch(number, '(BODY.PEEK[])')[1][0][1].decode() for number in found[0].split()]
    client.logout()
    return texts


def judge(server, own, trusted, clear):
    for domain in ('good.signed.example', 'two.signed.example', 'bad.signed.example', 'clear.signed.example', 'enforced.plain.example',
                   'wrong.plain.example', 'stranger.plain.example', 'testing.plain.example', 'nothing.plain.example', 'strict.plain.example',
                   'sure.plain.example', 'ignored.signed.example'):
        send(server, domain)

    def delivered(sink, domain, words):
        there = wait(lambda: sink.of(domain))
        check(f'{domain}: is delivered, encrypted', there and sink.of(domain)[0][2] == 'TLSv1.3', trace(server, domain) + server.log()[-2000:])
        wait(lambda: 'delivered' in trace(server, domain))
        check(f'{domain}: the trace says {words}', re.search(rf'\[TLSv1\.3 TLS_\w+ {words}\]', trace(server, domain)), trace(server, domain))

    def waits(domain, why):
        check(f'{domain}: waits, since {why}', wait(lambda: why in trace(server, domain)), trace(server, domain) + server.log()[-2000:])
        check(f'{domain}: nobody has got it', not any(sink.of(domain) for sink in (own, trusted, clear)))

    delivered(own, 'good.signed.example', 'dane')
    delivered(own, 'two.signed.example', 'dane')
    delivered(trusted, 'enforced.plain.example', 'sts')
    delivered(own, 'testing.plain.example', 'none')
    delivered(own, 'nothing.plain.example', 'none')  # its TLSA record fits nothing, and nobody has signed it
    delivered(trusted, 'sure.plain.example', 'webpki')  # by tls_domains
    check('ignored.signed.example: tls_domains is an administrator\'s word, which goes before DANE', wait(lambda: own.of('ignored.signed.example')) and
          own.of('ignored.signed.example')[0][2] is None, trace(server, 'ignored.signed.example'))
    waits('strict.plain.example', 'No mail for mx.strict.plain.example')
    waits('bad.signed.example', 'no TLSA record fits')
    waits('clear.signed.example', 'TLS is required')
    waits('wrong.plain.example', 'MTA-STS')
    waits('stranger.plain.example', 'does not name this host')
    check('policies: each was fetched once', sorted(PolicyHost.asked) == sorted((f'mta-sts.{name}.plain.example', '/.well-known/mta-sts.txt') for name in POLICIES),
          PolicyHost.asked)
    queued = server.run('queue', 'list').stdout
    check('queue: the five that are not safe are in it', queued.count('->') == 5, queued)

    for domain in ('good.signed.example', 'enforced.plain.example', 'testing.plain.example'):
        send(server, domain, ['REQUIRETLS'])
    for sink, domain in ((own, 'good.signed.example'), (trusted, 'enforced.plain.example')):
        check(f'{domain}: REQUIRETLS goes along', wait(lambda: any('REQUIRETLS' in one[0] for one in sink.of(domain))), sink.got)
    check('testing.plain.example: REQUIRETLS is refused there', wait(lambda: any('5.7.10' in text for text in inbox(server))), inbox(server))
    check('testing.plain.example: and not delivered', len(own.of('testing.plain.example')) == 1)


def checked(server, port):
    """By the authorities, trust anchors and ports of the configuration, as mail goes."""
    def tls(domain, *words):
        out = server.run('check', 'tls', domain, '--json', *words)
        return {one['subject']: (one['status'], one['found']) for one in json.loads(out.stdout)}, out

    def has(found, subject, status, *words):
        return found.get(subject, ('', ''))[0] == status and all(word in found[subject][1] for word in words)

    found, out = tls('enforced.plain.example')
    check('check tls: a policy that is served and names the host is good', has(found, 'MTA-STS enforced.plain.example', 'present', 'id 1', 'mode enforce, for 1 days'), found)
    check('check tls: so is a certificate by an authority of ours', has(found, f'smtp mx.enforced.plain.example:{port}', 'present', 'TLS 1.3') and out.returncode == 0, out)
    found, out = tls('stranger.plain.example')
    check('check tls: a policy that names another host is wrong', has(found, 'MTA-STS stranger.plain.example', 'wrong', 'it does not name mx.stranger.plain.example') and
          out.returncode == 1, found)
    found, _ = tls('wrong.plain.example')
    check('check tls: a certificate that nobody knows is wrong', has(found, f'smtp mx.wrong.plain.example:{port}', 'wrong', 'signed by nobody'), found)
    found, _ = tls('good.signed.example')
    check('check tls: TLSA records that fit and are signed are good', has(found, f'TLSA _{port}._tcp.mx.good.signed.example', 'present', ', signed'), found)
    found, _ = tls('bad.signed.example')
    check('check tls: those that do not fit are wrong', has(found, f'TLSA _{port}._tcp.mx.bad.signed.example', 'wrong', ', signed'), found)
    found, _ = tls('nothing.plain.example')
    check('check tls: a domain without a policy lacks it', has(found, 'MTA-STS nothing.plain.example', 'missing'), found)
    check('check tls: TLSA records that nobody has signed are told apart', has(found, f'TLSA _{port}._tcp.mx.nothing.plain.example', 'wrong', 'not signed by DNSSEC'), found)


def restarted(server, trusted, policies):
    """The policy is kept over a restart, though its host is gone."""
    server.stop()
    policies.shutdown()
    policies.server_close()
    server.start()
    send(server, 'enforced.plain.example')
    check('restart: the policy that was kept holds', wait(lambda: len(trusted.of('enforced.plain.example')) == 3), server.log()[-2000:])
    check('restart: and the trace says so', wait(lambda: trace(server, 'enforced.plain.example').count(' sts]') == 3), trace(server, 'enforced.plain.example'))


with tempfile.TemporaryDirectory() as folder:
    directory = pathlib.Path(folder)
    authority = Authority(directory)
    own_certificate = authority.self_signed('own', 'whoever.example')
    trusted_certificate = authority.certify('trusted', ['mx.enforced.plain.example', 'mx.stranger.plain.example', 'mx.sure.plain.example'])
    port = free_port()
    sinks = (Sink('127.0.0.2', port, own_certificate, ['REQUIRETLS']), Sink('127.0.0.3', port, trusted_certificate, ['REQUIRETLS']), Sink('127.0.0.4', port, None))
    web = policy_host(authority.certify('web', [f'mta-sts.{name}.plain.example' for name in POLICIES]))
    write_zones(directory, port, key_digest(own_certificate[0]), 'ab' * 32)
    knot = Knot(directory)
    try:
        extra = (f'\n[relay]\nport = {port}\nauthorities = "{directory}/ca.pem"\nmta_sts_port = {web.server_address[1]}\n'
                 'tls_domains = { "strict.plain.example" = "verified", "sure.plain.example" = "verified", "ignored.signed.example" = "none" }\n'
                 f'[resolver]\nservers = ["127.0.0.1:{knot.port}"]\ntrust_anchors = ["{knot.anchor()}"]\n')
        with Server(program, extra=extra) as server:
            server.add_account(ALICE, PASSWORD)
            server.start()
            judge(server, *sinks)
            checked(server, port)
            restarted(server, sinks[1], web)
    finally:
        knot.stop()
sys.exit(check.finish())
