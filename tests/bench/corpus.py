# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Messages to measure with: made from a seed, the same each time."""
import base64
import random
import smtplib

WORDS = ('the project report meeting please and for of to invoice team with schedule is will on budget question in we release '
         'thanks next week about customer order delivery address change attached contract draft review comments by Friday '
         'morning server update problem solved call me when you are back holiday photo list agenda').split()


def text(chance, octets):
    lines, size = [], 0
    while size < octets:
        line = ' '.join(chance.choices(WORDS, k=12))
        lines.append(line)
        size += len(line) + 2
    return '\r\n'.join(lines) + '\r\n'


def header(chance, number, rest):
    name = chance.choice(('Anna', 'Boris', 'Chloe', 'David', 'Elif', 'Frank'))
    return (f'From: {name} Example <{name.lower()}{number % 97}@elsewhere.test>\r\nTo: User <user@example.test>\r\n'
            f'Subject: {" ".join(chance.choices(WORDS, k=5))} {number}\r\nDate: Mon, 5 Jan 2026 12:{number % 60:02}:00 +0100\r\n'
            f'Message-ID: <{chance.getrandbits(64):x}.{number}@mail.elsewhere.test>\r\nMIME-Version: 1.0\r\n{rest}')


def small(count):
    chance = random.Random(1)
    plain = 'Content-Type: text/plain; charset=utf-8\r\n\r\n'
    return [(header(chance, n, plain) + text(chance, 200)).encode() for n in range(count)]


def body(octets):
    chance = random.Random(2)
    return (header(chance, 0, 'Content-Type: text/plain\r\n\r\n') + text(chance, octets)).encode()


def prose(count, octets):
    whole = body(octets)
    return [whole + b'%d\r\n' % number for number in range(count)]


def attachments(count, octets):
    """Each a multipart of a few words and one attachment that does not compress."""
    chance = random.Random(4)
    return [attached(chance, number, chance.randbytes(octets * 57 // 78)) for number in range(count)]


def attached(chance, number, content):
    encoded = base64.encodebytes(content).decode().replace('\n', '\r\n')
    return (header(chance, number, 'Content-Type: multipart/mixed; boundary=b0\r\n\r\n') +
            '--b0\r\nContent-Type: text/plain\r\n\r\n' + text(chance, 800) +
            '--b0\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n'
            f'Content-Disposition: attachment; filename=a.pdf\r\n\r\n{encoded}--b0--\r\n').encode()


def realistic(count):
    """Half plain text, newsletters, 12 % with attachments of which a third repeat."""
    chance = random.Random(3)
    repeated = [chance.randbytes(chance.randrange(20_000, 220_000)) for _ in range(16)]
    for number in range(count):
        kind = number % 100
        if kind < 12:
            content = chance.choice(repeated) if number % 3 == 0 else chance.randbytes(chance.randrange(20_000, 220_000))
            yield attached(chance, number, content)
        elif kind < 62:
            yield (header(chance, number, 'Content-Type: text/plain; charset=utf-8\r\n\r\n') +
                   text(chance, chance.randrange(500, 5_000))).encode()
        else:
            parts = ''.join(f'<table width="100%"><tr><td style="font-family:Arial;color:#333333">{text(chance, 160)}'
                            f'<a href="https://news.elsewhere.test/click/{chance.getrandbits(64)}">more</a></td></tr></table>\r\n'
                            for _ in range(chance.randrange(30, 120)))
            yield (header(chance, number, 'Content-Type: text/html; charset=utf-8\r\n\r\n') + '<html><body>' + parts).encode()


def deliver(port, count, users):
    """Delivers them, every twentieth to ten recipients, and says how many octets arrived in mailboxes."""
    octets = 0
    with smtplib.SMTP('127.0.0.1', port) as client:
        for number, message in enumerate(realistic(count)):
            to = [f'user{(number + i) % users}@example.test' for i in range(10 if number % 20 == 0 else 1)]
            refused = client.sendmail('sender@elsewhere.test', to, message)
            assert not refused, refused
            octets += len(to) * len(message)
    return octets
