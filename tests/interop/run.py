#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Debian's own mail programs against the real server: each sends or fetches in its usual way. Argument: the program."""
import email.message
import imaplib
import os
import pathlib
import shutil
import smtplib
import ssl
import subprocess
import sys
import tempfile
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402

ALICE, BOB = 'alice@example.test', 'bob@example.test'
PASSWORD = 'correct horse battery staple'
check = Checks()


def run(*command, stdin=None, env=None, timeout=60):
    try:
        return subprocess.run([str(word) for word in command], text=True, errors='replace', input=stdin, env=env, timeout=timeout,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired as late:
        return subprocess.CompletedProcess(command, 124, f'{late.stdout}\ntimed out')


def unverified():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def imap(server, login=BOB):
    client = imaplib.IMAP4_SSL('127.0.0.1', server.port('imaps'), ssl_context=unverified())
    client.login(login, PASSWORD)
    return client


def wait_for(server, subject, login=BOB, mailbox='INBOX', seconds=10):
    """The message with that subject, once it is there."""
    deadline = time.monotonic() + seconds
    client = imap(server, login)
    try:
        while time.monotonic() < deadline:
            client.select(mailbox)
            _, data = client.search(None, 'SUBJECT', f'"{subject}"')
            if data[0]:
                _, parts = client.fetch(data[0].split()[-1], '(BODY.PEEK[])')
                return parts[0][1]
            time.sleep(0.1)
        return None
    finally:
        client.logout()


def test_swaks(server, scratch):
    for name, arguments in {
        'MX port in the clear': ['--port', server.port('smtp'), '--from', 'carol@elsewhere.test'],
        'MX port with STARTTLS': ['--port', server.port('smtp'), '--tls', '--from', 'carol@elsewhere.test'],
        'submission with STARTTLS and PLAIN': ['--port', server.port('submission'), '--tls', '--auth', 'PLAIN', '--auth-user', ALICE,
                                               '--auth-password', PASSWORD, '--from', ALICE],
        'submissions with LOGIN': ['--port', server.port('submissions'), '--tls-on-connect', '--auth', 'LOGIN', '--auth-user', 'alice',
                                   '--auth-password', PASSWORD, '--from', ALICE],
        'LMTP': ['--port', server.port('lmtp'), '--protocol', 'LMTP', '--from', 'carol@elsewhere.test'],
    }.items():
        subject = f'swaks {name}'
        out = run('swaks', '--server', '127.0.0.1', '--to', BOB, '--h-Subject', subject, '--body', 'hello', *arguments)
        check(f'swaks: {name}', out.returncode == 0 and wait_for(server, subject), out.stdout)
    out = run('swaks', '--server', '127.0.0.1', '--port', server.port('smtp'), '--from', 'x@elsewhere.test', '--to', 'y@elsewhere.test')
    check('swaks: relaying is refused', out.returncode != 0 and '550' in out.stdout, out.stdout)
    out = run('swaks', '--server', '127.0.0.1', '--port', server.port('submission'), '--from', ALICE, '--to', BOB)
    check('swaks: submission without login is refused', out.returncode != 0 and '530' in out.stdout, out.stdout)


def test_msmtp(server, scratch):
    config = scratch / 'msmtprc'
    config.write_text(f'''
account default
host 127.0.0.1
port {server.port('submission')}
tls on
tls_certcheck off
auth on
user {ALICE}
password {PASSWORD}
from {ALICE}
''')
    config.chmod(0o600)
    out = run('msmtp', '-C', config, BOB, stdin=f'From: {ALICE}\nTo: {BOB}\nSubject: from msmtp\n\nhello\n')
    check('msmtp: sends with its choice of mechanism', out.returncode == 0 and wait_for(server, 'from msmtp'), out.stdout)
    out = run('msmtp', '-C', config, '--auth=scram-sha-256', BOB, stdin='Subject: msmtp scram\n\nhello\n')
    check('msmtp: SCRAM with a plain account password is refused', out.returncode != 0, out.stdout)
    app = server.run('account', 'app-password', 'add', ALICE, '--name', 'msmtp')
    secret = app.stdout.strip().split()[-1] if app.returncode == 0 else ''
    scram = config.read_text().replace(f'password {PASSWORD}', f'password {secret}')
    config.write_text(scram)
    out = run('msmtp', '-C', config, '--auth=scram-sha-256', BOB, stdin='Subject: msmtp scram app\n\nhello\n')
    check('msmtp: SCRAM-SHA-256 with an app password', out.returncode == 0 and wait_for(server, 'msmtp scram app'), app.stderr + out.stdout)


def test_curl(server, scratch):
    mail = scratch / 'mail.eml'
    mail.write_bytes(b'From: alice@example.test\r\nTo: bob@example.test\r\nSubject: from curl\r\n\r\nhello\r\n')
    out = run('curl', '-sS', '-k', '--ssl-reqd', f'smtp://127.0.0.1:{server.port("submission")}', '--mail-from', ALICE, '--mail-rcpt', BOB,
              '--upload-file', mail, '-u', f'{ALICE}:{PASSWORD}')
    check('curl: sends by submission', out.returncode == 0 and wait_for(server, 'from curl'), out.stdout)
    out = run('curl', '-sS', '-k', f'imaps://127.0.0.1:{server.port("imaps")}/INBOX?SUBJECT%20%22from%20curl%22', '-u', f'{BOB}:{PASSWORD}')
    check('curl: searches', out.returncode == 0 and 'SEARCH' in out.stdout and any(c.isdigit() for c in out.stdout), out.stdout)
    out = run('curl', '-sS', '-k', f'imaps://127.0.0.1:{server.port("imaps")}/INBOX;MAILINDEX=1', '-u', f'{BOB}:{PASSWORD}')
    check('curl: fetches a message', out.returncode == 0 and 'Subject:' in out.stdout, out.stdout)
    out = run('curl', '-sS', '-k', '--ssl-reqd', f'imap://127.0.0.1:{server.port("imap")}/INBOX', '-T', mail, '-u', f'{BOB}:{PASSWORD}')
    check('curl: appends', out.returncode == 0, out.stdout)


def test_python(server, scratch):
    message = email.message.EmailMessage()
    message['From'], message['To'], message['Subject'] = ALICE, BOB, 'from Python'
    message.set_content('Grüße\n')
    message.add_attachment(os.urandom(50_000), maintype='application', subtype='octet-stream', filename='blob.bin')
    with smtplib.SMTP('127.0.0.1', server.port('submission')) as client:
        client.starttls(context=unverified())
        client.login(ALICE, PASSWORD)
        message.as_bytes()  # chooses the boundary
        sent = message.as_bytes(policy=message.policy.clone(linesep='\r\n'))
        client.sendmail(ALICE, [BOB], sent, mail_options=['BODY=8BITMIME'])
    got = wait_for(server, 'from Python')
    check('smtplib: what was sent is what is fetched, octet for octet', got is not None and got.endswith(sent[sent.index(b'\r\n\r\n'):]))
    client = imap(server)
    check('imaplib: LIST shows the special mailboxes', {'Sent', 'Drafts', 'Junk', 'Trash', 'Archive'} <=
          {line.decode().rsplit(' ', 1)[-1].strip('"') for line in client.list()[1]})
    client.create('Projects/2026')
    check('imaplib: CREATE makes a tree', any(b'Projects/2026' in line for line in client.list()[1]))
    client.select('INBOX')
    _, data = client.search(None, 'SUBJECT', '"from Python"')
    number = data[0].split()[-1]
    check('imaplib: STORE', client.store(number, '+FLAGS', r'(\Flagged $Work)')[0] == 'OK')
    check('imaplib: the flags are there', b'\\Flagged' in client.fetch(number, '(FLAGS)')[1][0] and b'$Work' in client.fetch(number, '(FLAGS)')[1][0])
    check('imaplib: COPY', client.copy(number, 'Projects/2026')[0] == 'OK')
    client.store(number, '+FLAGS', r'(\Deleted)')
    before = int(client.select('INBOX')[1][0])
    client.expunge()
    check('imaplib: EXPUNGE removes it', int(client.select('INBOX')[1][0]) == before - 1)
    check('imaplib: and the copy stays', int(client.select('Projects/2026')[1][0]) == 1)
    client.logout()


class Deflated:
    """The wire of an imaplib client, compressed by zlib from here on."""

    def __init__(self, client):
        self.sock, self.plain = client.sock, b''
        self.packer, self.unpacker = zlib.compressobj(wbits=-15), zlib.decompressobj(-15)
        client.readline, client.read, client.send = self.readline, self.read, self.send

    def fill(self):
        octets = self.sock.recv(65536)
        if not octets:
            raise imaplib.IMAP4.abort('the connection ended')
        self.plain += self.unpacker.decompress(octets)

    def take(self, octets):
        taken, self.plain = self.plain[:octets], self.plain[octets:]
        return taken

    def readline(self):
        while b'\n' not in self.plain:
            self.fill()
        return self.take(self.plain.index(b'\n') + 1)

    def read(self, octets):
        while len(self.plain) < octets:
            self.fill()
        return self.take(octets)

    def send(self, octets):
        self.sock.sendall(self.packer.compress(octets) + self.packer.flush(zlib.Z_SYNC_FLUSH))


def test_python_compressed(server, scratch):
    client = imap(server)
    texts = {f'sorted {n}': f'Subject: sorted {n}\r\nDate: {30 - n} Mar 2024 10:00:00 +0000\r\n\r\n{n}\r\n'.encode() * (1 if n else 5_000)
             for n in range(3)}
    imaplib.Commands['COMPRESS'] = ('AUTH', 'SELECTED')
    check('zlib: COMPRESS is answered', client._simple_command('COMPRESS', 'DEFLATE')[0] == 'OK')
    Deflated(client)
    client.create('Sorted')
    for text in texts.values():
        client.append('Sorted', None, None, text)
    check('zlib: and what was sent compressed is there', int(client.select('Sorted')[1][0]) == 3)
    check('zlib: octet for octet', client.fetch('1', '(BODY.PEEK[])')[1][0][1] == texts['sorted 0'])
    check('imaplib: SORT', client.sort('DATE', 'UTF-8', 'ALL')[1] == [b'3 2 1'], client.sort('DATE', 'UTF-8', 'ALL'))
    check('imaplib: THREAD', client.thread('REFERENCES', 'UTF-8', 'ALL')[1] == [b'(3)(2)(1)'], client.thread('REFERENCES', 'UTF-8', 'ALL'))
    client.logout()


def test_mbsync(server, scratch):
    maildir = scratch / 'mbsync'
    maildir.mkdir()
    config = scratch / 'mbsyncrc'
    config.write_text(f'''
IMAPAccount keystone
Host 127.0.0.1
Port {server.port('imap')}
User {BOB}
Pass "{PASSWORD}"
SSLType None
AuthMechs LOGIN

IMAPStore far
Account keystone

MaildirStore near
Path {maildir}/
Inbox {maildir}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
''')
    out = run('mbsync', '-c', config, '-a')
    count = sum(1 for path in (maildir / 'INBOX').rglob('*') if path.is_file() and path.parent.name in ('cur', 'new'))
    client = imap(server)
    total = int(client.select('INBOX')[1][0])
    check('mbsync: pulls every message', out.returncode == 0 and count == total and count > 0, f'{count} of {total}\n{out.stdout}')
    fresh = maildir / 'INBOX' / 'new' / f'{int(time.time())}.interop.test'
    fresh.write_text('From: x@example.test\nSubject: pushed by mbsync\n\nhello\n')
    out = run('mbsync', '-c', config, '-a')
    check('mbsync: pushes a new message', out.returncode == 0 and wait_for(server, 'pushed by mbsync'), out.stdout)
    victim = next(path for path in (maildir / 'INBOX').rglob('*') if path.is_file() and path.parent.name == 'cur')
    victim.rename(victim.with_name(victim.name.rstrip('ST') + 'ST' if ':2,' in victim.name else victim.name + ':2,T'))
    out = run('mbsync', '-c', config, '-a')
    client.select('INBOX')
    check('mbsync: a deletion here is a deletion there', out.returncode == 0 and int(client.select('INBOX')[1][0]) == total, out.stdout)
    client.logout()


def test_fetchmail(server, scratch):
    target = scratch / 'fetched'
    config = scratch / 'fetchmailrc'
    config.write_text(f'''
poll 127.0.0.1 protocol imap service {server.port('imaps')}
  user "{BOB}" password "{PASSWORD}" ssl
  mda "cat >> {target}" keep fetchall
''')
    config.chmod(0o600)
    environment = dict(os.environ, FETCHMAILHOME=str(scratch), HOME=str(scratch))
    out = run('fetchmail', '-f', config, '--nosslcertck', '--pidfile', scratch / 'fetchmail.pid', env=environment)
    check('fetchmail: fetches', out.returncode == 0 and target.exists() and 'Subject:' in target.read_text(errors='replace'), out.stdout)


def app_password(server, login, name):
    out = server.run('account', 'app-password', 'add', login, '--name', name)
    return out.stdout.strip().split()[-1]


def test_mutt(server, scratch):
    config = scratch / 'muttrc'
    # Its SASL library takes the strongest mechanism offered, SCRAM, which app passwords have keys for.
    alice, bob = app_password(server, ALICE, 'mutt'), app_password(server, BOB, 'mutt')
    config.write_text(f'''
set folder="imap://127.0.0.1:{server.port('imap')}/"
set spoolfile="+INBOX"
set imap_user="{BOB}"
set imap_pass="{bob}"
set ssl_starttls=no
set ssl_force_tls=no
set smtp_url="smtp://{ALICE.replace('@', '%40')}@127.0.0.1:{server.port('submission')}/"
set smtp_pass="{alice}"
set from="{ALICE}"
set record=""
set quit=yes
set confirmappend=no
set confirmcreate=no
set move=no
set header_cache=""
''')
    environment = dict(os.environ, HOME=str(scratch), TERM='xterm')
    out = run('mutt', '-F', config, '-n', '-s', 'from mutt', '--', BOB, stdin='hello\n', env=environment)
    check('mutt: sends by submission', out.returncode == 0 and wait_for(server, 'from mutt'), out.stdout)
    saved = scratch / 'mutt-saved'
    script = f'push "<tag-pattern>~s \\"from mutt\\"<enter><tag-prefix><copy-message>{saved}<enter><quit>"\n'
    config.write_text(config.read_text() + script)
    out = run('script', '-qec', f'mutt -F {config} -n -f =INBOX', '/dev/null', env=environment, timeout=30)
    check('mutt: opens the mailbox and copies a message out', saved.exists() and 'from mutt' in saved.read_text(errors='replace'), out.stdout[-500:])


def test_openssl(server, scratch):
    out = run('openssl', 's_client', '-connect', f'127.0.0.1:{server.port("imaps")}', '-quiet', '-ign_eof', stdin='a LOGOUT\r\n')
    check('openssl: IMAP over TLS from the first octet', 'a OK' in out.stdout, out.stdout)
    for protocol, starttls, farewell in (('smtp', 'smtp', 'QUIT\r\n'), ('imap', 'imap', 'a LOGOUT\r\n')):
        for version in ('-tls1_2', '-tls1_3'):
            out = run('openssl', 's_client', '-connect', f'127.0.0.1:{server.port(protocol)}', '-starttls', starttls, version, '-ign_eof',
                      '-crlf', stdin=farewell.replace('\r', ''))
            check(f'openssl: STARTTLS on {protocol} {version[1:]}', out.returncode == 0 and 'Cipher is' in out.stdout, out.stdout[-800:])
    out = run('openssl', 's_client', '-connect', f'127.0.0.1:{server.port("imaps")}', '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0', stdin='')
    check('openssl: TLS 1.1 is refused', 'Cipher is (NONE)' in out.stdout or out.returncode != 0, out.stdout[-400:])


def main():
    tests = [value for name, value in globals().items() if name.startswith('test_')]
    with Server(sys.argv[1]) as server:
        server.add_account(ALICE, PASSWORD)
        server.add_account(BOB, PASSWORD)
        server.start()
        for test in tests:
            scratch = pathlib.Path(tempfile.mkdtemp(prefix='keystone-interop-'))
            try:
                test(server, scratch)
            except Exception as problem:  # a test that breaks has failed; the others go on
                check(f'{test.__name__}', False, repr(problem))
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        check('the server stops cleanly on SIGTERM', server.stop() == 0, server.log()[-500:])
    return check.finish()


if __name__ == '__main__':
    sys.exit(main())
