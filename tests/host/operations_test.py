#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""verify, export, import, backup and restore by the real program: argv[1] is keystone-mail."""
import contextlib
import email.policy
import fcntl
import imaplib
import json
import os
import pathlib
import random
import shutil
import signal
import smtplib
import sys
import threading
import time
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

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


def mailboxes(server, login):
    """{mailbox: [(octets, flags, INTERNALDATE)]} by IMAP."""
    client = imaplib.IMAP4('127.0.0.1', server.port('imap'), timeout=60)
    client.login(login, PASSWORD)
    out = {}
    for line in client.list()[1]:
        name = line.decode().rsplit(' "/" ', 1)[-1] if ' "/" ' in line.decode() else line.decode().split()[-1]
        client.select(name, readonly=True)
        _, data = client.uid('FETCH', '1:*', '(FLAGS INTERNALDATE BODY.PEEK[])')
        for head, body in (item for item in data or [] if isinstance(item, tuple)):
            flags = frozenset(head.split(b'FLAGS (')[1].split(b')')[0].split()) - {b'\\Recent'}
            out.setdefault(name.strip('"'), []).append((body, flags, imaplib.Internaldate2tuple(head)))
    client.logout()
    return out


def fill(server, login):
    client = imaplib.IMAP4('127.0.0.1', server.port('imap'), timeout=60)
    client.login(login, PASSWORD)
    client.create('Work/2026.q1')
    client.append('Work/2026.q1', r'(\Seen \Flagged $Label1)', '"07-Mar-2021 10:20:30 +0100"', message(901, 3000))
    client.append('Archive', r'(\Answered \Draft \Deleted)', '"01-Jan-1999 00:00:00 +0000"', b'Subject: no id\r\n\r\nFrom\r\nFrom you\r\n\r\n')
    client.append('Archive', '()', '"29-Feb-2024 23:59:59 +0000"', b'Status: is mine\r\nX-Status: A\r\nSubject: has fields of its own\r\n\r\n>>From a\r\n')
    client.append('Archive', '()', '"29-Feb-2024 23:59:58 +0000"', b'Subject: no body at all\r\n\r\n')
    client.logout()


def test_transfer(server, form):
    target = server.folder / form
    copy = f'copy-{form}@example.test'
    server.add_account(copy, PASSWORD)
    done = server.run('export', 'alice@example.test', target, '--format', form, '--json')
    report = json.loads(done.stdout)
    check(f'{form}: everything is exported', done.returncode == 0 and report['messages'] == 16 and report['failed'] == 0, (done, report))
    done = server.run('import', copy, target, '--json')
    report = json.loads(done.stdout)
    check(f'{form}: and imported into another account', done.returncode == 0 and report['messages'] == 16, (done, report))
    report = json.loads(server.run('import', copy, target, '--json').stdout)
    check(f'{form}: a second import skips everything', report['messages'] == 0 and report['skipped'] == 16, report)
    check(f'{form}: the store is well', server.run('verify').returncode == 0)
    server.start()
    a, b = mailboxes(server, 'alice@example.test'), mailboxes(server, copy)
    server.stop()
    check(f'{form}: the mailboxes are the same', a.keys() == b.keys() and len(a) == 3, (list(a), list(b)))
    for part, what in enumerate(('octets', 'flags', 'dates')):
        wrong = [(name, x[part], y[part]) for name in a for x, y in zip(a[name], b.get(name, [])) if x[part] != y[part]]
        check(f'{form}: all {what} are the same', not wrong and sum(map(len, b.values())) == 16, str(wrong)[:600])
    done = server.run('export', 'nobody@example.test', server.folder / 'x')
    check(f'{form}: an account that is not there ends with 1', done.returncode == 1 and done.stderr != '', done)


def test_foreign_files(server):
    foreign = server.folder / 'foreign.mbox'
    foreign.write_bytes(b'From a@b Thu Jan  1 00:00:01 2026\nSubject: one\nStatus: RO\n\n>From x\n\nFrom a@b Thu Jan  1 00:00:02 2026\n'
                        + b'Subject: big\n\n' + b'x' * 60_000_000 + b'\n\nFrom a@b Thu Jan  1 00:00:03 2026\nSubject: three\n\nlast')
    done = server.run('import', 'alice@example.test', foreign, '--mailbox', 'Foreign', '--json')
    report = json.loads(done.stdout)
    check('mbox: a message too large is named, the others go on', done.returncode == 1 and report['messages'] == 2 and report['failed'] == 1
          and 'message 2' in report['problems'][0], report)
    foreign.write_bytes(b'no mbox\n')
    done = server.run('import', 'alice@example.test', foreign)
    check('mbox: what is none is refused', done.returncode == 1 and 'not an mbox' in done.stderr, done)


def test_bad_folders(server):
    login = 'bad@example.test'
    server.add_account(login, PASSWORD)
    root, secret = server.folder / 'bad', server.folder / 'secret'
    secret.write_bytes(b'Subject: secret\n\nof root\n')
    outside = server.folder / 'outside'
    for folder in (root, root / '.a..b', root / '.Good', root / '.z&x', root / '.Half', outside, server.folder / 'linked'):
        for part in ('cur', 'new'):
            (folder / part).mkdir(parents=True)
        (folder / 'cur' / '1.U1.x:2,S').write_bytes(f'Subject: in {folder.name}\n\nx\n'.encode())
    (root / 'cur' / '2.sym:2,S').symlink_to(secret)
    (root / 'cur' / '3.dangling:2,S').symlink_to('/nowhere')
    os.mkfifo(root / 'cur' / '4.pipe:2,S')
    (root / '.Linked').symlink_to(server.folder / 'linked')
    shutil.rmtree(root / '.Half' / 'new')
    (root / '.Half' / 'new').symlink_to(outside / 'cur')
    (root / 'dovecot-keywords').symlink_to(secret)
    done = server.run('import', login, root, '--json')
    report = json.loads(done.stdout)
    problems = '\n'.join(report['problems'])
    check('import: folders whose names are no good are named, and all others imported', done.returncode == 1 and not report['ok'] and 'a//b' in problems
          and report['messages'] >= 3, report)
    check('import: no link in a Maildir is followed: no file, no folder, no part of a folder', report['failed'] == 3 and '2.sym' in problems
          and '4.pipe' in problems and '.Linked' in problems and '.Half/new' in problems and report['mailboxes_failed'] >= 3, report)
    done = server.run('import', login, root)
    check('import: in the end it says what to do', done.returncode == 1 and 'rename it' in done.stderr and '3 failed' in done.stdout, done)
    (root / '.a..b').rename(root / '.a.b')
    check('import: renamed, a folder is taken', json.loads(server.run('import', login, root, '--json').stdout)['messages'] == 1)
    mbox = server.folder / 'mboxes'
    mbox.mkdir()
    text = b'From a@b Thu Jan  1 00:00:01 2026\nSubject: %s\n\nx\n'
    for name in (b'a.mbox', b'b\xff.mbox', b'zz.mbox'):
        (pathlib.Path(os.fsdecode(bytes(mbox) + b'/' + name))).write_bytes(text % name.split(b'.')[0][:1])
    (mbox / 'link.mbox').symlink_to(server.folder / 'foreign.mbox')
    report = json.loads(server.run('import', login, mbox, '--json').stdout)
    check('import: nor do bad names and links among files of mbox end it', not report['ok'] and report['messages'] == 2 and report['mailboxes_failed'] == 2, report)
    server.start()
    there = mailboxes(server, login)
    server.stop()
    check('import: what was good is there, and nothing else', {'INBOX', 'Good', 'Half', 'a/b', 'a', 'zz'} <= there.keys() and len(there['INBOX']) == 1
          and not any(b'secret' in one or b'linked' in one or b'outside' in one for all in there.values() for one, _, _ in all), there)


def test_backup(server):
    target = server.folder / 'backups'
    report = json.loads(server.run('backup', target, '--json').stdout)
    first = pathlib.Path(report['directory'])
    check('backup: made, with a manifest', report['ok'] and (first / 'manifest').exists() and report['files'] >= 2, report)
    second = json.loads(server.run('backup', target, '--json').stdout)
    shared = pathlib.Path(second['directory'])
    check('backup: unchanged segments are links to the older one', second['files_shared'] == second['files'] - 1
          and all((shared / 'blobs' / f.name).samefile(f) for f in (first / 'blobs').iterdir()), second)
    server.start()
    before = mailboxes(server, 'alice@example.test')
    deliver(server, 'alice@example.test', [message(5000, 1000)])
    done = server.run('restore', target, '--force')
    check('restore: beside a server it is refused, --force or not', done.returncode == 1, done)
    server.stop()
    done = server.run('restore', target)
    check('restore: a store that is there is not overwritten', done.returncode == 1 and '--force' in done.stderr, done)

    segment = sorted((first / 'blobs').iterdir())[0]   # shared by both
    sound = segment.read_bytes()
    segment.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    done = server.run('restore', target, '--force')
    check('restore: a damaged backup is refused, naming the file', done.returncode == 1 and segment.name in done.stderr
          and (server.data / 'data.mdb').exists(), done)
    segment.write_bytes(sound[:-1])
    done = server.run('restore', target, '--force')
    check('restore: so is one cut short', done.returncode == 1 and segment.name in done.stderr, done)
    segment.write_bytes(sound)
    done = server.run('restore', target, '--force')
    check('restore: a whole one is put back and verified', done.returncode == 0 and 'no damage' in done.stdout, done)
    check('restore: what was there is moved aside', len(list(server.data.glob('before-restore-*/data.mdb'))) == 1)
    server.start()
    check('restore: the mail is that of the backup', mailboxes(server, 'alice@example.test') == before)
    server.stop()


EXPIRED = """-----BEGIN CERTIFICATE-----
MIIBFjCBvAIBATAKBggqhkjOPQQDAjAXMRUwEwYDVQQDDAxleHBpcmVkLnRlc3Qw
HhcNMjAwMTAxMDAwMDAwWhcNMjEwMTAxMDAwMDAwWjAXMRUwEwYDVQQDDAxleHBp
cmVkLnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQx29idVWpeH9GK//1b
8tLnoeHIx1NXuLIHUHwmouJIdRUSmlXHF702MUMSC8L0v5FQet84l2nMBLY8fy5L
v3SpMAoGCCqGSM49BAMCA0kAMEYCIQDFj4MlHaC/DqWs9QIQ06weffvYSmKg3Q55
AnxcsEmzrwIhAKD7Ew8GiAFKzhX+DxiYQ/ZWSP0bjsB3RiXqED71GWp8
-----END CERTIFICATE-----
"""


def test_certificates(server):
    """Those in tls/, in a backup and in the way of a restore."""
    folder, target = server.data / 'tls', server.folder / 'with-certificates'
    folder.mkdir(exist_ok=True)
    for here, what in (('of the backup', 'are put in place of those that were there'), (EXPIRED, 'stay aside when they have expired')):
        (folder / 'certificate.pem').write_text(here)
        server.run('backup', target)
        (folder / 'certificate.pem').write_text('newer')
        before = set(server.data.glob('before-restore-*'))
        done = server.run('restore', target, '--force')
        (aside,) = set(server.data.glob('before-restore-*')) - before
        expired = here == EXPIRED
        in_use, kept = ('newer', here) if expired else (here, 'newer')
        check('restore: certificates of the backup ' + what, done.returncode == 0 and (folder / 'certificate.pem').read_text() == in_use
              and (aside / 'tls' / 'certificate.pem').read_text() == kept, done)
        check('restore: it says so', aside.name in done.stdout and ('have expired' in done.stdout) == expired, done)


def keyed(texts):
    """The messages of a listing by their Message-ID."""
    return {text.split(b'Message-ID: <', 1)[1].split(b'>', 1)[0]: text for text in texts if b'Message-ID: <' in text}


def test_salvage(server, every):
    """`every`: whether small messages come back too."""
    what = 'all notes' if every else 'default notes'
    server.start()
    deliver(server, 'alice@example.test', [message(f'{what} {n}'.replace(' ', '-'), size) for n, size in enumerate([300, 300, 30_000, 400_000])])
    client = imaplib.IMAP4('127.0.0.1', server.port('imap'), timeout=60)
    client.login('alice@example.test', PASSWORD)
    attachment = MIMEMultipart()
    attachment['From'], attachment['To'], attachment['Message-ID'] = 'a@b.test', 'c@d.test', '<attached@elsewhere.test>'
    attachment.attach(MIMEText('see below'))
    attachment.attach(MIMEApplication(chance.randbytes(50_000)))
    client.create('Work/Caf&AOk-')
    client.append('Work/Caf&AOk-', None, '"07-Mar-2021 10:20:30 +0100"', attachment.as_bytes(policy=email.policy.SMTP))
    client.logout()
    before = mailboxes(server, 'alice@example.test')
    server.stop()
    index = server.data / 'data.mdb'
    index.rename(server.folder / 'index-away')
    done = server.run('verify')
    check(f'salvage, {what}: without an index the store is not opened as an empty one', done.returncode == 1 and 'salvage' in done.stderr, done)
    target = server.folder / f'salvaged-{every}'
    done = server.run('salvage', target, '--json')
    report = json.loads(done.stdout)
    check(f'salvage, {what}: ends well', done.returncode == 0 and not report['damaged'] and report['messages'] >= 3, (done, report))
    home = next((a for a in report['accounts'] if a['delivered_to'] == 'alice@example.test'), None)
    check(f'salvage, {what}: whose mail it is can be told', home is not None, report)
    again = json.loads(server.run('salvage', target, '--json').stdout)
    check(f'salvage, {what}: a second run finds all there', again['messages'] == 0 and again['there_already'] >= report['messages'], again)
    (server.folder / 'index-away').rename(index)
    server.add_account(f'back-{every}@example.test', PASSWORD)
    done = server.run('import', f'back-{every}@example.test', home['directory'], '--json')
    check(f'salvage, {what}: what it wrote can be imported', done.returncode == 0 and json.loads(done.stdout)['messages'] >= 3, done)
    server.start()
    after = mailboxes(server, f'back-{every}@example.test')
    server.stop()
    inbox, back = keyed(b for b, _, _ in before['INBOX']), keyed(b for b, _, _ in after['INBOX'])
    sent = [f'{what} {n}'.replace(' ', '-').encode() + b'@elsewhere.test' for n in range(4)]
    expected = [name for name in sent if every or len(inbox[name]) > 8192]
    check(f'salvage, {what}: each comes back byte for byte, trace fields and all', all(back.get(name) == inbox[name] for name in expected)
          and len(expected) == (4 if every else 2), [name for name in expected if back.get(name) != inbox[name]])
    work = 'Work/Caf&AOk-'
    check(f'salvage, {what}: so does one with an attachment, in its mailbox, with its date', work in after
          and sorted((b, d) for b, _, d in before[work]) == sorted((b, d) for b, _, d in after[work]), list(after))
    check(f'salvage, {what}: the store was not changed', server.run('verify').returncode == 0)


def test_salvage_of_damage(server):
    segment = sorted((server.data / 'blobs').glob('*.segment'))[0]
    sound = segment.read_bytes()
    damaged = bytearray(sound)
    damaged[len(damaged) // 2] ^= 1
    segment.write_bytes(damaged)
    done = server.run('salvage', server.folder / 'salvaged-damage', '--json')
    report = json.loads(done.stdout)
    check('salvage: what is damaged is named, the rest is written', done.returncode == 1 and report['damaged'] and report['messages'] >= 3, report)
    segment.write_bytes(sound)
    done = server.run('salvage')
    check('salvage: wrong usage ends with 2', done.returncode == 2, done)


def test_backup_places(server):
    target = server.folder / 'places'
    for left in ('.20200101T000000.000Z', '.keep', '.20200101'):
        (target / left).mkdir(parents=True)
        (target / left / 'data.mdb').write_text('half')
    done = server.run('backup', target)
    check('backup: what a killed one left is removed by the next, and nothing else', done.returncode == 0
          and sorted(path.name for path in target.glob('.*')) == ['.20200101', '.keep'], (done, list(target.iterdir())))
    with locked(target):
        done = server.run('backup', target)
        check('backup: two at once into one directory are refused', done.returncode == 1 and 'another backup' in done.stderr, done)
    (server.folder / 'link').symlink_to(server.data)
    for inside in (server.data / 'backups', server.data, server.folder / 'link' / 'x'):
        done = server.run('backup', inside)
        check('backup: into the data directory it is refused', done.returncode == 1 and 'in the data directory' in done.stderr and not (server.data / 'backups').exists()
              and not (server.data / 'x').exists(), done)


@contextlib.contextmanager
def locked(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield
    os.close(descriptor)


def test_stopped_server(server):
    """A command does not hang on a server that does not answer."""
    server.process.send_signal(signal.SIGSTOP)
    threading.Timer(4, lambda: server.process.send_signal(signal.SIGCONT)).start()
    began = time.monotonic()
    done = server.run('account', 'list', '--json')
    check('control: a command says that it waits for the server, and does what it was told when that goes on', done.returncode == 0
          and 'does not answer; waiting' in done.stderr and json.loads(done.stdout) and time.monotonic() - began > 3, done)
    server.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    done = server.run('account', 'list')
    took = time.monotonic() - began
    server.process.send_signal(signal.SIGCONT)
    check('control: and gives up in the end', done.returncode == 1 and 'is stopped or hangs' in done.stderr and 20 < took < 60, (took, done))
    done = server.run('account', 'list')
    check('control: without a word when it answers', done.returncode == 0 and done.stderr == '', done)


def test_damaged_note(server):
    """The last record of the segment is the note that tells whose the last message is (lib/docs/decisions/notes.md)."""
    server.add_account('noted@example.test', PASSWORD)
    server.start()
    deliver(server, 'noted@example.test', [message(n, 20_000) for n in range(3)])
    before = mailboxes(server, 'noted@example.test')
    server.stop()
    segment = sorted((server.data / 'blobs').glob('*.segment'))[-1]
    damaged = bytearray(segment.read_bytes())
    damaged[-40] ^= 1
    segment.write_bytes(damaged)
    code, report = verify_findings(server)
    check('verify: a damaged note is a finding, and is not said to be referred to by nothing as well', code == 1 and len(report['findings']) == 1 and not report['notes'], report)
    code, report = verify_findings(server, '--repair')
    check('verify --repair: gives up a note that cannot be read; then it is damage that nothing refers to, which is no finding', code == 0
          and not report['findings'] and len(report['notes']) == 1 and report['rows_repaired'] > 0, report)
    code, report = verify_findings(server)
    check('verify: so it stays', code == 0 and not report['findings'] and len(report['notes']) == 1, report)
    server.start()
    check('verify --repair: the message is whole without its note', mailboxes(server, 'noted@example.test') == before)
    server.stop()


def main():
    with Server(PROGRAM, [('imap', 'none', True), ('lmtp', 'none', False)]) as server:
        server.add_account('alice@example.test', PASSWORD)
        server.start()
        deliver(server, 'alice@example.test', [message(n, size) for n, size in enumerate([200] * 6 + [20_000] * 4 + [700_000] * 2)])
        code, report = verify_findings(server)
        check('verify: the running server looks at its store as it is at one moment', code == 0 and report['messages'] == 12
              and report['records'] > 0 and not report['findings'], report)
        done = server.run('verify', '--repair')
        check('verify --repair: beside a server it is refused', done.returncode == 1 and 'stop it' in done.stderr, done)
        done = server.run('backup', server.folder / 'online', '--json')
        check('backup: the running server makes it', done.returncode == 0 and len(list((server.folder / 'online').glob('*/manifest'))) == 1
              and 'smtp' not in done.stderr, done)
        done = server.run('backup', '/proc/nowhere')
        check('backup: where it cannot be made that is said, and the server goes on', done.returncode == 1 and done.stderr != ''
              and verify_findings(server)[0] == 0, done)
        test_backup_places(server)
        test_stopped_server(server)
        server.stop()
        test_verify(server)
        server.start()
        fill(server, 'alice@example.test')
        server.stop()
        test_transfer(server, 'mbox')
        test_transfer(server, 'maildir')
        test_foreign_files(server)
        test_bad_folders(server)
        test_backup(server)
        test_certificates(server)
        test_salvage(server, every=False)
        test_salvage_of_damage(server)
        config = server.config.read_text()
        server.config.write_text(config + '\n[store]\nnotes = "all"\n')
        test_salvage(server, every=True)
    with Server(PROGRAM, [('imap', 'none', True), ('lmtp', 'none', False)]) as server:
        test_damaged_note(server)
    return check.finish()


if __name__ == '__main__':
    sys.exit(main())
