#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Keystone Mail against Debian's Postfix and Dovecot on this machine, in one run.

    tests/bench/run.py [BUILD_DIR] [--quick] [rows...]    rows: smtp lmtp imap select login start idle disk large relay (default: all)

BUILD_DIR is build/bench unless said, and is configured when it is not there.

Both sides keep their data under /var/tmp and sync as they do by default; loopback, no TLS, 32 connections, 10 users.
Needs root (Postfix does), strace, and installs the peers when they are missing. Judges nothing: prints a table.
"""
import base64
import datetime
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'support')]
import corpus  # noqa: E402
import keystone  # noqa: E402
import peers  # noqa: E402
from imap_client import Imap  # noqa: E402

USERS, CONNECTIONS, PASSWORD = 10, 32, 'a long enough password'
LISTENERS = [('smtp', 'none', False), ('lmtp', 'none', False), ('imap', 'none', True), ('imaps', 'implicit', False)]
ROWS = ['smtp', 'lmtp', 'imap', 'select', 'login', 'start', 'idle', 'disk', 'large', 'relay']
table = []


def row(title, ours, theirs=None, floor='', smaller=False, unit=''):
    """Prints a line as soon as it is known; `smaller` means that less is better."""
    ratio = '' if not theirs or not ours else f'{theirs / ours if smaller else ours / theirs:.1f}x'
    number = lambda n: '-' if n is None else f'{n:,.3f}' if n < 10 else f'{n:,.0f}'
    table.append((title + (f' ({unit})' if unit else ''), number(ours), number(theirs), ratio, floor))
    print(format_row(table[-1]), flush=True)


def format_row(cells):
    return f'{cells[0]:<58} {cells[1]:>12} {cells[2]:>12} {cells[3]:>8}  {cells[4]}'


class Side:
    """One of the two: where it listens, whose CPU counts, who may log in."""

    def __init__(self, name, folder):
        self.name = name
        if name == 'ours':
            self.server = keystone.Server(PROGRAM, LISTENERS, folder=folder)
            for i in range(USERS):
                self.server.add_account(f'user{i}@example.test', PASSWORD)
            self.server.start()
            self.pids = [self.server.process.pid]
            self.smtp, self.lmtp, self.imap = (self.server.port(p) for p in ('smtp', 'lmtp', 'imap'))
            self.password = f'"{PASSWORD}"'
        else:
            self.dovecot = peers.Dovecot(folder, users=USERS).start()
            self.postfix = peers.Postfix(folder, lmtp_port=self.dovecot.lmtp_port).start()
            self.pids = [self.dovecot.pid, self.postfix.pid]
            self.smtp, self.lmtp, self.imap = self.postfix.port, self.dovecot.lmtp_port, self.dovecot.imap_port
            self.password = 'secret'

    def client(self, user=0):
        return Imap(self.imap, f'user{user}@example.test', self.password)

    def cpu(self):
        return sum(peers.cpu_seconds(pid) for pid in self.pids)

    def stop(self):
        if self.name == 'ours':
            self.server.stop()
        else:
            self.postfix.stop()
            self.dovecot.stop()

    def empty(self):
        for user in range(USERS):
            client = self.client(user)
            client.command('SELECT INBOX')
            client.command('STORE 1:* +FLAGS.SILENT (\\Deleted)') if count(client) else None
            client.command('CLOSE')
            client.close()


def count(client):
    return int(re.search(rb'MESSAGES (\d+)', client.command('STATUS INBOX (MESSAGES)'))[1])


def visible(clients):
    return sum(count(client) for client in clients)


def load(port, messages, octets, lmtp=False):
    words = [str(LOAD), str(port), str(CONNECTIONS), str(messages), str(octets), str(USERS)] + (['lmtp'] if lmtp else [])
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def deliver(side, messages, octets, lmtp):
    """Messages a second until all are visible in IMAP, and server CPU seconds for each."""
    clients = [side.client(user) for user in range(USERS)]
    before, cpu, start = visible(clients), side.cpu(), time.monotonic()
    load(side.lmtp if lmtp else side.smtp, messages, octets, lmtp)
    while visible(clients) < before + messages:
        time.sleep(0.02)
    took = time.monotonic() - start
    used = side.cpu() - cpu
    for client in clients:
        client.close()
    return messages / took, used / messages


def deliveries(sides, lmtp):
    name = 'LMTP' if lmtp else 'SMTP'
    sizes = [('1 KiB', 1024, 20_000, 2_000, '>= 10x (aim 25x)')]
    if not lmtp:
        sizes += [('50 KiB', 50 * 1024, 4_000, 1_000, '>= 5x'), ('1 MiB', 1 << 20, 300, 150, '>= 2x')]
    for title, octets, our_count, their_count, floor in sizes:
        scale = 4 if QUICK else 1
        deliver(sides['ours'], 200 if octets < 1 << 20 else 32, octets, lmtp)
        deliver(sides['theirs'], 200 if octets < 1 << 20 else 32, octets, lmtp)
        ours = deliver(sides['ours'], our_count // scale, octets, lmtp)
        theirs = deliver(sides['theirs'], their_count // scale, octets, lmtp)
        row(f'{name}, {title}, visible in IMAP', ours[0], theirs[0], '' if lmtp else floor, unit='messages/s')
        row(f'{name}, {title}, server CPU', ours[1] * 1e6, theirs[1] * 1e6, '>= 10x (aim 20x)' if octets == 1024 and not lmtp else '',
            smaller=True, unit='us a message')
    if not lmtp:
        sync_rows()


SYNCS = re.compile(r'\b(fsync|fdatasync|msync|sync_file_range)\(')


def sync_rows():
    """On a server of its own, which strace stops at these calls only: stopping it at all slows what fills a commit."""
    folder = ROOT / 'syncs'
    folder.mkdir()
    trace = folder / 'trace'
    with keystone.Server(PROGRAM, LISTENERS, folder=folder) as server:
        for i in range(USERS):
            server.add_account(f'user{i}@example.test', PASSWORD)
        server.start(command_prefix=['strace', '-D', '-f', '--seccomp-bpf', '-e', 'trace=fsync,fdatasync,msync,sync_file_range', '-o', str(trace)])
        load(server.port('smtp'), 400, 1024)
        messages, before = 4_000 if QUICK else 20_000, syncs(trace)
        load(server.port('smtp'), messages, 1024)
        row('SMTP, 1 KiB, syncs', (syncs(trace) - before) / messages, None, '<= 0.3', smaller=True, unit='a message')


def syncs(trace):
    """LMDB writes its meta page through a descriptor opened O_DSYNC after each fdatasync, so a commit counts as two."""
    calls = SYNCS.findall(trace.read_text())
    return len(calls) + calls.count('fdatasync')


def fill(side, messages, user):
    """A mailbox of small messages, as fast as each side can get it: MULTIAPPEND, or files that Dovecot indexes once."""
    mails = corpus.small(messages)
    if side.name == 'ours':
        client = side.client(user)
        for first in range(0, messages, 500):
            client.append(mails[first:first + 500])
        client.close()
        return
    folder = side.dovecot.mail / f'user{user}' / 'Maildir'
    for name in ('cur', 'new', 'tmp'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, mail in enumerate(mails):
        (folder / 'cur' / f'{1_700_000_000 + number}.M{number}.peer,S={len(mail)}:2,').write_bytes(mail)
    subprocess.run(['chown', '-R', 'mail:mail', str(folder.parent)], check=True)
    client = side.client(user)
    client.command('SELECT INBOX')
    client.command('FETCH 1:* ENVELOPE')  # indexes and caches
    client.close()


def timed(action, times=3):
    """The best of a few: other work on the machine only ever adds."""
    best = None
    for _ in range(times):
        start = time.monotonic()
        action()
        took = time.monotonic() - start
        best = took if best is None else min(best, took)
    return best


def compare(title, sides, measure, floor='>= 1.5x', unit='ms', factor=1000):
    figures = {name: measure(side) * factor for name, side in sides.items()}
    row(title, figures['ours'], figures['theirs'], floor, smaller=True, unit=unit)


def imap_rows(sides):
    def fetch(items, count):
        def measure(side):
            client = side.client(0)
            client.command('SELECT INBOX')
            best = timed(lambda: client.drain(f'FETCH 1:{count} ({items})'))
            client.close()
            return best
        return measure
    compare(f'FETCH FLAGS of {LARGE:,}', sides, fetch('FLAGS', LARGE))
    compare('FETCH ENVELOPE of 10,000', sides, fetch('ENVELOPE', 10_000))

    def store(side):
        client = side.client(0)
        client.command('SELECT INBOX')
        best = min(timed(lambda f=flag: client.drain(f'STORE 1:10000 +FLAGS.SILENT ({f})'), 1)
                   for flag in ('\\Seen', '\\Flagged', '\\Answered'))
        client.close()
        return best
    compare('STORE +FLAGS of 10,000', sides, store)

    body_rows(sides)
    small = corpus.small(1)[0]

    def append_rate(side, sessions, each):
        def work(client):
            for _ in range(each):
                client.append([small])
        clients = [side.client(2 + i % (USERS - 2)) for i in range(sessions)]
        threads = [threading.Thread(target=work, args=(client,)) for client in clients]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sessions * each / (time.monotonic() - start)
    for sessions in (1, 8):
        figures = {name: [] for name in sides}
        for _ in range(2):
            for name, side in sides.items():
                figures[name].append(append_rate(side, sessions, 250))
        row(f'APPEND, {sessions} session{"s" * (sessions > 1)}', *(max(f) for f in figures.values()), '>= 1.5x', unit='messages/s')


def body_rows(sides):
    """Messages of which no two are the same, as equal ones would be stored once. The client drops what comes."""
    for user, (title, messages) in enumerate((('prose', corpus.prose(64, 1 << 20)), ('base64', corpus.attachments(64, 1 << 20))), 1):
        for side in sides.values():
            client = side.client(user)
            for message in messages:
                client.append([message])
            client.close()
        rounds = {name: [] for name in sides}
        for _ in range(4):
            for name, side in sides.items():
                rounds[name].append(drain(side, user, 'FETCH 1:64 BODY.PEEK[]', 10))
        row(f'FETCH BODY[] of 1 MiB, {title}', *(max(rate for rate, _ in r) / 1e6 for r in rounds.values()), '>= 1.5x', unit='MB/s')
        row(f'FETCH BODY[] of 1 MiB, {title}, server CPU', *(sum(cpu for _, cpu in r) / len(r) * 1e12 for r in rounds.values()),
            smaller=True, unit='us a MB')


def drain(side, user, command, times):
    """Octets a second of the best of a few answers, and server CPU seconds for an octet of all of them."""
    cpu = side.cpu()
    words = [str(DRAIN), str(side.imap), f'user{user}@example.test', side.password.strip('"'), 'INBOX', command, str(times)]
    out = dict(word.split('=') for word in subprocess.run(words, check=True, capture_output=True, text=True).stdout.split())
    octets = int(out['octets'])
    return octets / float(out['best']), (side.cpu() - cpu) / (octets * (times + 1))


def select_rows(sides):
    def new_session(side):
        best = None
        for _ in range(10):
            client = side.client(0)
            took = timed(lambda: client.drain('SELECT INBOX'), 1)
            best = took if best is None else min(best, took)
            client.close()
        return best

    def again(side):
        client = side.client(0)
        client.command('SELECT INBOX')
        best = timed(lambda: client.drain('SELECT INBOX'), 20)
        client.close()
        return best
    compare(f'SELECT of {LARGE:,}, new session', sides, new_session)
    compare(f'SELECT of {LARGE:,}, again', sides, again)


def login_rows(sides):
    def rate(side, count=200 if QUICK else 500):
        start = time.monotonic()
        for i in range(count):
            client = side.client(i % USERS)
            client.close()
        return count / (time.monotonic() - start)
    for side in sides.values():
        rate(side, 20)
    row('IMAP logins, one after another', *(rate(side) for side in sides.values()), '>= 1.5x', unit='logins/s')


def memory(pid, name='VmRSS'):
    return int(re.search(name + r':\s+(\d+)', pathlib.Path(f'/proc/{pid}/status').read_text())[1]) * 1024


def start_rows(sides):
    folder = ROOT / 'start'
    folder.mkdir()
    with keystone.Server(PROGRAM, LISTENERS, folder=folder) as server:
        port = peers.free_port()
        text = server.config.read_text()
        server.config.write_text(re.sub(r'(protocol = "smtp"\naddress = ")127.0.0.1:0', rf'\g<1>127.0.0.1:{port}', text))
        best = min(first_banner(server, port) for _ in range(5))
        row('start to first banner', best * 1000, None, '<= 50 ms', smaller=True, unit='ms')
        server.start()
        time.sleep(1)
        row('memory after start, idle', memory(server.process.pid) / 2**20, None, '<= 20 MiB', smaller=True, unit='MiB RSS')


def first_banner(server, port):
    start = time.monotonic()
    process = subprocess.Popen([str(PROGRAM), '--config', str(server.config), 'serve'], stderr=subprocess.DEVNULL)
    while True:
        try:
            with socket.create_connection(('127.0.0.1', port)) as stream:
                if stream.recv(100):
                    break
        except OSError:
            time.sleep(0.0005)
    took = time.monotonic() - start
    process.send_signal(signal.SIGTERM)
    process.wait()
    return took


def idle_rows(sides):
    folder = ROOT / 'idle'
    folder.mkdir()
    with keystone.Server(PROGRAM, LISTENERS, folder=folder) as server:
        server.add_account('user0@example.test', PASSWORD)
        for title, tls, number, floor in (('plain', False, 5_000, '<= 16 KiB'), ('TLS', True, 1_000 if QUICK else 5_000, '<= 48 KiB')):
            server.start()
            login = ('user0@example.test', f'"{PASSWORD}"')
            port = server.port('imaps' if tls else 'imap')
            clients = [Imap(port, *login, tls=tls) for _ in range(50)]
            before = memory(server.process.pid)
            clients += [Imap(port, *login, tls=tls) for _ in range(number)]
            time.sleep(1)
            row(f'idle authenticated connection, {title}, at {number:,}', (memory(server.process.pid) - before) / number / 1024,
                None, floor, smaller=True, unit='KiB RSS')
            for client in clients:
                client.close()
            server.stop()


def disk_rows(sides):
    folder = ROOT / 'disk'
    folder.mkdir()
    with keystone.Server(PROGRAM, LISTENERS, folder=folder) as server:
        for i in range(USERS):
            server.add_account(f'user{i}@example.test', PASSWORD)
        server.start()
        empty = disk_octets(server.data)
        delivered = corpus.deliver(server.port('smtp'), 1_000 if QUICK else 10_000, USERS)
        server.stop()
        row('disk for realistic messages', (disk_octets(server.data) - empty) / delivered, None, '<= 0.55', smaller=True,
            unit='octets for one delivered')


def large_rows(sides):
    """Every session sends a large message at the same pace, so that all are under way at once."""
    folder = ROOT / 'large'
    folder.mkdir()
    with keystone.Server(PROGRAM, LISTENERS, folder=folder) as server:
        for i in range(USERS):
            server.add_account(f'user{i}@example.test', PASSWORD)
        server.start()
        time.sleep(1)
        before, sessions, octets = memory(server.process.pid), 8 if QUICK else 32, 50 << 20
        start = time.monotonic()
        subprocess.run([str(LOAD), str(server.port('smtp')), str(sessions), str(sessions), str(octets - 2048), str(USERS)], check=True,
                       stdout=subprocess.DEVNULL)
        took = time.monotonic() - start
        row(f'memory of {sessions} sessions that send 50 MiB each', (memory(server.process.pid, 'VmHWM') - before) / 2**20, None,
            '', smaller=True, unit='MiB peak RSS')
        row(f'{sessions} messages of 50 MiB', sessions * octets / took / 1e6, None, '', unit='MB/s')


class Sink:
    """Postfix's smtp-sink: takes everything, keeps nothing, and counts."""

    def __init__(self):
        self.port, self.counted = peers.free_port(), 0
        self.process = subprocess.Popen(['smtp-sink', '-u', 'nobody', '-c', f'127.0.0.1:{self.port}', '1000'], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        threading.Thread(target=self._count, daemon=True).start()
        peers.wait_for_port(self.port)

    def _count(self):
        tail = b''
        while chunk := os.read(self.process.stdout.fileno(), 65_536):
            tail = (tail + chunk)[-100:]
            found = re.findall(rb'mesg=(\d+)\r', tail)
            self.counted = int(found[-1]) if found else self.counted

    def stop(self):
        self.process.terminate()
        self.process.wait()


def relayed(pid, sink, port, messages, *words):
    """Messages a second from the first connection to the last message in the sink, and server CPU seconds for each."""
    before, cpu, start = sink.counted, peers.cpu_seconds(pid), time.monotonic()
    subprocess.run([str(LOAD), str(port), str(CONNECTIONS), str(messages), '1024', str(USERS), 'domain=elsewhere.test', *words], check=True,
                   stdout=subprocess.DEVNULL)
    while sink.counted < before + messages:
        time.sleep(0.005)
    took = time.monotonic() - start
    return messages / took, (peers.cpu_seconds(pid) - cpu) / messages


def relay_rows(sides):
    """Through each to the same smtp-sink. Ours is submission with a login; Postfix takes it without, from mynetworks."""
    folder, sink = ROOT / 'relay', Sink()
    folder.mkdir()
    postfix = peers.Postfix(folder / 'theirs', relay=sink.port).start()
    relay = f'\n[relay]\nhost = "127.0.0.1:{sink.port}"\n[queue]\nmessages_per_account = 100000\n'
    (folder / 'ours').mkdir()
    server = keystone.Server(PROGRAM, [('submission', 'none', True)], folder=folder / 'ours', extra=relay)
    try:
        server.add_account('user0@example.test', PASSWORD)
        plain = base64.b64encode(f'\0user0@example.test\0{PASSWORD}'.encode()).decode()
        words = ['sender=user0@example.test', f'plain={plain}']
        scale = 4 if QUICK else 1
        relayed(postfix.pid, sink, postfix.port, 200)
        theirs = relayed(postfix.pid, sink, postfix.port, 2_000 // scale)
        for title, signs in (('with DKIM', True), ('unsigned', False)):
            if not signs:
                shutil.rmtree(server.data / 'dkim')
            server.start()
            relayed(server.process.pid, sink, server.port('submission'), 200, *words)
            ours = relayed(server.process.pid, sink, server.port('submission'), 20_000 // scale, *words)
            row(f'relaying 1 KiB, {title}', ours[0], theirs[0], '' if signs else '>= 5x', unit='messages/s')
            row(f'relaying 1 KiB, {title}, server CPU', ours[1] * 1e6, theirs[1] * 1e6, '' if signs else '>= 5x', smaller=True,
                unit='us a message')
            server.stop()
    finally:
        server.stop()
        postfix.stop()
        sink.stop()


def disk_octets(folder):
    return sum(path.stat().st_blocks * 512 for path in pathlib.Path(folder).rglob('*') if path.is_file())


def main():
    rows = WORDS or ROWS
    peers.install()
    resource.setrlimit(resource.RLIMIT_NOFILE, (16_384, max(16_384, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    print(f'{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, Linux {os.uname().release}, load {os.getloadavg()[0]:.1f}')
    print(format_row(('', 'Keystone', 'peer', 'ratio', 'asked for')), flush=True)
    sides = {}
    try:
        if set(rows) & {'smtp', 'lmtp', 'imap', 'select', 'login'}:
            for name in ('ours', 'theirs'):
                folder = ROOT / name
                folder.mkdir()
                sides[name] = Side(name, folder)
        if 'login' in rows:
            login_rows(sides)
        if set(rows) & {'imap', 'select'}:
            for side in sides.values():
                fill(side, LARGE, 0)
        if 'select' in rows:
            select_rows(sides)
        if 'imap' in rows:
            imap_rows(sides)
        if 'lmtp' in rows:
            deliveries(sides, True)
        if 'smtp' in rows:
            deliveries(sides, False)
    finally:
        for side in sides.values():
            side.stop()
    for name, measure in (('start', start_rows), ('idle', idle_rows), ('disk', disk_rows), ('large', large_rows), ('relay', relay_rows)):
        if name in rows:
            measure(sides)


if __name__ == '__main__':
    GIVEN = [word for word in sys.argv[1:] if not word.startswith('--')]
    BUILD = pathlib.Path(GIVEN.pop(0) if GIVEN and GIVEN[0] not in ROWS else HERE.parent.parent / 'build' / 'bench').resolve()
    WORDS = GIVEN
    QUICK = '--quick' in sys.argv
    if set(WORDS) - set(ROWS) or set(sys.argv[1:]) & {'-h', '--help'}:
        sys.exit(__doc__)
    LARGE = 20_000 if QUICK else 100_000
    if not (BUILD / 'build.ninja').exists():
        subprocess.run(['meson', 'setup', str(BUILD), '-Dbuildtype=release', '-Doptimization=2', '-Dunity=on', '-Dunity_size=1000'], check=True,
                       cwd=HERE.parent.parent, stdout=subprocess.DEVNULL)
    subprocess.run(['ninja', '-C', str(BUILD), '-j2', 'host/keystone-mail', 'tests/bench/smtp_load', 'tests/bench/imap_drain'], check=True,
                   stdout=subprocess.DEVNULL)
    PROGRAM, LOAD, DRAIN = BUILD / 'host' / 'keystone-mail', BUILD / 'tests' / 'bench' / 'smtp_load', BUILD / 'tests' / 'bench' / 'imap_drain'
    with peers.scratch() as scratch_folder:
        ROOT = pathlib.Path(scratch_folder)
        main()
