#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""C5: where another parser reads a message otherwise, ours has flagged it. Arguments: our printer, and how many messages.

Messages are made at random from the pieces that parsers are known to disagree on. The other parser is Python's `email`.
What both read must have the same leaves of the same types and sizes, unless ours says that the message is ambiguous or
defective.
"""
import email
import random
import re
import subprocess
import sys

PROGRAM = sys.argv[1]
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
TYPES = ['text/plain', 'text/html; charset=utf-8', 'TEXT/Plain; charset="us-ascii"', 'application/octet-stream; name="a;b.txt"',
         'application/pdf', 'image/png (a comment)', 'text/plain; format=flowed; x="quo\\"ted"']
WORDS = ['hello', 'a line of text', '--', '--not a boundary', 'From here', '.', 'Content-Type: text/html', '-- ', 'x: y', '=3D', '']


def boundary_text(rng, outer):
    kind = rng.randrange(8)
    if kind == 0 and outer:
        return outer[-1] + 'x'                       # begins like the one around it
    if kind == 1 and outer:
        return outer[-1][:-1] or 'q'                 # the one around it begins like this
    if kind == 2 and outer:
        return outer[-1]                             # the same again
    return ''.join(rng.choice("abcXYZ019'+_-./=?") for _ in range(rng.randint(1, 20))) + 'z'


def body(rng):
    return ''.join(rng.choice(WORDS) + '\r\n' for _ in range(rng.randrange(6)))


def entity(rng, depth, outer):
    fields = []
    if depth == 0:
        fields += ['From: a@example.org', 'Subject: s']
    if rng.randrange(6) == 0:
        fields.append('X-Folded: one\r\n\ttwo\r\n three')
    if depth < 4 and rng.randrange(5) < (3 if depth == 0 else 2):
        name = boundary_text(rng, outer)
        quoted = rng.randrange(4) != 0
        subtype = rng.choice(['mixed', 'alternative', 'related', 'Mixed', 'x-own'])
        fields.append(f'Content-Type: multipart/{subtype};{rng.choice([" ", chr(13) + chr(10) + chr(9)])}boundary='
                      + (f'"{name}"' if quoted else name))
        text = rng.choice(['', 'preamble\r\n', '\r\n'])
        for _ in range(rng.randint(0, 3) if rng.randrange(8) == 0 else rng.randint(1, 3)):
            text += f'--{name}{rng.choice(["", "", "", "  ", chr(9)])}\r\n' + entity(rng, depth + 1, outer + [name]) + '\r\n'
        if rng.randrange(8):
            text += f'--{name}--' + rng.choice(['\r\n', '\r\n', '', ' \r\n', '\r\nepilogue\r\n'])
    elif depth < 3 and rng.randrange(12) == 0:
        fields.append('Content-Type: message/rfc822')
        text = entity(rng, depth + 1, outer)
    else:
        if rng.randrange(5):
            fields.append('Content-Type: ' + rng.choice(TYPES))
        if rng.randrange(3) == 0:
            fields.append('Content-Transfer-Encoding: ' + rng.choice(['7bit', 'base64', 'quoted-printable', '8BIT', 'x-odd']))
        text = body(rng)
    return odd(rng, fields, text)


def odd(rng, fields, text):
    """Something that ought not to be, now and then."""
    kind = rng.randrange(60)
    if kind == 0:
        fields.append('Content-Type: text/html')                        # a second one
    elif kind == 1:
        fields.insert(rng.randrange(len(fields) + 1), 'no colon here')
    elif kind == 2:
        fields.append('Content-Transfer-Encoding: base64')              # on whatever it is
    elif kind == 3:
        fields.append('Content-Type : text/html')
    elif kind == 4:
        fields = [field.replace('boundary=', 'boundary="other"; boundary=') for field in fields]
    elif kind == 5:
        return '\r\n'.join(fields) + ('\r\n' if fields else '') + text  # no empty line
    elif kind == 6:
        text = text.replace('\r\n', '\r', 1)
    elif kind == 7:
        text = text.replace('\r\n', '\n')
    elif kind == 8:
        fields.append(' folded after nothing')
    elif kind == 9:
        fields.append('Content-Type: text')
    elif kind == 10:
        text = text.replace('hello', 'hel\0lo')
    return ''.join(field + '\r\n' for field in fields) + '\r\n' + text


def theirs(message):
    """The leaves as Python's parser has them."""
    found = []
    for part in message.walk():
        payload = part.get_payload()
        if isinstance(payload, list):
            continue
        octets = len((payload or '').encode('ascii', 'surrogateescape'))
        kind = re.split(r'[\s(]', part.get_content_type())[0]  # Python leaves comments and what follows a blank in it
        found.append(f'{kind}:{octets}')
    return found


def main():
    rng = random.Random(5)
    messages = [entity(rng, 0, []).encode('latin-1') for _ in range(COUNT)]
    fed = b''.join(b'%d\n' % len(message) + message for message in messages)
    lines = subprocess.run([PROGRAM], input=fed, capture_output=True, check=True).stdout.decode().splitlines()
    assert len(lines) == COUNT, len(lines)
    agreed = flagged = 0
    unflagged = []
    for message, line in zip(messages, lines):
        verdict, *ours = line.split(' ')
        other = theirs(email.message_from_bytes(message))
        if ours == other:
            agreed += 1
        elif verdict != 'clean':
            flagged += 1
        else:
            unflagged.append((message, ours, other))
    print(f'{COUNT} messages: {agreed} read alike, {flagged} read otherwise and flagged, {len(unflagged)} read otherwise and not')
    for message, ours, other in sorted(unflagged, key=lambda case: len(case[0]))[:5]:
        print('----\n' + repr(message)[:600] + f'\n ours   {ours}\n theirs {other}')
    ok = not unflagged and flagged > 0 and agreed > COUNT / 2
    print(f'{int(ok)} passed, {int(not ok)} failed')
    sys.exit(0 if ok else 1)


if __name__ == '__main__':
    main()
