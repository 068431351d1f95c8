# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Debian's Postfix, Exim and OpenSMTPD, each with a configuration, a queue and a port of its own.

Each takes mail for its domains (bob is there, nobody is not) into a maildir, and what is for domains of ours from this machine; how that
goes on is `outward`. Exim and OpenSMTPD cannot be installed beside Postfix: their packages are unpacked over a view of the system of
their own (a mount namespace with an overlay, which needs root).
"""
import os
import pwd
import shutil
import signal
import smtplib
import subprocess

from loopback import free_port, listens, wait


class Peer:
    """One of them, from its folder to its end. `certified`: a chain and its key; without, one by itself."""
    offers_smtputf8 = True

    def __init__(self, folder, packages, our_port=25, host='127.0.0.1', port=0, domains=(), ours=('example.test',), certified=None):
        self.folder, self.packages, self.our_port, self.host, self.port = folder, packages, our_port, host, port or free_port(host)
        self.domains, self.ours = domains or (self.domain,), ours
        self.mail, self.log = folder / 'mail', folder / 'log'
        self.certificate, self.key = folder / 'cert.pem', folder / 'key.pem'
        self.mail.mkdir(parents=True)
        os.chmod(folder, 0o755)
        if certified:
            for source, target in zip(certified, (self.certificate, self.key)):
                shutil.copyfile(source, target)
        else:
            subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', f'/CN=mx.{self.domain}', '-days', '2', '-keyout', self.key,
                            '-out', self.certificate], check=True, capture_output=True)

    @property
    def domain(self):
        return f'{self.name}.test'

    def start(self):
        self.configure()
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                            env=dict(os.environ, LC_ALL='C'))
        if not wait(lambda: listens(self.port, self.host) or self.process.poll() is not None, 20) or self.process.poll() is not None:
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

    def text(self):
        """Its log."""
        return self.log.read_text(errors='replace') if self.log.exists() else ''

    def words(self):
        return self.text()[-3000:]

    def messages(self):
        """What bob has got."""
        return [path.read_bytes() for path in self.mail.rglob('*') if path.is_file() and path.parent.name in ('new', 'cur')]

    def tls_works(self):
        """Whether anybody can speak TLS with it."""
        out = subprocess.run(['openssl', 's_client', '-starttls', 'smtp', '-connect', f'{self.host}:{self.port}'], input='QUIT\r\n', text=True,
                             capture_output=True, timeout=30)
        return 'SSL alert' not in out.stdout + out.stderr

    def submit(self, sender, recipients, text, **options):
        with smtplib.SMTP(self.host, self.port, local_hostname='localhost', timeout=60) as client:
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
        (self.folder / 'main.cf').write_text(''.join(f'{name} = {value}\n' for name, value in self.settings().items()))
        (self.folder / 'master.cf').write_text(
            f'{self.host}:{self.port} inet n - n - - smtpd\n'
            'pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\ntlsmgr unix - - n 1000? 1 tlsmgr\n'
            'rewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\n'
            'verify unix - - n - 1 verify\nflush unix n - n 1000? 0 flush\nproxymap unix - - n - - proxymap\nsmtp unix - - n - - smtp\n'
            'error unix - - n - - error\nretry unix - - n - - error\nvirtual unix - n n - - virtual\nanvil unix - - n - 1 anvil\n'
            'scache unix - - n - 1 scache\npostlog unix-dgram n - n - 1 postlogd\n')

    def outward(self):
        """Settings for mail to us."""
        return {'transport_maps': f'inline:{{ example.test=smtp:[127.0.0.1]:{self.our_port} }}', 'smtp_tls_security_level': 'may'}

    def settings(self):
        mailboxes = ', '.join(f'{{bob@{domain}=bob/}}, {{böb@{domain}=bob/}}' for domain in self.domains)
        return {
            'compatibility_level': '3.6', 'queue_directory': self.folder / 'queue', 'data_directory': self.folder / 'data', 'mail_owner': 'postfix', 'setgid_group': 'postdrop',
            'command_directory': '/usr/sbin', 'daemon_directory': '/usr/lib/postfix/sbin', 'inet_interfaces': self.host, 'inet_protocols': 'ipv4',
            'myhostname': f'mx.{self.domain}', 'mydestination': '', 'mynetworks': '127.0.0.0/8', 'alias_maps': '', 'local_recipient_maps': '',
            'virtual_mailbox_domains': ', '.join(self.domains), 'virtual_mailbox_base': self.mail, 'virtual_minimum_uid': '1',
            'virtual_mailbox_maps': f'inline:{{ {mailboxes} }}',
            'virtual_uid_maps': f'static:{pwd.getpwnam("nobody").pw_uid}', 'virtual_gid_maps': f'static:{pwd.getpwnam("nobody").pw_gid}',
            'smtpd_relay_restrictions': 'permit_mynetworks, reject',
            'smtpd_tls_cert_file': self.certificate, 'smtpd_tls_key_file': self.key, 'smtpd_tls_security_level': 'may', 'smtpd_tls_received_header': 'yes',
            'smtputf8_enable': 'yes', 'message_size_limit': '30000000', 'virtual_mailbox_limit': '0',
            'maillog_file': self.log, 'maillog_file_prefixes': self.folder, 'minimal_backoff_time': '5s', 'maximal_backoff_time': '5s',
            'queue_run_delay': '5s', 'smtputf8_autodetect_classes': 'all', 'default_database_type': 'texthash',
            **self.outward(),
        }

    def command(self):
        return ['/usr/lib/postfix/sbin/master', '-c', str(self.folder), '-d']


class Unpacked(Peer):
    """One whose packages are unpacked over a view of the system of its own."""
    users = ()   # for /etc/passwd: name, number, home

    def command(self):
        root = self.folder / 'root'
        lines = ['set -eu', f'mkdir -p {root}', f'mount -t tmpfs none {root}', f'mkdir {root}/up {root}/work {root}/view',
                 f'mount -t overlay overlay -o lowerdir=/,upperdir={root}/up,workdir={root}/work {root}/view',
                 f'for place in proc dev sys {self.folder.relative_to("/")}; do mkdir -p {root}/view/$place; mount --rbind /$place {root}/view/$place; done',
                 f'cat /etc/resolv.conf > {root}/view/etc/resolv.conf']
        lines += [f'dpkg-deb --fsys-tarfile {archive} | tar -x -C {root}/view --keep-directory-symlink' for archive in self.archives()]
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
    users = (('Debian-exim', 990, '/var/spool/exim4'),)

    def archives(self):
        return [self.packages.archive(name) for name in ('exim4-base', 'exim4-daemon-light')]

    def outward(self):
        """The router and the transport for mail to us, and main settings that they want."""
        router = 'driver = manualroute\n  route_list = * 127.0.0.1\n  self = send'
        return router, f'port = {self.our_port}\n  hosts_try_dane =', ''

    def configure(self):
        router, transport, main = self.outward()
        (self.folder / 'spool').mkdir()
        shutil.chown(self.folder / 'spool', 990, 990)
        shutil.chown(self.mail, 990, 990)
        self.log.touch()
        (self.folder / 'exim.conf').write_text(f'''
primary_hostname = mx.{self.domain}
spool_directory = {self.folder}/spool
log_file_path = {self.folder}/spool/%slog
pid_file_path = {self.folder}/spool/exim.pid
local_interfaces = {self.host}
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
{main}
begin acl
check_recipient:
  accept hosts = 127.0.0.1
         domains = {' : '.join(self.ours)}
  accept domains = {' : '.join(self.domains)}
         verify = recipient
  deny message = unknown
begin routers
ours:
  driver = accept
  domains = {' : '.join(self.domains)}
  local_parts = bob : b\\xc3\\xb6b
  transport = maildir
out:
  {router}
  domains = {' : '.join(self.ours)}
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
  {transport}
begin retry
* * F,1h,3s
begin rewrite
begin authenticators
''')

    def program(self):
        return ['exim4', '-C', self.folder / 'exim.conf', '-bdf', '-q4s']

    def preparation(self):  # or it would give up root when it starts itself again
        return [f'mkdir -p ROOT/etc/exim4', f'cp {self.folder}/exim.conf ROOT/etc/exim4/exim4.conf', 'chown 0:0 ROOT/etc/exim4/exim4.conf',
                'chmod 644 ROOT/etc/exim4/exim4.conf', f'echo {self.folder}/exim.conf > ROOT/etc/exim4/trusted_configs', f'chmod 600 {self.key}',
                f'chown 990:990 {self.key}']

    def text(self):
        log = self.folder / 'spool' / 'mainlog'
        return super().text() + (log.read_text(errors='replace') if log.exists() else '')

    def took_chunks(self):
        return any('<= alice@example.test' in line and ' K ' in line for line in self.text().splitlines())


def quoted(names):
    return ', '.join(f'"{name}"' for name in names)


class OpenSmtpd(Unpacked):
    name = 'opensmtpd'
    offers_smtputf8 = False
    users = (('opensmtpd', 991, '/var/empty'), ('opensmtpq', 992, '/var/empty'), ('bob', 993, '/home/bob'))

    def archives(self):  # that of Debian 12 itself was built anew with OpenSSL 3, and speaks TLS with nobody
        return [self.packages.backport('opensmtpd')]

    def outward(self):
        """How mail to us is relayed."""
        return f'host "smtp+tls://127.0.0.1:{self.our_port}" tls no-verify'

    def configure(self):
        shutil.chown(self.mail, 993, 993)
        mailboxes = ', '.join(f'"bob@{domain}" = bob' for domain in self.domains)
        (self.folder / 'smtpd.conf').write_text(f'''
pki mx.{self.domain} cert "{self.certificate}"
pki mx.{self.domain} key "{self.key}"
smtp max-message-size 30M
listen on {self.host} port {self.port} tls pki mx.{self.domain} hostname mx.{self.domain}
action "here" maildir "{self.mail}/bob" virtual {{ {mailboxes} }}
action "there" relay {self.outward()}
match from any for domain {{ {quoted(self.domains)} }} action "here"
match from any for domain {{ {quoted(self.ours)} }} action "there"
''')

    def program(self):
        return ['smtpd', '-d', '-f', self.folder / 'smtpd.conf']

    def preparation(self):
        return ['mkdir -p ROOT/var/empty ROOT/home/bob ROOT/var/spool/smtpd ROOT/run', 'chmod 711 ROOT/var/empty ROOT/var/spool/smtpd',
                'chown 993:993 ROOT/home/bob', f'chmod 600 {self.key} {self.folder}/smtpd.conf']
