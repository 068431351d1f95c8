#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""`keystone-mail check message` prints the field that the server adds: the same messages by both; and in how much memory: argv[1] is keystone-mail."""
import imaplib
import os
import pathlib
import re
import smtplib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402
from name_server import SERVFAIL, NameServer  # noqa: E402
from sink import Sink  # noqa: E402

PROGRAM, PASSWORD = os.path.abspath(sys.argv[1]), 'a long enough password'
check = Checks()
RECORDS = {
    ('sender.example', 'TXT'): ['v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 -all exp=why.sender.example'],
    ('why.sender.example', 'TXT'): ['%{i} may not'],
    ('_dmarc.sender.example', 'TXT'): ['v=DMARC1; p=none'],
    ('_dmarc.junk.example', 'TXT'): ['v=DMARC1; p=quarantine'],
    ('_dmarc.strict.example', 'TXT'): ['v=DMARC1; p=reject; sp=quarantine'],
    ('example.test', 'TXT'): ['v=spf1 -all'],
    ('_dmarc.example.test', 'TXT'): ['v=DMARC1; p=reject'],
    ('mx.example', 'TXT'): ['v=spf1 a -all'],
    ('mx.example', 'A'): ['192.0.2.1'],
    ('1.2.0.192.in-addr.arpa', 'PTR'): ['mx.example'],
    ('9.2.0.192.in-addr.arpa', 'PTR'): ['mx.example'],  # a lie
    ('xn--bcher-kva.example', 'TXT'): ['v=spf1 ip4:192.0.2.1 -all'],
}
FAULTS = {'broken.example': SERVFAIL, '_dmarc.broken.example': SERVFAIL, '8.2.0.192.in-addr.arpa': SERVFAIL}


def letter(author='alice@sender.example', fields='', body='Hello.\r\n'):
    return f'{fields}From: {author}\r\nTo: carol@example.test\r\nSubject: hello\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\n{body}'.encode()


class FromAfar(smtplib.SMTP):
    """A client that a load balancer in front of the server says to have that address."""

    def __init__(self, client, port, **words):
        self.client = client
        super().__init__('127.0.0.1', port, **words)

    def _get_socket(self, *arguments):
        channel = super()._get_socket(*arguments)
        family, here = ('TCP6', '2001:db8::100') if ':' in self.client else ('TCP4', '192.0.2.100')
        channel.sendall(f'PROXY {family} {self.client} {here} 4242 25\r\n'.encode())
        return channel


def first_field(octets):
    """The first Authentication-Results field of a message, or what was printed, with bare line feeds."""
    found = re.search(rb'^Authentication-Results:[^\n]*\n(?:[ \t][^\n]*\n)*', octets.replace(b'\r\n', b'\n'), re.M)
    return found[0].decode() if found else ''


LISTENER = '\n[[listener]]\nprotocol = "smtp"\naddress = "127.0.0.1:0"\ntls = "none"\nproxy_trusted = ["127.0.0.0/8"]\n'
sink = Sink()
with NameServer(RECORDS, FAULTS) as dns:
    extra = (f'\n[resolver]\nservers = ["{dns.address}"]\n[authentication]\ndmarc = "observe"\n[policy]\nsender_domain = false\n[relay]\nenabled = true\n'
             f'[[route]]\ndomains = ["sink.test"]\nhost = "{sink.place}"\ntls = "none"\n' + LISTENER)
    with Server(PROGRAM, listeners=[('submission', 'none', True), ('imap', 'none', True)], extra=extra) as server:
        for name in ('alice', 'bob', 'carol'):
            server.add_account(name + '@example.test', PASSWORD)
        server.run('account', 'forward', 'bob', 'copy@sink.test')
        for line in server.run('dkim', 'publish', 'example.test').stdout.splitlines():
            if found := re.match(r'(\S+_domainkey\.example\.test)\.\s.*?TXT\s+(.*)', line):
                dns.records[(found[1].lower(), 'TXT')] = [''.join(re.findall(r'"([^"]*)"', found[2]))]
        server.start()

        def send(client, helo, sender, octets, to='carol@example.test'):
            with FromAfar(client, server.port('smtp'), local_hostname=helo) as session:
                session.sendmail(sender, [to], octets, mail_options=['BODY=8BITMIME', 'SMTPUTF8'])

        def newest():
            with imaplib.IMAP4('127.0.0.1', server.port('imap')) as client:
                client.login('carol@example.test', PASSWORD)
                client.select('INBOX', readonly=True)
                last = client.search(None, 'ALL')[1][0].split()[-1]
                return client.fetch(last, '(BODY.PEEK[])')[1][0][1]

        def printed(client, helo, sender, octets, *more):
            words = ['check', 'message', '--config', server.config, '--ip', client, '--helo', helo, '--from', sender, *more, '-']
            return subprocess.run([PROGRAM, *words], input=octets, capture_output=True, timeout=60).stdout

        with smtplib.SMTP('127.0.0.1', server.port('submission')) as session:
            session.login('alice@example.test', PASSWORD)
            session.sendmail('alice@example.test', ['far@sink.test'], letter('alice@example.test'))
        send('192.0.2.1', 'mx.example', 'user@sender.example', letter(), to='bob@example.test')
        signed, sealed = sink.wait('far@sink.test')[2], sink.wait('copy@sink.test')[2]
        check('what alice sent is signed twice, what was passed on is sealed',
              signed.count(b'DKIM-Signature:') == 2 and sealed.count(b'ARC-Seal:') == 1, (signed, sealed))
        many = ''.join(f'DKIM-Signature: v=1; a=rsa-sha256; d=d{i}.example; s=s{i}; h=from; bh={"A" * 43}=; b=AAAA\r\n' for i in range(10))
        gone = signed.replace(b'd=example.test', b'd=broken.example')
        dns.faults.update({selector.decode() + '._domainkey.broken.example': SERVFAIL for selector in re.findall(rb's=(\w+);', signed)})
        chosen, forged = ['iprev', 'spf', 'dkim', 'arc', 'dmarc'], 'Authentication-Results: mail.example.test; spf=pass\r\n'
        cases = [  # what it is; client, HELO, sender, message; what must be in the field
            ('all passes', '192.0.2.1', 'mx.example', 'user@sender.example', letter(),
             ['iprev=pass', 'spf=pass', 'smtp.mailfrom=user@sender.example', 'smtp.helo=mx.example', 'dkim=none', 'arc=none', 'dmarc=pass']),
            ('SPF fails, a name that does not lead back', '192.0.2.9', 'mx.example', 'user@sender.example', letter(),
             ['iprev=fail', 'spf=fail', 'dmarc=fail']),
            ('nothing is known', '192.0.2.7', 'who.example', 'user@nowhere.example', letter('a@nowhere.example'),
             ['iprev=permerror', 'spf=none', 'dkim=none', 'dmarc=none']),
            ('a DNS that fails', '192.0.2.8', 'broken.example', 'user@broken.example', letter('a@broken.example'),
             ['iprev=temperror', 'spf=temperror', 'smtp.helo=broken.example', 'dmarc=temperror']),
            ('the null sender', '192.0.2.1', 'mx.example', '', letter(), ['spf=pass', 'smtp.helo=mx.example', 'dmarc=fail']),
            ('a client of IPv6 with an address for its name', '2001:db8::1', '[IPv6:2001:db8::1]', 'user@sender.example', letter(), ['spf=pass']),
            ('two signatures that hold', '192.0.2.1', 'mx.example', 'user@sender.example', signed, ['dkim=pass', 'header.a=ed25519', 'dmarc=pass']),
            ('two signatures of another text', '192.0.2.1', 'mx.example', 'user@sender.example', signed.replace(b'Hello.', b'Adieu.'),
             ['dkim=fail', 'dmarc=fail', 'polrec.p=reject']),
            ('signatures whose keys cannot be had', '192.0.2.1', 'mx.example', 'user@sender.example', gone, ['dkim=temperror']),
            ('ten signatures that are none', '192.0.2.1', 'mx.example', 'user@sender.example', letter(fields=many), ['header.s=s0', 'header.s=s9']),
            ('a sealed chain', '192.0.2.1', 'mx.example', 'user@sender.example', sealed, ['arc=pass']),
            ('a broken chain', '192.0.2.1', 'mx.example', 'user@sender.example', sealed.replace(b'Hello.', b'Adieu.'), ['arc=fail']),
            ('a policy of quarantine', '192.0.2.1', 'mx.example', 'user@sender.example', letter('a@junk.example'), ['dmarc=fail', 'polrec.p=quarantine']),
            ('a policy of rejection', '192.0.2.1', 'mx.example', 'user@sender.example', letter('a@sub.strict.example'), ['dmarc=fail', 'strict.example']),
            ('UTF-8 all over', '192.0.2.1', 'mx.example', 'j\u00fcrgen@b\u00fccher.example', letter('J\u00fcrgen <j\u00fcrgen@b\u00fccher.example>'),
             ['spf=pass', 'smtp.mailfrom=j\u00fcrgen@']),
            ('two authors', '192.0.2.1', 'mx.example', 'user@sender.example', letter(fields='From: b@junk.example\r\n'), ['dmarc=permerror']),
            ('somebody who says what we would', '192.0.2.9', 'mx.example', 'user@sender.example', letter(fields=forged), ['spf=fail']),
        ]
        for title, client, helo, sender, octets, parts in cases:
            send(client, helo, sender, octets)
            by_server, by_command = first_field(newest()), first_field(printed(client, helo, sender, octets))
            check(f'{title}: the command prints what the server adds', by_server == by_command and all(part in by_command for part in parts),
                  f'{by_server}\n{by_command}\n{parts}')
            order = [method for method, _ in re.findall(r';\s+(\w+)=(\w+)', by_command)]
            check(f'{title}: each method is there', [one for one in chosen if one in order] == chosen and list(dict.fromkeys(order)) == chosen, order)
        steps = printed('192.0.2.1', 'mx.example', 'user@sender.example', letter(), '--verbose')
        check('--verbose tells of the name that leads back', b'\nIPREV-Step: 192.0.2.1: its name is mx.example: pass\n' in steps, steps)

        # VmHWM of the command, by a parent that is smaller than it.
        measure = ('import os, resource, subprocess, sys\n'
                   'done = subprocess.run(sys.argv[2:], stdin=open(sys.argv[1], "rb"), stdout=subprocess.PIPE)\n'
                   'sys.stdout.buffer.write(done.stdout)\nprint(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n')

        def memory(path, argument):
            """What is printed, and KiB."""
            words = ['check', 'message', '--config', server.config, '--ip', '192.0.2.1', '--helo', 'mx.example', '--from', 'user@sender.example', argument]
            out = subprocess.run([sys.executable, '-S', '-E', '-c', measure, path, PROGRAM, *words], capture_output=True, timeout=120).stdout
            text, _, number = out.rstrip(b'\n').rpartition(b'\n')
            return first_field(text + b'\n'), int(number)

        small, large = server.folder / 'small', server.folder / 'large'
        small.write_bytes(sealed)
        with open(large, 'wb') as file:
            file.write(sealed)
            for _ in range(50):
                file.write(b'seventy-eight octets and a line end are a line of this letter of fifty MiB....\r\n' * ((1 << 20) // 80))
        _, little = memory(small, '-')
        for argument, name in ((str(large), 'a file'), ('-', 'standard input')):
            field, much = memory(large, argument)
            check(f'{large.stat().st_size >> 20} MiB from {name} take what a small message takes ({much} against {little} KiB)',
                  much < little + 4096 and 'arc=fail' in field and 'spf=pass' in field, field)

sys.exit(check.finish())
