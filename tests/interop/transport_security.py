#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Mail out of the real program by DANE, MTA-STS and REQUIRETLS: Knot DNS with a signed zone, Python's TLS for mail hosts and for the
policies' web server, openssl for certificates. Argument: the program."""
import imaplib
import json
import pathlib
import re
import smtplib
import socket
import ssl
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from certificates import Authority, key_digest  # noqa: E402
from keystone import Checks, Server  # noqa: E402
from knot import Knot  # noqa: E402
from loopback import free_port, wait  # noqa: E402
from policy_host import PolicyHost, policy, server_context  # noqa: E402

program = sys.argv[1]
check = Checks()
ALICE, PASSWORD = 'alice@example.test', 'correct horse battery staple'
START = '$TTL 300\n@ SOA ns admin 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n'
POLICIES = {f'{name}.plain.example': policy(mode, f'mx.{host}.plain.example')
            for name, mode, host in (('enforced', 'enforce', 'enforced'), ('wrong', 'enforce', 'wrong'), ('stranger', 'enforce', 'other'), ('testing', 'testing', 'testing'))}


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


def write_zones(directory, port, fits, other):
    def host(domain, address, tlsa=''):
        record = f'_{port}._tcp.mx.{domain} TLSA 3 1 1 {tlsa}\n' if tlsa else ''
        return f'{domain} MX 10 mx.{domain}\nmx.{domain} A {address}\n{record}'

    signed = START + host('good', '127.0.0.2', fits) + host('bad', '127.0.0.2', other) + host('clear', '127.0.0.4', fits)
    signed += 'two MX 10 mx.bad\ntwo MX 20 mx.good\n' + host('ignored', '127.0.0.2', other)
    plain = START + host('enforced', '127.0.0.3') + host('wrong', '127.0.0.2') + host('stranger', '127.0.0.3') + host('testing', '127.0.0.2')
    plain += host('nothing', '127.0.0.2', other) + host('strict', '127.0.0.2') + host('sure', '127.0.0.3')
    for domain in POLICIES:
        plain += f'_mta-sts.{domain}. TXT "v=STSv1; id=1;"\nmta-sts.{domain}. A 127.0.0.1\n'
    (directory / 'signed.example.zone').write_text('$ORIGIN signed.example.\n' + signed)
    (directory / 'plain.example.zone').write_text('$ORIGIN plain.example.\n' + plain)


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


def judge(server, web, own, trusted, clear):
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
    check('policies: each was fetched once', sorted(web.asked) == sorted((f'mta-sts.{domain}', '/.well-known/mta-sts.txt') for domain in POLICIES), web.asked)
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


def restarted(server, trusted, web):
    """The policy is kept over a restart, though its host is gone."""
    server.stop()
    web.close()
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
    web = PolicyHost(authority.certify('web', [f'mta-sts.{domain}' for domain in POLICIES]), POLICIES)
    write_zones(directory, port, key_digest(own_certificate[0]), 'ab' * 32)
    knot = Knot(directory, ['signed.example', 'plain.example'], signed=['signed.example'])
    try:
        extra = (f'\n[relay]\nport = {port}\nauthorities = "{directory}/ca.pem"\nmta_sts_port = {web.server_address[1]}\n'
                 'tls_domains = { "strict.plain.example" = "verified", "sure.plain.example" = "verified", "ignored.signed.example" = "none" }\n'
                 f'[resolver]\nservers = ["127.0.0.1:{knot.port}"]\ntrust_anchors = ["{knot.anchor("signed.example")}"]\n')
        with Server(program, extra=extra) as server:
            server.add_account(ALICE, PASSWORD)
            server.start()
            judge(server, web, *sinks)
            checked(server, port)
            restarted(server, sinks[1], web)
    finally:
        knot.stop()
sys.exit(check.finish())
