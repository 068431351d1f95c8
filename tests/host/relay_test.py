#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Mail out of the real program: to another one by route and by MX, back as a report, to Postfix's smtp-sink, through a kill."""
import imaplib
import pathlib
import shutil
import smtplib
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402
from loopback import free_port, wait  # noqa: E402

PASSWORD = 'a long enough password'
program = sys.argv[1]
check = Checks()


class NameServer(threading.Thread):
    """Answers MX and A over UDP from a table; anything else is not there."""

    def __init__(self, records):
        super().__init__(daemon=True)
        self.records, self.asked = records, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            question, peer = self.socket.recvfrom(4096)
            end = question.index(b'\0', 12) + 5
            labels, at = [], 12
            while question[at]:
                labels.append(question[at + 1:at + 1 + question[at]].decode().lower())
                at += question[at] + 1
            name, kind = '.'.join(labels), struct.unpack('>H', question[end - 4:end - 2])[0]
            self.asked.append((name, kind))
            data = self.records.get((name, kind))
            known = any(name == other for other, _ in self.records)
            flags = 0x8580 if known else 0x8583
            answer = question[:2] + struct.pack('>HHHHH', flags, 1, 1 if data else 0, 0, 0) + question[12:end]
            if data:
                answer += b'\xc0\x0c' + struct.pack('>HHIH', kind, 1, 60, len(data)) + data
            self.socket.sendto(answer, peer)


def wire_name(name):
    return b''.join(bytes([len(label)]) + label.encode() for label in name.split('.')) + b'\0'


def submit(server, recipients, subject='hello', sender='alice@example.test', **options):
    with smtplib.SMTP('127.0.0.1', server.port('submission'), timeout=20) as client:
        client.login('alice@example.test', PASSWORD)
        client.sendmail(sender, recipients, f'From: {sender}\r\nSubject: {subject}\r\n\r\nText of {subject}.\r\n', **options)


def inbox(server, login):
    with imaplib.IMAP4('127.0.0.1', server.port('imap')) as client:
        client.login(login, PASSWORD)
        client.select('INBOX', readonly=True)
        numbers = client.search(None, 'ALL')[1][0].split()
        return [client.fetch(number.decode(), '(BODY.PEEK[])')[1][0][1].decode() for number in numbers]


def queue(server):
    return server.run('queue', 'list').stdout.splitlines()


def two_servers():
    with Server(program) as there:
        assert there.run('domain', 'add', 'dest.test').returncode == 0
        there.add_account('bob@dest.test', PASSWORD)
        there.start()
        names = NameServer({('mxed.example', 15): struct.pack('>H', 10) + wire_name('mx.mxed.example'), ('mx.mxed.example', 1): bytes([127, 0, 0, 1])})
        closed = free_port()
        relay = (f'\n[relay]\nport = {there.port("smtp")}\n'
                 f'routes = {{ "dest.test" = "127.0.0.1:{there.port("smtp")}", "down.test" = "127.0.0.1:{closed}", ".below.test" = "127.0.0.1:{there.port("smtp")}" }}\n'
                 'tls_domains = { "a.below.test" = "required" }\n'
                 f'\n[resolver]\nservers = ["127.0.0.1:{names.port}"]\n')
        with Server(program, extra=relay) as here:
            here.add_account('alice@example.test', PASSWORD)
            here.start()
            exchange(here, there)
            by_mx(here, there, names)
            administer(here)
            keep_the_way(here)
            become_ours(here)
            started = time.monotonic()
            check('relay: SIGTERM ends the server in time', here.stop() == 0 and time.monotonic() - started < 15)


def exchange(here, there):
    submit(here, ['bob@dest.test'], 'by route')
    check('relay: a submitted message is in the mailbox at the other server', wait(lambda: any('Text of by route' in m for m in inbox(there, 'bob@dest.test'))),
          here.log()[-2000:])
    got = ''.join(inbox(there, 'bob@dest.test'))
    check('relay: it went by TLS where that was offered', 'with ESMTPS' in got, got)
    submit(here, ['bob@dest.test', 'nobody@dest.test'], 'half')
    check('relay: the refused half comes back as a report', wait(lambda: any('Action: failed' in m and 'nobody@dest.test' in m for m in inbox(here, 'alice@example.test'))),
          here.log()[-2000:])
    check('relay: the other half is there, once', sum('Text of half' in m for m in inbox(there, 'bob@dest.test')) == 1)
    check('relay: the queue is empty then', wait(lambda: queue(here) == []), queue(here))


def by_mx(here, there, names):
    submit(here, ['x@mxed.example', 'y@nowhere.example'], 'by MX')
    wait(lambda: sum('Action: failed' in m for m in inbox(here, 'alice@example.test')) >= 3)
    reports = ''.join(inbox(here, 'alice@example.test'))
    check('relay: MX and A are asked of the configured server', ('mxed.example', 15) in names.asked and ('mx.mxed.example', 1) in names.asked, names.asked)
    check('relay: a host found by MX is spoken to', 'Relaying denied' in reports, here.log()[-2000:])
    check('relay: a domain that is not there comes back', 'Status: 5.1.2' in reports)


def administer(here):
    submit(here, ['z@down.test'], 'down')
    check('relay: mail for a server that is down waits', wait(lambda: len(queue(here)) == 1), queue(here))
    entry = queue(here)[0].split()[0]
    check('relay: queue show tells why', wait(lambda: '4.4.1' in here.run('queue', 'show', entry).stdout), here.run('queue', 'show', entry).stdout)
    check('relay: queue hold holds it', here.run('queue', 'hold', entry).returncode == 0 and 'held' in queue(here)[0], queue(here))
    check('relay: queue release releases it', here.run('queue', 'release', entry).returncode == 0 and 'held' not in queue(here)[0])
    here.run('queue', 'retry', entry)
    check('relay: queue retry tries at once', wait(lambda: '2 attempts' in here.run('queue', 'show', entry).stdout), here.run('queue', 'show', entry).stdout)
    check('relay: queue cancel removes it', here.run('queue', 'cancel', entry).returncode == 0 and queue(here) == [])
    check('relay: an entry that is not there is exit status 1', here.run('queue', 'hold', entry).returncode == 1)


def keep_the_way(here):
    submit(here, ['x@a.below.test'], 'required')
    check('relay: tls_domains changes the security of a domain, not the way of its mail', wait(lambda: any('x@a.below.test' in m and 'Relaying denied' in m for m in inbox(here, 'alice@example.test'))),
          here.log()[-2000:])


def become_ours(here):
    submit(here, ['new@down.test'], 'late')
    wait(lambda: len(queue(here)) == 1)
    entry = queue(here)[0].split()[0]
    wait(lambda: '1 attempts' in here.run('queue', 'show', entry).stdout)
    moved = here.run('queue', 'move', entry, '127.0.0.1')
    check('relay: an address without a port is a host', moved.stdout == f'moved {entry} to 127.0.0.1:25\n', moved.stdout + moved.stderr)
    here.run('queue', 'move', entry, 'mx')
    assert here.run('domain', 'add', 'down.test').returncode == 0 and here.run('alias', 'add', 'new@down.test', 'alice@example.test').returncode == 0
    here.run('queue', 'retry', entry)
    check('relay: mail that waits for a domain that becomes ours comes to the mailbox here', wait(lambda: any('Text of late' in m for m in inbox(here, 'alice@example.test'))), here.log()[-2000:])
    check('relay: and leaves the queue', wait(lambda: queue(here) == []), queue(here))


def sink_and_kill():
    sink = shutil.which('smtp-sink') or '/usr/sbin/smtp-sink'
    if not pathlib.Path(sink).exists():
        print('skip  smtp-sink is not installed')
        return
    port, folder = free_port(), None
    relay = f'\n[relay]\nhost = "127.0.0.1:{port}"\n[queue]\nretry = ["1s"]\n'
    with Server(program, extra=relay) as here:
        here.add_account('alice@example.test', PASSWORD)
        here.start()
        folder = here.folder / 'sink'
        folder.mkdir()
        for number in range(20):
            submit(here, [f'r{number}@sink.test'], f'number {number}')
        check('relay: twenty messages wait while the sink is down', len(queue(here)) == 20)
        here.kill()
        here.start()
        user = 'nobody'
        folder.chmod(0o777)
        here.folder.chmod(0o755)
        process = subprocess.Popen([sink, *(['-u', user] if pathlib.Path('/proc/self').owner() == 'root' else []), '-d', f'{folder}/%M.', f'127.0.0.1:{port}', '100'],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            check('relay: after kill -9 and a restart all of them reach the sink', wait(lambda: queue(here) == [], 40), queue(here)[:3])
            texts = [path.read_text(errors='replace') for path in folder.iterdir()]
            seen = [sum(f'Text of number {number}.' in text for text in texts) for number in range(20)]
            check('relay: each of them once', seen == [1] * 20, seen)
        finally:
            process.kill()
            process.wait()


two_servers()
sink_and_kill()
sys.exit(check.finish())
