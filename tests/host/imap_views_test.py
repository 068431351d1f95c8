#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Many clients change one mailbox at once, each in a dialect of its own. Each keeps what it has been told, loses its connection
now and then, and in the end has to know exactly what is there: no sequence number may drift, no flag be missed.

Arguments: the program, for how many seconds (8), and the seed of a run before. Whatever the order in which the server gets to see
the commands, all claims hold."""
import pathlib
import random
import re
import socket
import sys
import threading
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402

ALICE, PASSWORD = 'alice@example.test', 'correct horse battery staple'
FLAGS = ['\\Seen', '\\Answered', '\\Flagged', '\\Draft', '$Work', '$Later', '\\Deleted']
MESSAGES_MAX = 150
BY_NUMBER = ('FETCH', 'STORE', 'SEARCH')  # no number may move while these are answered (RFC 9051 §7.5.1)


class Drift(Exception):
    pass


def numbers_of(text):
    for part in text.split(','):
        first, _, last = part.partition(':')
        yield from range(int(first), int(last or first) + 1)


def set_of(numbers):
    return ','.join(str(number) for number in sorted(numbers))


class Message:
    def __init__(self, uid=None, flags=None):
        self.uid, self.flags = uid, flags


class Connection:
    """Lines in and out. What answers a command goes to the view, in order."""

    def __init__(self, port, dialect):
        self.socket = socket.create_connection(('127.0.0.1', port), 30)
        self.octets, self.tag, self.inflate, self.deflate = b'', 0, None, None
        self.line()
        self.command(f'LOGIN {ALICE} "{PASSWORD}"', None)
        if 'deflate' in dialect:
            self.command('COMPRESS DEFLATE', None)
            self.inflate, self.deflate = zlib.decompressobj(-15), zlib.compressobj(6, zlib.DEFLATED, -15)
        enabled = [name for name in ('CONDSTORE', 'QRESYNC', 'IMAP4rev2') if name in dialect]
        if enabled:
            self.command('ENABLE ' + ' '.join(enabled), None)

    def send(self, text):
        octets = text.encode()
        if self.deflate:
            octets = self.deflate.compress(octets) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
        self.socket.sendall(octets)

    def more(self):
        got = self.socket.recv(65536)
        if not got:
            raise ConnectionError('closed')
        self.octets += self.inflate.decompress(got) if self.inflate else got

    def line(self):
        """One response, without its literals."""
        while b'\r\n' not in self.octets:
            self.more()
        line, _, self.octets = self.octets.partition(b'\r\n')
        literal = re.search(rb'\{(\d+)\}$', line)
        if not literal:
            return line.decode('latin-1')
        while len(self.octets) < int(literal[1]):
            self.more()
        self.octets = self.octets[int(literal[1]):]
        return line.decode('latin-1') + self.line()

    def begin(self, text):
        self.tag += 1
        self.send(f'{self.tag} {text}\r\n')

    def finish(self, text, view):
        while True:
            line = self.line()
            if line.startswith(f'{self.tag} '):
                if ' BAD ' in line or line.startswith('* BYE'):
                    raise Drift(f'{text!r} was answered by {line!r}')
                return line
            if line.startswith('* ') and view is not None:
                view.told(line[2:], text)

    def command(self, text, view):
        self.begin(text)
        return self.finish(text, view)


class View:
    """What one client has been told of the mailbox."""

    def __init__(self, dialect):
        self.dialect = dialect
        self.messages, self.touched, self.found = [], set(), []
        self.validity = self.modseq = self.reliable = 0
        self.said_modseq = None

    def told(self, line, command):
        words = line.split(' ', 2)
        by_number = command.startswith(BY_NUMBER)
        if words[0] == 'VANISHED':
            if by_number:
                raise Drift(f'{line!r} while {command!r} was answered')
            earlier, uids = (True, words[2]) if words[1] == '(EARLIER)' else (False, words[1])
            for uid in numbers_of(uids):
                self.vanish(uid, earlier)
        elif words[0] == 'OK':
            if code := re.match(r'OK \[(UIDVALIDITY|HIGHESTMODSEQ) (\d+)\]', line):
                if code[1] == 'UIDVALIDITY':
                    self.validity = int(code[2])
                else:
                    self.said_modseq = int(code[2])
        elif words[0] == 'SEARCH':
            self.found = [int(word) for word in line.split()[1:] if word.isdigit()]
        elif words[0] == 'ESEARCH':
            found = re.search(r' ALL ([\d,:]+)', line)
            self.found = list(numbers_of(found[1])) if found else []
        elif words[0].isdigit() and words[1] == 'EXISTS':
            self.exists(int(words[0]))
        elif words[0].isdigit() and words[1] == 'EXPUNGE':
            if by_number or 'QRESYNC' in self.dialect:
                raise Drift(f'{line!r} while {command!r} was answered')
            if not 0 < int(words[0]) <= len(self.messages):
                raise Drift(f'{line!r} of {len(self.messages)}')
            del self.messages[int(words[0]) - 1]
        elif words[0].isdigit() and words[1] == 'FETCH':
            self.fetched(int(words[0]), words[2])

    def exists(self, count):
        if count < len(self.messages):
            raise Drift(f'{count} EXISTS of {len(self.messages)}')
        self.messages += [Message() for _ in range(count - len(self.messages))]

    def vanish(self, uid, earlier):
        for at, message in enumerate(self.messages):
            if message.uid == uid:
                del self.messages[at]
                return
        if earlier:
            return
        # One whose UID has not been asked for yet: any of those without between its neighbours.
        low = max((at for at, message in enumerate(self.messages) if message.uid and message.uid < uid), default=-1)
        for at in range(low + 1, len(self.messages)):
            if self.messages[at].uid is None:
                del self.messages[at]
                return
        raise Drift(f'VANISHED {uid}, which was not there')

    def fetched(self, number, items):
        if not 0 < number <= len(self.messages):
            raise Drift(f'FETCH of {number}, but there are {len(self.messages)}')
        message = self.messages[number - 1]
        if uid := re.search(r'\bUID (\d+)', items):
            if message.uid not in (None, int(uid[1])):
                raise Drift(f'number {number} was UID {message.uid} and is {uid[1]}')
            message.uid = int(uid[1])
            before = [m.uid for m in self.messages[:number - 1] if m.uid]
            after = [m.uid for m in self.messages[number:] if m.uid]
            if (before and before[-1] >= message.uid) or (after and after[0] <= message.uid):
                raise Drift(f'UIDs do not ascend at {number}: {items}')
        if flags := re.search(r'\bFLAGS \(([^)]*)\)', items):
            message.flags = set(flags[1].split()) - {'\\Recent'}
            self.touched.add(id(message))
        if modseq := re.search(r'\bMODSEQ \((\d+)\)', items):
            self.modseq = max(self.modseq, int(modseq[1]))

    def whole(self):
        return all(message.uid and message.flags is not None for message in self.messages)

    def select(self, connection):
        known = {message.uid: message for message in self.messages if message.uid}
        if 'QRESYNC' not in self.dialect or not self.reliable:
            self.messages = []
            self.settle(connection.command('SELECT Shared', self))
            return
        # RFC 7162 §3.2.5: what is known is kept, and the answer says what has become of it.
        keep, named = sorted(known), self.whole() and bool(known) and random.random() < 0.5
        self.messages, lines = [], []
        collector = View(self.dialect)
        collector.told = lambda line, _: lines.append(line)
        command = f'SELECT Shared (QRESYNC ({self.validity} {self.reliable}{" " + set_of(keep) if named else ""}))'
        line = connection.command(command, collector)
        first = next(at for at, text in enumerate(lines) if text.endswith(' EXISTS'))
        total = int(lines.pop(first).split()[0])
        gone = {uid for text in lines if text.startswith('VANISHED (EARLIER)') for uid in numbers_of(text.split()[-1])}
        told = {int(uid) for text in lines for uid in re.findall(r'^\d+ FETCH .*\bUID (\d+)', text)}
        uids = sorted((set(keep) - gone) | told)
        if len(uids) > total or (not named and len(uids) < total):
            raise Drift(f'after {command!r} {len(uids)} are known, but {total} EXISTS: {lines}')
        # What came since is told of as well, but not to those who name what they know.
        self.messages = [known.get(uid) or Message(uid) for uid in uids] + [Message() for _ in range(total - len(uids))]
        for text in lines:
            if not text.startswith('VANISHED (EARLIER)'):
                self.told(text, 'SELECT')
        self.settle(line)

    # After a command: from where the client could resume.
    def settle(self, line):
        if code := re.search(r'\[HIGHESTMODSEQ (\d+)\]', line):
            self.said_modseq = int(code[1])
        if self.said_modseq is not None:
            self.modseq, self.said_modseq = self.said_modseq, None
        if self.whole():
            self.reliable = self.modseq
        self.touched.clear()


class Client(threading.Thread):
    def __init__(self, port, seed, dialect, until):
        super().__init__(daemon=True)
        self.port, self.dialect, self.until = port, dialect, until
        self.random = random.Random(seed)
        self.view, self.connection, self.trouble = View(dialect), None, None
        self.commands = self.resumed = 0
        self.history = []

    def run(self):
        try:
            self.connect()
            while time.monotonic() < self.until:
                self.step()
        except Exception as error:  # noqa: BLE001: told by the main thread
            self.trouble = f'{type(error).__name__}: {error}; after {self.history[-6:]}'

    def connect(self):
        self.connection = Connection(self.port, self.dialect)
        self.view.select(self.connection)

    def do(self, text):
        self.history.append(text)
        self.commands += 1
        line = self.connection.command(text, self.view)
        self.view.settle(line) if ' STORE ' not in ' ' + text else None
        return line

    def some(self):
        count = len(self.view.messages)
        first = self.random.randint(1, count)
        return range(first, min(count, first + self.random.choice([0, 0, 1, 2, 9])) + 1)

    def step(self):
        act = self.random.choice([self.store] * 6 + [self.append] * 3 + [self.expunge] * 2 + [self.copy, self.move, self.fetch, self.fetch,
                                                                        self.search, self.idle, self.poll, self.lose])
        if act in (self.append, self.copy) and len(self.view.messages) > MESSAGES_MAX:
            act = self.expunge
        if not self.view.messages and act not in (self.idle, self.poll, self.lose):
            act = self.append
        act()
        if not self.view.whole() and self.random.random() < 0.7:
            self.learn()

    def learn(self):
        unknown = [at + 1 for at, message in enumerate(self.view.messages) if not message.uid or message.flags is None]
        if unknown:
            self.do(f'FETCH {set_of(unknown)} (UID FLAGS{" MODSEQ" if "CONDSTORE" in self.dialect else ""})')

    def store(self):
        numbers = self.some()
        messages = [self.view.messages[number - 1] for number in numbers]
        by_uid = all(message.uid for message in messages) and self.random.random() < 0.5
        names = set_of(message.uid for message in messages) if by_uid else set_of(numbers)
        flags = set(self.random.sample(FLAGS, self.random.choice([1, 1, 2])))
        sign = self.random.choice(['+', '+', '-', ''])
        silent = self.random.random() < 0.5
        since = self.view.modseq if 'CONDSTORE' in self.dialect and self.random.random() < 0.3 else None
        line = self.do(f'{"UID " * by_uid}STORE {names}{f" (UNCHANGEDSINCE {since})" if since else ""} '
                       f'{sign}FLAGS{".SILENT" * silent} ({" ".join(flags)})')
        refused = re.search(r'\[MODIFIED ([\d,:]+)\]', line)
        refused = set(numbers_of(refused[1])) if refused else set()
        if silent:  # what is not told is what was asked for
            for number, message in zip(numbers, messages):
                if id(message) in self.view.touched or message.flags is None or (message.uid if by_uid else number) in refused:
                    continue
                message.flags = message.flags | flags if sign == '+' else message.flags - flags if sign == '-' else set(flags)
        self.view.settle(line)

    def append(self):
        self.history.append('APPEND')
        count = self.random.choice([1, 1, 3])
        text = ''.join(f' ({self.random.choice(FLAGS[:-1])}) {{22+}}\r\nSubject: {self.random.randint(10, 99)}\r\n\r\nhello\r\n'
                       for _ in range(count))
        self.do('APPEND Shared' + text)

    def expunge(self):
        known = [message.uid for message in self.view.messages if message.uid and message.flags and '\\Deleted' in message.flags]
        if known and self.random.random() < 0.4:
            self.do(f'UID EXPUNGE {set_of(known)}')
        else:
            self.do('EXPUNGE')

    def copy(self):
        self.do(f'COPY {set_of(self.some())} {self.random.choice(["Shared", "Elsewhere"])}')

    def move(self):
        self.do(f'MOVE {set_of(self.some())} {self.random.choice(["Shared", "Elsewhere"])}')

    def fetch(self):
        numbers = set_of(self.some())
        self.do(f'FETCH {numbers} {self.random.choice(["(UID FLAGS)", "(UID)", "(UID BODY[TEXT])", "(FLAGS UID RFC822.SIZE)"])}')

    def search(self):
        count = len(self.view.messages)
        flag = self.random.choice(['SEEN', 'FLAGGED', 'DELETED', 'KEYWORD $Work'])
        self.do(f'SEARCH OR {flag} NOT {flag}')
        # Those that are gone and not told yet may be missing.
        if len(self.view.found) != len(set(self.view.found)) or not all(0 < number <= count for number in self.view.found):
            raise Drift(f'SEARCH found {self.view.found} of {count}')

    def poll(self):
        self.do(self.random.choice(['NOOP', 'CHECK', 'STATUS Elsewhere (MESSAGES)']))

    def idle(self):
        self.history.append('IDLE')
        self.connection.begin('IDLE')
        while not (line := self.connection.line()).startswith('+'):
            self.view.told(line[2:], 'IDLE')
        time.sleep(self.random.random() / 20)
        self.connection.send('DONE\r\n')
        self.view.settle(self.connection.finish('IDLE', self.view))

    def lose(self):
        """The connection breaks, perhaps in the middle of a command that then was done or was not."""
        if self.random.random() < 0.5 and self.view.messages:
            self.connection.begin(f'STORE {set_of(self.some())} +FLAGS ({self.random.choice(FLAGS)})')
            if self.random.random() < 0.5:
                time.sleep(0.005)
        self.connection.socket.close()
        self.history.append('reconnect')
        self.connect()
        self.resumed += 1


def state_of(connection):
    view = View(set())
    view.settle(connection.command('SELECT Shared', view))
    if view.messages:
        connection.command('FETCH 1:* (UID FLAGS)', view)
    return [(message.uid, frozenset(message.flags)) for message in view.messages]


def main():
    check = Checks()
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 8
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 30)
    print('seed', seed, flush=True)
    with Server(sys.argv[1], listeners=[('imap', 'none', True)]) as server:
        global PASSWORD
        PASSWORD = server.add_account_with_app_password(ALICE, PASSWORD)
        server.start()
        setup = Connection(server.port('imap'), set())
        for mailbox in ('Shared', 'Elsewhere'):
            setup.command(f'CREATE {mailbox}', None)
        until = time.monotonic() + seconds
        dialects = [set(), {'deflate'}, {'CONDSTORE'}, {'CONDSTORE', 'IMAP4rev2'}, {'CONDSTORE', 'QRESYNC'},
                    {'CONDSTORE', 'QRESYNC', 'IMAP4rev2'}, {'IMAP4rev2'}, {'CONDSTORE', 'QRESYNC', 'deflate'}]
        clients = [Client(server.port('imap'), seed + at, dialect, until) for at, dialect in enumerate(dialects)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(seconds + 60)
        truth = state_of(setup)
        for client in clients:
            name = ' '.join(sorted(client.dialect)) or 'plain'
            if not client.trouble and not client.is_alive():
                try:
                    client.do('NOOP')
                    client.learn()
                except Exception as error:  # noqa: BLE001
                    client.trouble = f'{type(error).__name__}: {error}'
            known = [(message.uid, frozenset(message.flags or ())) for message in client.view.messages]
            wrong = [pair for pair in zip(known, truth) if pair[0] != pair[1]]
            check(f'imap views: {name}: {client.commands} commands and {client.resumed} lost connections, and what it was told is what is there',
                  not client.is_alive() and not client.trouble and known == truth,
                  client.trouble or f'{len(known)} against {len(truth)}; {wrong[:3]}')
        check('imap views: every client had its turn', all(client.commands > 10 for client in clients))
        out = server.run('verify')
        check('imap views: the store verifies', out.returncode == 0, out.stdout + out.stderr)
        check('imap views: nothing failed inside the server', not re.search(r'event=imap\.\w+\.failed', server.log()), server.log()[-2000:])
    return check.finish()


if __name__ == '__main__':
    sys.exit(main())
