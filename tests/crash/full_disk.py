#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""T4: the real program on a file system of 64 MiB that fills up: mail is refused for now (452 4.3.1, NO), nothing
acknowledged is lost, deleting works at 100 %, and mail is taken again once there is space, without a restart.

    full_disk.py PROGRAM [CYCLES]      the long form has 100 cycles. Needs a private mount namespace (root)
"""
import base64
import contextlib
import imaplib
import os
import pathlib
import random
import shutil
import smtplib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402

PASSWORD = 'correct horse battery staple'
LOGIN = 'alice@example.test'
LISTENERS = [('smtp', 'none', False), ('imap', 'none', True)]
FILE_SYSTEM_MIB, BALLAST_MIB, LEFT_MIB = 64, 24, 4
check = Checks()
chance = random.Random(1)


def message(token, size=300_000):
    text = base64.encodebytes(chance.randbytes(size * 3 // 4)).replace(b'\n', b'\r\n')
    return f'Subject: {token}\r\n\r\n'.encode() + text


def refusal(server, token, size=300_000):
    """None when the message was taken, else (code, text); and the seconds it took."""
    started = time.monotonic()
    answer = None
    try:
        with smtplib.SMTP('127.0.0.1', server.port('smtp'), timeout=120) as client:
            client.sendmail('x@elsewhere.test', [LOGIN], message(token, size))
    except smtplib.SMTPRecipientsRefused as refused:
        answer = next(iter(refused.recipients.values()))
    except smtplib.SMTPResponseException as refused:
        answer = (refused.smtp_code, refused.smtp_error)
    return answer, time.monotonic() - started


@contextlib.contextmanager
def imap(server):
    client = imaplib.IMAP4('127.0.0.1', server.port('imap'), timeout=300)
    client.login(LOGIN, server.password)
    client.select('INBOX')
    yield client
    client.logout()


def tokens(server):
    with imap(server) as client:
        _, data = client.fetch('1:*', '(BODY.PEEK[HEADER.FIELDS (SUBJECT)])') if client.search(None, 'ALL')[1][0] else (None, [])
        return sorted(item[1].decode().split(':', 1)[1].strip() for item in data if isinstance(item, tuple))


def stored(folder):
    """Octets of segment files."""
    return sum(file.stat().st_size for file in (folder / 'data' / 'blobs').glob('*.segment'))


def fill(path):
    """Writes to `path` until nothing more fits."""
    with open(path, 'wb', buffering=0) as file:
        for piece in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(b'\0' * piece) == piece:
                    pass


def cycle(number, server, folder, expected):
    ballast, filler = folder / 'ballast', folder / 'filler'
    ballast.write_bytes(b'\0' * (BALLAST_MIB << 20))
    answer = None
    for count in range(1_000):
        token = f'm{number}-{count}'
        answer, seconds = refusal(server, token)
        if answer:
            seconds = min(seconds, refusal(server, token)[1])  # a busy machine may keep one waiting
            break
        expected.append(token)
    check(f'T4: cycle {number}: after {count} messages SMTP answers 452 4.3.1 within a second',
          answer and answer[0] == 452 and b'4.3.1' in answer[1] and seconds <= 1, (answer, seconds))
    with imap(server) as client:
        status, text = client.append('INBOX', None, None, message('refused'))
        check(f'T4: cycle {number}: APPEND is answered NO', status == 'NO', (status, text))
    fill(filler)
    free = os.statvfs(folder).f_bavail
    with imap(server) as client:
        count = int(client.select('INBOX')[1][0])
        doomed = sorted(chance.sample(range(1, count + 1), min(count, 5 if number % 2 else count)))
        listed = ','.join(map(str, doomed))
        _, data = client.fetch(listed, '(BODY.PEEK[HEADER.FIELDS (SUBJECT)])')
        gone = [item[1].decode().split(':', 1)[1].strip() for item in data if isinstance(item, tuple)]
        flagged = client.store(listed, '+FLAGS.SILENT', r'(\Deleted)')
        expunged = client.expunge()
        check(f'T4: cycle {number}: STORE and EXPUNGE of {len(doomed)} work with {free} blocks free', flagged[0] == expunged[0] == 'OK',
              (flagged, expunged))
        if expunged[0] == 'OK':
            expected[:] = [token for token in expected if token not in gone]
    answer, _ = refusal(server, 'nothing')
    check(f'T4: cycle {number}: at 100 % mail is refused for now', answer and 400 <= answer[0] < 500, answer)
    filler.unlink()
    ballast.unlink()
    started, answer = time.monotonic(), True
    while answer and time.monotonic() - started < 10:
        answer, _ = refusal(server, f'again-{number}', 2_000)
    seconds = time.monotonic() - started
    if not answer:
        expected.append(f'again-{number}')
    check(f'T4: cycle {number}: mail is taken again within 5 s of space coming back, without a restart',
          not answer and seconds <= 5 and server.process.poll() is None, (answer, seconds))
    check(f'T4: cycle {number}: what was acknowledged is there, and nothing else', tokens(server) == sorted(expected),
          sorted(set(tokens(server)) ^ set(expected)))
    if number % 2 == 0:  # all was deleted
        started = time.monotonic()
        while stored(folder) > LEFT_MIB << 20 and time.monotonic() - started < 60:
            time.sleep(0.2)
        check(f'T4: cycle {number}: the storage of deleted mail comes back within a minute, without a restart',
              stored(folder) <= LEFT_MIB << 20, f'{stored(folder)} octets of segments')


def inside(program, cycles):
    folder = pathlib.Path(tempfile.mkdtemp(prefix='keystone-full-'))
    mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={FILE_SYSTEM_MIB}m,mode=0700', 'tmpfs', str(folder)], capture_output=True)
    if mounted.returncode:
        print(f'skipped, counted nowhere: no file system can be mounted here: {mounted.stderr.decode().strip()}')
        check('T4: the program runs', subprocess.run([program, '--help'], capture_output=True).returncode == 0)
        return check.finish()
    try:
        with Server(program, LISTENERS, data=folder / 'data') as server:
            server.password = server.add_account_with_app_password(LOGIN, PASSWORD)
            server.start()
            expected = []
            for number in range(1, cycles + 1):
                cycle(number, server, folder, expected)
            server.stop()
            verified = server.run('verify')
            check('T4: verify finds nothing wrong', verified.returncode == 0, verified.stdout + verified.stderr)
            server.start()
            check('T4: all that was acknowledged is there after a restart', tokens(server) == sorted(expected))
    finally:
        subprocess.run(['umount', '-l', str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)
    return check.finish()


def main():
    program, cycles = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2
    if '--inside' in sys.argv:
        return inside(program, cycles)
    if os.geteuid() != 0 or subprocess.run(['unshare', '-m', 'true'], capture_output=True).returncode:
        print('skipped: T4: a file system of its own needs a private mount namespace, and that needs root')
        return 0
    return subprocess.run(['unshare', '-m', sys.executable, __file__, program, str(cycles), '--inside']).returncode


if __name__ == '__main__':
    sys.exit(main())
