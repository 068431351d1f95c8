#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""verify, export, import, backup and restore by the real program: argv[1] is keystone-mail."""
import json
import pathlib
import random
import smtplib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402

PROGRAM = sys.argv[1]
PASSWORD = 'correct horse battery staple'
check = Checks()
chance = random.Random(1)


def message(number, size):
    line = bytes(chance.choices(b'abcdefghijklmnopqrstuvwxyz0123456789', k=72)) + b'\r\n'
    head = f'From: x@elsewhere.test\r\nMessage-ID: <{number}@elsewhere.test>\r\nSubject: number {number}\r\n\r\n'
    return head.encode() + b'From here on\r\n>From there\r\n.\r\n' + b''.join(
        bytes(chance.choices(line[:-2], k=72)) + b'\r\n' for _ in range(size // 74))


def deliver(server, login, messages):
    with smtplib.LMTP('127.0.0.1', server.port('lmtp'), timeout=30) as client:
        for text in messages:
            client.sendmail('x@elsewhere.test', [login], text)


def verify_findings(server, *words):
    done = server.run('verify', '--json', *words)
    return done.returncode, json.loads(done.stdout)


def test_verify(server):
    code, report = verify_findings(server)
    check('verify: a store that is well ends with 0 and has been read', code == 0 and report['messages'] == 12 and report['rows'] > 50
          and not report['findings'], report)
    done = server.run('verify')
    check('verify: without a terminal there is no progress bar', done.returncode == 0 and done.stderr == '' and '\r' not in done.stdout
          and 'no damage' in done.stdout, done)
    code, report = verify_findings(server, '--repair')
    check('verify --repair: what is well stays well', code == 0 and not report['findings'] and report['messages'] == 12, report)
    check('verify: wrong usage ends with 2', server.run('verify', '--bogus').returncode == 2)

    segment = sorted((server.data / 'blobs').glob('*.segment'))[0]
    sound = segment.read_bytes()
    damaged = bytearray(sound)
    damaged[len(damaged) // 2] ^= 1
    segment.write_bytes(damaged)
    code, report = verify_findings(server)
    check('verify: one flipped bit in a segment is a finding and ends with 1', code == 1 and len(report['findings']) >= 1, report)
    done = server.run('verify')
    check('verify: findings come one a line', done.returncode == 1 and done.stdout.count('\n') >= 2 and 'blob' in done.stdout, done)
    segment.write_bytes(sound)
    check('verify: mended, it is well again', server.run('verify').returncode == 0)


def main():
    with Server(PROGRAM, [('imap', 'none', True), ('lmtp', 'none', False)]) as server:
        server.add_account('alice@example.test', PASSWORD)
        server.start()
        deliver(server, 'alice@example.test', [message(n, size) for n, size in enumerate([200] * 6 + [20_000] * 4 + [700_000] * 2)])
        done = server.run('verify')
        check('verify: beside a server it says that the store is in use', done.returncode == 1 and done.stderr != '', done)
        server.stop()
        test_verify(server)
    return check.finish()


if __name__ == '__main__':
    sys.exit(main())
