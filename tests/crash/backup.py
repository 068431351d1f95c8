#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""T20: backups and checks made by the running server while mail is delivered. Each backup is restored elsewhere, verified, and
has all that was acknowledged before it began; what it holds beyond that was at least sent. Says what delivery cost meanwhile.

    backup.py PROGRAM [BACKUPS] [MIB]      the long form: 50 backups of 200 MiB
"""
import base64
import imaplib
import json
import pathlib
import random
import shutil
import smtplib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402

PROGRAM = sys.argv[1]
BACKUPS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
MIB = int(sys.argv[3]) if len(sys.argv) > 3 else 20
PASSWORD = 'correct horse battery staple'
LOGIN = 'alice@example.test'
LISTENERS = [('imap', 'none', True), ('lmtp', 'none', False)]
CLIENTS = 4
check = Checks()
chance = random.Random(20)


def body(size):
    return base64.encodebytes(chance.randbytes(size * 3 // 4)).replace(b'\n', b'\r\n')


BODIES = [body(size) for size in (300, 1_500, 6_000, 60_000)]


class Load:
    """Clients that deliver one message after the other, with a ledger of (token, sent, acknowledged)."""

    def __init__(self, server, number):
        self.port, self.number = server.port('lmtp'), number
        self.ledger, self.under_way, self.ending = [], {}, threading.Event()
        self.problems = []
        self.threads = [threading.Thread(target=self.run, args=(client,)) for client in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def run(self, client):
        try:
            with smtplib.LMTP('127.0.0.1', self.port, timeout=120) as connection:
                for count in range(1_000_000):
                    if self.ending.is_set():
                        return
                    token = f'b{self.number}-{client}-{count}'
                    text = f'Subject: {token}\r\n\r\n'.encode() + BODIES[count % len(BODIES)]
                    sent = time.monotonic()
                    self.under_way[client] = token
                    connection.sendmail('x@elsewhere.test', [LOGIN], text)
                    self.ledger.append((token, sent, time.monotonic()))
        except (OSError, smtplib.SMTPException) as problem:
            self.problems.append(repr(problem))

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def tokens(server):
    client = imaplib.IMAP4('127.0.0.1', server.port('imap'), timeout=300)
    client.login(LOGIN, PASSWORD)
    client.select('INBOX', readonly=True)
    _, data = client.fetch('1:*', '(BODY.PEEK[])')
    client.logout()
    found = []
    for _, text in (item for item in data if isinstance(item, tuple)):
        head, content = text.split(b'\r\n\r\n', 1)
        token = head.split(b'Subject: ', 1)[1].split(b'\r\n', 1)[0].decode()
        whole = token.startswith('old-') or content == BODIES[int(token.rsplit('-', 1)[1]) % len(BODIES)]
        found.append(token if whole else f'damaged {token}')
    return found


def fill(server):
    """Mail from before, by an import, so that there is something to copy."""
    mbox = server.folder / 'old.mbox'
    with open(mbox, 'wb') as file:
        for number in range(MIB * 20):
            text = b'From a@b Thu Jan  1 00:00:01 2026\n' + f'Subject: old-{number}\n\n'.encode()
            file.write(text + body(52_000).replace(b'\r\n', b'\n') + b'\n')
    done = server.run('import', LOGIN, mbox, '--mailbox', 'Old')
    check(f'T20: {MIB} MiB of older mail are in', done.returncode == 0, done)
    mbox.unlink()


def restored(server, backup, number):
    with Server(PROGRAM, LISTENERS) as other:
        done = other.run('restore', backup)
        check(f'T20: backup {number} is restored and verified', done.returncode == 0 and 'no damage' in done.stdout, done)
        other.start()
        return tokens(other)


def main():
    quiet, during, longest = [], [], 0.0
    with Server(PROGRAM, LISTENERS) as server:
        server.add_account(LOGIN, PASSWORD)
        fill(server)
        server.start()
        target = server.folder / 'backups'
        earlier = []
        for number in range(BACKUPS):
            load = Load(server, number)
            time.sleep(2)
            begin = time.monotonic()
            before = [token for token, _, _ in list(load.ledger)]
            made = server.run('backup', target, '--json')
            end = time.monotonic()
            looked = server.run('verify', '--json')
            load.stop()
            check(f'T20: backup {number} is made in {end - begin:.1f} s, with {len(before)} acknowledged before and '
                  f'{len(load.ledger) - len(before)} after it began', made.returncode == 0 and not load.problems, (made, load.problems))
            check(f'T20: the running server verifies itself meanwhile, and finds nothing', looked.returncode == 0
                  and not json.loads(looked.stdout)['findings'], looked)
            quiet += [acknowledged - sent for _, sent, acknowledged in load.ledger if acknowledged < begin]
            during += [acknowledged - sent for _, sent, acknowledged in load.ledger if sent > begin and acknowledged < end]
            longest = max(during + [longest])
            if made.returncode:
                break
            report = json.loads(made.stdout)
            there = restored(server, report['directory'], number)
            sent = {token for token, _, _ in load.ledger} | set(load.under_way.values()) | set(earlier)
            missing = set(earlier) | set(before)
            check(f'T20: it has all that was acknowledged before it began, once and whole', missing <= set(there)
                  and len(there) == len(set(there)) and set(there) <= sent, sorted(missing ^ set(there))[:20])
            earlier += [token for token, _, _ in load.ledger]
            for old in sorted(target.iterdir())[:-1]:
                shutil.rmtree(old)
        check('T20: nothing is left behind beside the store', not [f.name for f in server.data.iterdir() if f.name.startswith('.')])
        stopped = server.stop()
        check('T20: the server ends well', stopped == 0 and server.run('verify').returncode == 0)
    ms = [round(1000 * value, 1) for value in (percentile(quiet, .5), percentile(quiet, .99), percentile(during, .5), percentile(during, .99), longest)]
    print(f'{len(quiet)} deliveries before and {len(during)} during backups, {CLIENTS} at a time: p50 {ms[0]} and {ms[2]} ms, '
          f'p99 {ms[1]} and {ms[3]} ms, longest {ms[4]} ms')
    check('T20: no delivery waits for a backup', longest < 5, longest)
    return check.finish()


if __name__ == '__main__':
    sys.exit(main())
