#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Debian's Postfix, Exim and OpenSMTPD: the real program sends to each and receives from each. Arguments: the program, a cache folder.

Each peer has its own configuration, queue and port, takes mail for NAME.test (bob is there, nobody is not) into a maildir, and sends what
is for example.test to us. Exim and OpenSMTPD cannot be installed beside Postfix: their packages are unpacked over a view of the system
of their own (a mount namespace with an overlay, which needs root).
"""
import base64
import email
import email.policy
import hashlib
import imaplib
import os
import pathlib
import pwd
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402

PASSWORD = 'a long enough password'
program, cache = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
only = sys.argv[3:]
check = Checks()

LARGE = b''.join(b'%06d ' % i + hashlib.sha256(b'%d' % i).hexdigest().encode() + b'\r\n' for i in range(110_000))  # 8 MB
EIGHT_BIT = 'Grüße aus Köln: žluťoučký kůň, 早安.\r\n'.encode()


def free_port():
    with socket.socket() as listening:
        listening.bind(('127.0.0.1', 0))
        return listening.getsockname()[1]


def wait(condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    return condition()


def listens(port):
    with socket.socket() as client:
        return client.connect_ex(('127.0.0.1', port)) == 0


def run(*command):
    out = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert out.returncode == 0, f'{command}: {out.stdout}{out.stderr}'
    return out.stdout


class Peer:
    """One of them, from its folder to its end."""
    packages = ()
    offers_smtputf8 = True
    users = ''   # lines for /etc/passwd, "name:number:group"

    def __init__(self, folder, our_port):
        self.folder, self.our_port, self.port = folder, our_port, free_port()
        self.mail = folder / 'mail'
        self.log = folder / 'log'
        self.certificate, self.key = folder / 'cert.pem', folder / 'key.pem'
        run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', f'/CN=mx.{self.domain}', '-days', '2', '-keyout', self.key,
            '-out', self.certificate)
        self.mail.mkdir()
        os.chmod(folder, 0o755)

    @property
    def domain(self):
        return f'{self.name}.test'

    def start(self):
        self.configure()
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                            env=dict(os.environ, LC_ALL='C'))
        if not wait(lambda: listens(self.port) or self.process.poll() is not None, 20) or self.process.poll() is not None:
            raise RuntimeError(f'{self.name} did not start: {self.words()}')

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(15)

    def words(self):
        return self.log.read_text(errors='replace')[-3000:] if self.log.exists() else ''

    def messages(self):
        """What bob has got."""
        return [path.read_bytes() for path in self.mail.rglob('*') if path.is_file() and path.parent.name in ('new', 'cur')]

    def tls_works(self):
        """Whether anybody can speak TLS with it: Debian 12's OpenSMTPD cannot, since it was built anew with OpenSSL 3."""
        out = subprocess.run(['openssl', 's_client', '-starttls', 'smtp', '-connect', f'127.0.0.1:{self.port}'], input='QUIT\r\n', text=True,
                             capture_output=True, timeout=30)
        return 'SSL alert' not in out.stdout + out.stderr

    def submit(self, sender, recipients, text, **options):
        with smtplib.SMTP('127.0.0.1', self.port, local_hostname='localhost', timeout=60) as client:
            client.ehlo()
            return client.sendmail(sender, recipients, text, **options)


class Postfix(Peer):
    name = 'postfix'

    def configure(self):
        queue, data = self.folder / 'queue', self.folder / 'data'
        for place in (queue, data):
            place.mkdir()
        shutil.chown(data, 'postfix')
        for place in 'incoming active deferred bounce defer flush saved hold corrupt trace private public maildrop'.split():
            (queue / place).mkdir()
            shutil.chown(queue / place, 'postfix')
        (queue / 'pid').mkdir()
        shutil.chown(self.mail, 'nobody')
        settings = {
            'compatibility_level': '3.6', 'queue_directory': queue, 'data_directory': data, 'mail_owner': 'postfix', 'setgid_group': 'postdrop',
            'command_directory': '/usr/sbin', 'daemon_directory': '/usr/lib/postfix/sbin', 'inet_interfaces': '127.0.0.1', 'inet_protocols': 'ipv4',
            'myhostname': f'mx.{self.domain}', 'mydestination': '', 'mynetworks': '127.0.0.0/8', 'alias_maps': '', 'local_recipient_maps': '',
            'virtual_mailbox_domains': self.domain, 'virtual_mailbox_base': self.mail, 'virtual_minimum_uid': '1',
            'virtual_mailbox_maps': f'inline:{{ {{bob@{self.domain}=bob/}}, {{böb@{self.domain}=bob/}} }}',
            'virtual_uid_maps': f'static:{pwd.getpwnam("nobody").pw_uid}', 'virtual_gid_maps': f'static:{pwd.getpwnam("nobody").pw_gid}',
            'transport_maps': f'inline:{{ example.test=smtp:[127.0.0.1]:{self.our_port} }}', 'smtpd_relay_restrictions': 'permit_mynetworks, reject',
            'smtpd_tls_cert_file': self.certificate, 'smtpd_tls_key_file': self.key, 'smtpd_tls_security_level': 'may', 'smtpd_tls_received_header': 'yes',
            'smtp_tls_security_level': 'may', 'smtputf8_enable': 'yes', 'message_size_limit': '30000000', 'virtual_mailbox_limit': '0',
            'maillog_file': self.log, 'maillog_file_prefixes': self.folder, 'minimal_backoff_time': '5s', 'maximal_backoff_time': '5s',
            'queue_run_delay': '5s', 'smtputf8_autodetect_classes': 'all', 'default_database_type': 'texthash',
        }
        (self.folder / 'main.cf').write_text(''.join(f'{name} = {value}\n' for name, value in settings.items()))
        (self.folder / 'master.cf').write_text(
            f'127.0.0.1:{self.port} inet n - n - - smtpd\n'
            'pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\ntlsmgr unix - - n 1000? 1 tlsmgr\n'
            'rewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\n'
            'verify unix - - n - 1 verify\nflush unix n - n 1000? 0 flush\nproxymap unix - - n - - proxymap\nsmtp unix - - n - - smtp\n'
            'error unix - - n - - error\nretry unix - - n - - error\nvirtual unix - n n - - virtual\nanvil unix - - n - 1 anvil\n'
            'scache unix - - n - 1 scache\npostlog unix-dgram n - n - 1 postlogd\n')

    def command(self):
        return ['/usr/lib/postfix/sbin/master', '-c', str(self.folder), '-d']


class Unpacked(Peer):
    """One whose packages are unpacked over a view of the system of its own."""

    def command(self):
        archives = [path for package in self.packages for path in archives_of(package)]
        root = self.folder / 'root'
        lines = ['set -eu', f'mkdir -p {root}', f'mount -t tmpfs none {root}', f'mkdir {root}/up {root}/work {root}/view',
                 f'mount -t overlay overlay -o lowerdir=/,upperdir={root}/up,workdir={root}/work {root}/view',
                 f'for place in proc dev sys {self.folder.relative_to("/")}; do mkdir -p {root}/view/$place; mount --rbind /$place {root}/view/$place; done']
        lines += [f'dpkg-deb --fsys-tarfile {archive} | tar -x -C {root}/view --keep-directory-symlink' for archive in archives]
        for name, number, home in self.users:
            lines += [f"echo '{name}:x:{number}:{number}::{home}:/usr/sbin/nologin' >> {root}/view/etc/passwd",
                      f"echo '{name}:x:{number}:' >> {root}/view/etc/group"]
        lines += [line.replace('ROOT', f'{root}/view') for line in self.preparation()]
        lines.append(f'exec chroot {root}/view ' + ' '.join(map(str, self.program())))
        script = self.folder / 'start.sh'
        script.write_text('\n'.join(lines) + '\n')
        # With its own numbers of processes, all of it ends with its first.
        return ['unshare', '--mount', '--pid', '--fork', '--kill-child=SIGTERM', '--mount-proc', '--propagation', 'private', 'sh', str(script)]

    def preparation(self):
        return []


class Exim(Unpacked):
    name = 'exim'
    packages = ('exim4-base', 'exim4-daemon-light')
    users = (('Debian-exim', 990, '/var/spool/exim4'),)

    def configure(self):
        (self.folder / 'spool').mkdir()
        shutil.chown(self.folder / 'spool', 990, 990)
        shutil.chown(self.mail, 990, 990)
        self.log.touch()
        (self.folder / 'exim.conf').write_text(f'''
primary_hostname = mx.{self.domain}
spool_directory = {self.folder}/spool
log_file_path = {self.folder}/spool/%slog
pid_file_path = {self.folder}/spool/exim.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {self.port}
tls_advertise_hosts = *
tls_certificate = {self.certificate}
tls_privatekey = {self.key}
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
chunking_advertise_hosts = *
accept_8bitmime
message_size_limit = 30M
deliver_drop_privilege
never_users =
acl_smtp_rcpt = check_recipient
acl_smtp_data = accept
keep_environment =
disable_ipv6
begin acl
check_recipient:
  accept hosts = 127.0.0.1
         domains = example.test
  accept domains = {self.domain}
         verify = recipient
  deny message = unknown
begin routers
ours:
  driver = accept
  domains = {self.domain}
  local_parts = bob : b\\xc3\\xb6b
  transport = maildir
out:
  driver = manualroute
  domains = example.test
  route_list = * 127.0.0.1
  self = send
  transport = smtp
begin transports
maildir:
  driver = appendfile
  directory = {self.mail}/bob
  maildir_format
  create_directory
  user = Debian-exim
  group = Debian-exim
smtp:
  driver = smtp
  port = {self.our_port}
  hosts_try_dane =
begin retry
* * F,1h,5s
begin rewrite
begin authenticators
''')

    def program(self):
        return ['exim4', '-C', self.folder / 'exim.conf', '-bdf', '-q10s']

    def preparation(self):  # or it would give up root when it starts itself again
        return [f'mkdir -p ROOT/etc/exim4', f'cp {self.folder}/exim.conf ROOT/etc/exim4/exim4.conf', 'chown 0:0 ROOT/etc/exim4/exim4.conf',
                'chmod 644 ROOT/etc/exim4/exim4.conf', f'echo {self.folder}/exim.conf > ROOT/etc/exim4/trusted_configs', f'chmod 600 {self.key}',
                f'chown 990:990 {self.key}']

    def main_log(self):
        log = self.folder / 'spool' / 'mainlog'
        return log.read_text(errors='replace') if log.exists() else ''

    def words(self):
        return super().words() + self.main_log()[-3000:]

    def took_chunks(self):
        return any('<= alice@example.test' in line and ' K ' in line for line in self.main_log().splitlines())


class OpenSmtpd(Unpacked):
    name = 'opensmtpd'
    packages = ('opensmtpd',)
    offers_smtputf8 = False
    users = (('opensmtpd', 991, '/var/empty'), ('opensmtpq', 992, '/var/empty'), ('bob', 993, '/home/bob'))

    def configure(self):
        shutil.chown(self.mail, 993, 993)
        (self.folder / 'smtpd.conf').write_text(f'''
pki mx.{self.domain} cert "{self.certificate}"
pki mx.{self.domain} key "{self.key}"
smtp max-message-size 30M
listen on 127.0.0.1 port {self.port} tls pki mx.{self.domain} hostname mx.{self.domain}
action "here" maildir "{self.mail}/bob" virtual {{ "bob@{self.domain}" = bob }}
action "there" relay host "smtp+tls://127.0.0.1:{self.our_port}" tls no-verify
match from any for domain "{self.domain}" action "here"
match from any for domain "example.test" action "there"
''')

    def program(self):
        return ['smtpd', '-d', '-f', self.folder / 'smtpd.conf']

    def preparation(self):
        return ['mkdir -p ROOT/var/empty ROOT/home/bob ROOT/var/spool/smtpd ROOT/run', 'chmod 711 ROOT/var/empty ROOT/var/spool/smtpd',
                'chown 993:993 ROOT/home/bob', f'chmod 600 {self.key} {self.folder}/smtpd.conf']


def archives_of(package):
    cache.mkdir(parents=True, exist_ok=True)
    if not list(cache.glob(f'{package}_*.deb')):
        fetched = subprocess.run(['apt-get', 'download', package], cwd=cache, capture_output=True)
        if fetched.returncode != 0:
            subprocess.run(['apt-get', 'update', '-qq'], check=True, capture_output=True)
            subprocess.run(['apt-get', 'download', package], cwd=cache, check=True, capture_output=True)
    return list(cache.glob(f'{package}_*.deb'))


class Ours:
    """Our server, with alice, who submits and reads."""

    def __init__(self, server):
        self.server = server

    def submit(self, recipients, text, **options):
        with smtplib.SMTP('127.0.0.1', self.server.port('submission'), timeout=60) as client:
            client.login('alice@example.test', PASSWORD)
            return client.sendmail('alice@example.test', recipients, text, **options)

    def messages(self, login='alice@example.test'):
        with imaplib.IMAP4('127.0.0.1', self.server.port('imap')) as client:
            client.login(login, PASSWORD)
            client.select('INBOX', readonly=True)
            numbers = client.search(None, 'ALL')[1][0].split()
            return [client.fetch(number.decode(), '(BODY.PEEK[])')[1][0][1] for number in numbers]


def letter(subject, body=b'Hello.\r\n', sender='alice@example.test', extra=''):
    return f'From: <{sender}>\r\nSubject: {subject}\r\n{extra}\r\n'.encode() + body


EIGHT_BIT_HEADER = 'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n'


def header_of(message):
    return re.split(rb'\r?\n\r?\n', message, maxsplit=1)[0]


def with_subject(messages, subject):
    return [m for m in messages if f'Subject: {subject}'.encode() in header_of(m).splitlines()]


def body_of(message):
    """The text behind the header, with CRLF line ends."""
    return re.split(rb'\r?\n\r?\n', message, maxsplit=1)[1].replace(b'\r\n', b'\n').replace(b'\n', b'\r\n').rstrip(b'\r\n') + b'\r\n'


def reports(messages, action, address):
    """Notifications that tell of that, by RFC 3464's fields. OpenSMTPD's are multipart/mixed."""
    found = []
    for octets in messages:
        message = email.message_from_bytes(octets, policy=email.policy.default)
        for part in message.walk():
            if part.get_content_type() not in ('message/delivery-status', 'message/global-delivery-status'):
                continue
            for block in part.get_payload()[1:]:  # the first is of the message
                if block.get('Action', '').lower().startswith(action) and address in block.get('Final-Recipient', ''):
                    found.append(message)
    return found


def send_to(peer, ours):
    bob = f'bob@{peer.domain}'
    ours.submit([bob], letter(f'plain to {peer.name}'))
    got = wait(lambda: with_subject(peer.messages(), f'plain to {peer.name}'))
    check(f'{peer.name}: takes a message of ours', len(got) == 1, peer.words() + ours.server.log()[-2000:])
    if peer.tls_works():
        check(f'{peer.name}: it came with STARTTLS', got and b'TLS' in header_of(got[0]), got)
    else:
        check(f'{peer.name}: where its TLS works with nobody it came in the clear', got and b'TLS' not in header_of(got[0]), got)

    ours.submit([bob, f'nobody@{peer.domain}'], letter(f'half to {peer.name}'))
    check(f'{peer.name}: of two recipients the refused one comes back', wait(lambda: reports(ours.messages(), 'failed', f'nobody@{peer.domain}')), ours.server.log()[-2000:])
    check(f'{peer.name}: and the other has it once', len(wait(lambda: with_subject(peer.messages(), f'half to {peer.name}')) or []) == 1, peer.words())

    ours.submit([bob], letter(f'eight bits to {peer.name}', EIGHT_BIT, extra=EIGHT_BIT_HEADER), mail_options=['BODY=8BITMIME'])
    got = wait(lambda: with_subject(peer.messages(), f'eight bits to {peer.name}'))
    check(f'{peer.name}: eight bits arrive as they were sent', got and body_of(got[0]) == EIGHT_BIT, got)

    ours.submit([bob], letter(f'dots to {peer.name}', b'.\r\n..\r\n.x\r\nend\r\n'))
    got = wait(lambda: with_subject(peer.messages(), f'dots to {peer.name}'))
    check(f'{peer.name}: lines of dots arrive as they were sent', got and body_of(got[0]) == b'.\r\n..\r\n.x\r\nend\r\n', got)

    ours.submit([bob], letter(f'large to {peer.name}', LARGE))
    got = wait(lambda: with_subject(peer.messages(), f'large to {peer.name}'), 60)
    check(f'{peer.name}: 8 MB arrive as they were sent', got and body_of(got[0]) == LARGE, peer.words() + ours.server.log()[-1000:])

    if isinstance(peer, Exim):  # the one whose log tells
        check(f'{peer.name}: it came by BDAT', peer.took_chunks(), peer.words())

    ours.submit([bob], letter(f'told to {peer.name}'), rcpt_options=['NOTIFY=SUCCESS,FAILURE'], mail_options=['RET=HDRS', 'ENVID=abc'])
    told = wait(lambda: reports(ours.messages(), 'deliver', bob) or reports(ours.messages(), 'relay', bob))
    check(f'{peer.name}: NOTIFY=SUCCESS brings a report of success', told, peer.words() + ours.server.log()[-2000:])

    utf8 = f'böb@{peer.domain}'
    ours.submit([utf8], letter(f'far to {peer.name}', 'Grüße\r\n'.encode(), extra=EIGHT_BIT_HEADER + 'X-Name: Böb\r\n'), mail_options=['SMTPUTF8', 'BODY=8BITMIME'])
    if peer.offers_smtputf8:
        got = wait(lambda: with_subject(peer.messages(), f'far to {peer.name}'))
        check(f'{peer.name}: an address in UTF-8 arrives', got and body_of(got[0]) == 'Grüße\r\n'.encode(), peer.words() + ours.server.log()[-2000:])
    else:
        back = wait(lambda: [m for m in ours.messages() if b'multipart/report' in m and 'böb'.encode() in m or b'b\\x{F6}b' in m])
        check(f'{peer.name}: without SMTPUTF8 a message with an address in UTF-8 comes back', back, ours.server.log()[-2000:])


def receive_from(peer, ours):
    sender = f'bob@{peer.domain}'
    peer.submit(sender, ['alice@example.test'], letter(f'plain from {peer.name}', sender=sender))
    got = wait(lambda: with_subject(ours.messages(), f'plain from {peer.name}'))
    check(f'{peer.name}: a message of its reaches us', len(got) == 1, peer.words())
    check(f'{peer.name}: it came to us with STARTTLS', got and b'ESMTPS' in got[0], got)

    peer.submit(sender, ['alice@example.test', 'nobody@example.test'], letter(f'half from {peer.name}', sender=sender))
    check(f'{peer.name}: a recipient that we refuse is told of by it', wait(lambda: reports(peer.messages(), 'failed', 'nobody@example.test')), peer.words())
    check(f'{peer.name}: and the other has it once', len(wait(lambda: with_subject(ours.messages(), f'half from {peer.name}')) or []) == 1)

    peer.submit('alice@example.test', ['nobody@example.test'], letter(f'bounce of {peer.name}'))
    check(f'{peer.name}: a bounce of its reaches us', wait(lambda: [m for m in reports(ours.messages(), 'failed', 'nobody@example.test') if peer.domain in str(m)]), peer.words())

    peer.submit(sender, ['alice@example.test'], letter(f'eight bits from {peer.name}', EIGHT_BIT, sender, EIGHT_BIT_HEADER), mail_options=['BODY=8BITMIME'])
    got = wait(lambda: with_subject(ours.messages(), f'eight bits from {peer.name}'))
    check(f'{peer.name}: eight bits of its arrive as they were sent', got and body_of(got[0]) == EIGHT_BIT, got)

    peer.submit(sender, ['alice@example.test'], letter(f'large from {peer.name}', LARGE, sender))
    got = wait(lambda: with_subject(ours.messages(), f'large from {peer.name}'), 60)
    check(f'{peer.name}: 8 MB of its arrive as they were sent', got and body_of(got[0]) == LARGE, peer.words())

    if peer.offers_smtputf8:
        utf8 = f'böb@{peer.domain}'
        peer.submit(utf8, ['alice@example.test'], letter(f'far from {peer.name}', sender=utf8), mail_options=['SMTPUTF8', 'BODY=8BITMIME'])
        got = wait(lambda: with_subject(ours.messages(), f'far from {peer.name}'))
        check(f'{peer.name}: a message from an address in UTF-8 reaches us', got and f'Return-Path: <{utf8}>'.encode() in got[0], peer.words())


def may_unshare():
    return subprocess.run(['unshare', '--mount', '--pid', '--fork', 'true'], capture_output=True).returncode == 0


def main():
    kinds = [kind for kind in (Postfix, Exim, OpenSmtpd) if not only or kind.name in only]
    if not may_unshare():
        print('no namespaces here: Postfix alone')
        kinds = [Postfix]
    with tempfile.TemporaryDirectory(prefix='keystone-peers-', dir='/var/tmp') as scratch:
        os.chmod(scratch, 0o755)
        our_port, peers = free_port(), []
        for kind in kinds:
            folder = pathlib.Path(scratch) / kind.name
            folder.mkdir()
            peers.append(kind(folder, our_port))
        routes = ', '.join(f'"{peer.domain}" = "127.0.0.1:{peer.port}"' for peer in peers)
        listeners = [('smtp', 'starttls', False), ('submission', 'starttls', True), ('imap', 'starttls', True)]
        with Server(program, listeners, extra=f'\n[relay]\nroutes = {{ {routes} }}\n') as server:
            text = server.config.read_text()
            server.config.write_text(text.replace('protocol = "smtp"\naddress = "127.0.0.1:0"', f'protocol = "smtp"\naddress = "127.0.0.1:{our_port}"'))
            server.add_account('alice@example.test', PASSWORD)
            server.start()
            ours = Ours(server)
            for peer in peers:
                try:
                    peer.start()
                except (RuntimeError, subprocess.CalledProcessError, AssertionError) as error:
                    check(f'{peer.name}: starts', False, error)
                    continue
                try:
                    send_to(peer, ours)
                    receive_from(peer, ours)
                finally:
                    peer.stop()
            check('our queue is empty in the end', wait(lambda: 'alice' not in server.run('queue', 'list').stdout), server.run('queue', 'list').stdout)
    return check.finish()


if __name__ == '__main__':
    sys.exit(main())
