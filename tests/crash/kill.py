#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""T1: SIGKILL at random moments under SMTP, LMTP, APPEND, STORE, COPY, MOVE and EXPUNGE, with a ledger of every acknowledgement.

After each kill the store is verified offline, the server started again, and every mailbox compared with what was acknowledged:
nothing acknowledged is missing or doubled, and what was under way is there wholly or not at all.

    kill.py PROGRAM [KILLS] [SEED]      the long form: kill.py build/test-release/host/keystone-mail 200
"""
import hashlib
import imaplib
import os
import pathlib
import random
import re
import smtplib
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402

PROGRAM = sys.argv[1]
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else int(time.time())
PASSWORD = 'correct horse battery staple'
LISTENERS = [('smtp', 'none', False), ('imap', 'none', True), ('lmtp', 'none', False)]
check = Checks()


def digest(body):
    return hashlib.sha256(body).hexdigest()[:16]


class Worker:
    """One client with an account of its own, so that its ledger is exact. `expected` maps a token to (digest, flagged)."""

    def __init__(self, name, seed):
        self.login = f'{name}@example.test'
        self.random = random.Random(seed)
        self.password = ''
        self.expected = {}
        self.maybe = []          # (kind, token, ...) under way when the server died; acknowledged ones never stand here
        self.count = 0
        self.acknowledged = 0

    def message(self):
        self.count += 1
        token = f'{self.login.split("@")[0]}-{self.count}'
        size = self.random.choice([200, 1000, 1000, 5000, 60_000, 300_000])
        body = bytes(self.random.choices(b'abcdefghijklmnopqrstuvwxyz0123456789', k=72)) + b'\r\n'
        text = f'From: x@elsewhere.test\r\nSubject: {token}\r\n\r\n'.encode() + body * max(1, size // len(body))
        return token, text

    def run(self, ports, dead):
        try:
            self.session(ports, dead)
        except (OSError, EOFError, smtplib.SMTPException, imaplib.IMAP4.error, imaplib.IMAP4.abort, ValueError):
            pass  # the server was killed; `maybe` says what was under way


class SmtpWorker(Worker):
    protocol = 'smtp'

    def session(self, ports, dead):
        client = (smtplib.LMTP if self.protocol == 'lmtp' else smtplib.SMTP)('127.0.0.1', ports[self.protocol], timeout=10)
        while not dead.is_set():
            token, text = self.message()
            self.maybe = [('add', token, digest(text.split(b'\r\n\r\n', 1)[1]))]
            client.sendmail('x@elsewhere.test', [self.login], text)
            self.expected[token] = (self.maybe[0][2], False)
            self.maybe = []
            self.acknowledged += 1


class LmtpWorker(SmtpWorker):
    protocol = 'lmtp'


class ImapWorker(Worker):
    def session(self, ports, dead):
        client = imaplib.IMAP4('127.0.0.1', ports['imap'], timeout=10)
        client.login(self.login, self.password)
        client.select('INBOX')
        while not dead.is_set():
            action = self.random.choice(['append', 'append', 'append', 'flag', 'flag', 'delete', 'move'])
            if action == 'append' or not self.expected:
                token, text = self.message()
                self.maybe = [('add', token, digest(text.split(b'\r\n\r\n', 1)[1]))]
                self.must(client.append('INBOX', None, None, text))
                self.expected[token] = (self.maybe[0][2], False)
            else:
                token = self.random.choice(list(self.expected))
                self.must(client.noop())
                numbers = self.must(client.uid('SEARCH', 'SUBJECT', f'"{token}"'))[0].split()
                uid = next((n for n in numbers if self.subject(client, n) == token), None)
                if uid is not None:  # else a kill has left it in Archive
                    self.change(client, action, token, uid)
            self.maybe = []
            self.acknowledged += 1

    def change(self, client, action, token, uid):
        body, flagged = self.expected[token]
        if action == 'flag':
            self.maybe = [('flag', token, not flagged)]
            self.must(client.uid('STORE', uid, '-FLAGS' if flagged else '+FLAGS', r'(\Flagged)'))
            self.expected[token] = (body, not flagged)
        elif action == 'delete':
            self.maybe = [('remove', token)]
            self.must(client.uid('STORE', uid, '+FLAGS.SILENT', r'(\Deleted)'))
            self.must(client.uid('EXPUNGE', uid))
            del self.expected[token]
        else:  # there and back: never in neither, never in both
            self.maybe = [('moved', token)]
            self.must(client.uid('MOVE', uid, 'Archive'))
            self.must(client.select('Archive'))
            there = self.must(client.uid('SEARCH', 'SUBJECT', f'"{token}"'))[0].split()
            there = next(n for n in there if self.subject(client, n) == token)
            self.must(client.uid('MOVE', there, 'INBOX'))
            self.must(client.select('INBOX'))

    @staticmethod
    def must(answer):
        if answer[0] != 'OK':
            raise ValueError(answer)
        return answer[1]

    def subject(self, client, uid):
        data = self.must(client.uid('FETCH', uid, '(BODY.PEEK[HEADER.FIELDS (SUBJECT)])'))
        return data[0][1].decode().split(':', 1)[1].strip()


def contents(server, login, password):
    """token -> list of (digest, flagged, deleted) over INBOX and Archive."""
    out = {}
    client = imaplib.IMAP4('127.0.0.1', server.port('imap'), timeout=300)
    client.login(login, password)
    for mailbox in ('INBOX', 'Archive'):
        client.select(mailbox, readonly=True)
        _, data = client.uid('FETCH', '1:*', '(FLAGS BODY.PEEK[])')
        for head, part in (item for item in data if isinstance(item, tuple)):
            header, body = part.split(b'\r\n\r\n', 1)
            token = re.search(rb'^Subject: (\S+)', header, re.M)[1].decode()
            flags = head
            out.setdefault(token, []).append((digest(body), b'\\Flagged' in flags, b'\\Deleted' in flags))
    client.logout()
    return out


def judge(worker, actual):
    """What is wrong, as sentences."""
    problems = []
    allowed_extra = {entry[1]: entry for entry in worker.maybe}
    for token, (body, flagged) in worker.expected.items():
        copies = actual.get(token, [])
        maybe = allowed_extra.get(token)
        if not copies:
            if not (maybe and maybe[0] == 'remove'):
                problems.append(f'{worker.login}: {token} was acknowledged and is missing')
            continue
        if len(copies) > 1:
            problems.append(f'{worker.login}: {token} is there {len(copies)} times')
        if copies[0][0] != body:
            problems.append(f'{worker.login}: {token} is not what was sent')
        if copies[0][1] != flagged and not (maybe and maybe[0] == 'flag'):
            problems.append(f'{worker.login}: {token} has lost a change of flags')
    for token, copies in actual.items():
        if token in worker.expected:
            continue
        maybe = allowed_extra.get(token)
        if not maybe or maybe[0] != 'add':
            problems.append(f'{worker.login}: {token} is there and should not be')
        elif len(copies) > 1 or copies[0][0] != maybe[2]:
            problems.append(f'{worker.login}: {token}, not acknowledged, is there in part or twice')
    worker.expected = {token: (copies[0][0], copies[0][1]) for token, copies in actual.items()}
    worker.maybe = []
    return problems


def main():
    chance = random.Random(SEED)
    print(f'seed {SEED}, {KILLS} kills')
    workers = [SmtpWorker('smtp1', 1), SmtpWorker('smtp2', 2), LmtpWorker('lmtp1', 3), ImapWorker('imap1', 4), ImapWorker('imap2', 5),
               ImapWorker('imap3', 6)]
    problems, recovery = [], []
    with Server(PROGRAM, LISTENERS) as server:
        for worker in workers:
            worker.password = server.add_account_with_app_password(worker.login, PASSWORD)
        server.start()
        for number in range(KILLS):
            dead = threading.Event()
            threads = [threading.Thread(target=worker.run, args=(dict(server.ports), dead)) for worker in workers]
            for thread in threads:
                thread.start()
            time.sleep(chance.uniform(0.02, 0.6))
            server.kill()
            dead.set()
            for thread in threads:
                thread.join()
            verified = server.run('verify')
            if verified.returncode != 0:
                problems.append(f'kill {number}: verify says {verified.stdout}{verified.stderr}')
            started = time.monotonic()
            server.start()
            recovery.append(time.monotonic() - started)
            for worker in workers:
                problems += [f'kill {number}: {problem}' for problem in judge(worker, contents(server, worker.login, worker.password))]
            if len(problems) > 20:
                break
            if number % 20 == 19:
                print(f'{number + 1} kills, {len(problems)} problems', flush=True)
    total = sum(worker.acknowledged for worker in workers)
    recovery.sort()
    print(f'{total} operations acknowledged over {KILLS} kills; accepting again after {recovery[len(recovery) // 2]:.2f} s in the median, '
          f'{recovery[-1]:.2f} s at most')
    check(f'T1: nothing acknowledged is lost, doubled or damaged over {KILLS} kills', not problems, '\n'.join(problems[:20]))
    check('T1: the load was real', total > KILLS * 5, total)
    return check.finish()


if __name__ == '__main__':
    sys.exit(main())
