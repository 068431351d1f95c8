# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Debian's Postfix and Dovecot as peers to measure against: private folders, loopback, ended by their own pids.

Both keep their durable defaults: Postfix syncs its queue files, Dovecot's LMTP and maildir run with mail_fsync=optimized.
Needs root, as Postfix does.
"""
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PACKAGES = ['postfix', 'dovecot-core', 'dovecot-lmtpd', 'dovecot-imapd']


def install():
    missing = [p for p in PACKAGES if subprocess.run(['dpkg-query', '-W', '-f', '${db:Status-Abbrev}', p], capture_output=True,
                                                     text=True).stdout[:2] != 'ii']
    if missing:
        environment = dict(os.environ, DEBIAN_FRONTEND='noninteractive')
        subprocess.run(['apt-get', 'update', '-qq'], check=True, env=environment)
        subprocess.run(['apt-get', 'install', '-y', '-qq', '--no-install-recommends', *missing], check=True, env=environment,
                       stdout=subprocess.DEVNULL)


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def wait_for_port(port, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(('127.0.0.1', port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f'nothing listens on port {port}')


def read_pid(path, seconds=20):
    """The pid in a file that its program writes some time after it listens."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return int(path.read_text())
        except (OSError, ValueError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def children_of(pid):
    """pid and all its descendants."""
    out, found = [pid], {pid}
    parents = {}
    for entry in pathlib.Path('/proc').iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / 'stat').read_text().rsplit(')', 1)[1].split()[1])
            except OSError:
                pass
    grown = True
    while grown:
        grown = False
        for child, parent in parents.items():
            if parent in found and child not in found:
                found.add(child)
                out.append(child)
                grown = True
    return out


def cpu_seconds(pid):
    """User and system time of a process tree, its reaped children included."""
    ticks = 0
    for member in children_of(pid):
        try:
            fields = pathlib.Path(f'/proc/{member}/stat').read_text().rsplit(')', 1)[1].split()
            ticks += sum(int(fields[i]) for i in (11, 12, 13, 14))
        except OSError:
            pass
    return ticks / os.sysconf('SC_CLK_TCK')


class Dovecot:
    """LMTP and IMAP over maildir, with `users` named user0 .. userN of one domain."""

    def __init__(self, root, users=10, domain='example.test', password='secret'):
        self.root = pathlib.Path(root) / 'dovecot'
        self.imap_port, self.lmtp_port = free_port(), free_port()
        self.users, self.domain, self.password = users, domain, password
        self.root.mkdir(parents=True)
        account = pwd.getpwnam('mail')
        self.mail = self.root / 'mail'
        self.mail.mkdir()
        os.chown(self.mail, account.pw_uid, account.pw_gid)
        for folder in (self.root, *self.root.parents[:-2]):
            folder.chmod(folder.stat().st_mode | 0o755)
        passwd = self.root / 'passwd'
        passwd.write_text(''.join(f'user{i}@{domain}:{{PLAIN}}{password}:{account.pw_uid}:{account.pw_gid}::{self.mail}/user{i}::\n'
                                  for i in range(users)))
        passwd.chmod(0o644)
        self.config = self.root / 'dovecot.conf'
        self.config.write_text(f'''
base_dir = {self.root}/run
state_dir = {self.root}/state
log_path = {self.root}/log
protocols = imap lmtp
ssl = no
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
first_valid_uid = 1
mail_max_userip_connections = 10000
auth_mechanisms = plain
passdb {{
  driver = passwd-file
  args = username_format=%u {passwd}
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {passwd}
}}
default_process_limit = 1000
default_client_limit = 6000
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {self.imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
  service_count = 0
}}
service imap {{
  process_limit = 6000
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.lmtp_port}
  }}
  process_limit = 200
}}
service anvil {{
  client_limit = 20000
}}
service auth {{
  client_limit = 20000
}}
''')

    def start(self):
        subprocess.run(['dovecot', '-c', str(self.config)], check=True)
        wait_for_port(self.imap_port)
        self.pid = read_pid(self.root / 'run' / 'master.pid')
        return self

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        while pathlib.Path(f'/proc/{self.pid}').exists() and time.monotonic() < deadline:
            time.sleep(0.05)


class Postfix:
    """smtpd on loopback that hands all mail of the domain to an LMTP port (Dovecot's)."""

    def __init__(self, root, lmtp_port=None, domain='example.test', relay=None):
        self.root = pathlib.Path(root) / 'postfix'
        self.port = free_port()
        self.config, self.spool, self.data = self.root / 'etc', self.root / 'spool', self.root / 'data'
        for folder in (self.config, self.spool, self.data):
            folder.mkdir(parents=True)
        shutil.chown(self.data, 'postfix')
        transport = f'lmtp:inet:127.0.0.1:{lmtp_port}' if lmtp_port else f'relay:[127.0.0.1]:{relay}'
        (self.config / 'main.cf').write_text(f'''
compatibility_level = 3.6
queue_directory = {self.spool}
data_directory = {self.data}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = peer.example.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = {domain}
virtual_transport = {transport}
relay_domains =
default_transport = {transport}
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
local_recipient_maps =
message_size_limit = 60000000
mailbox_size_limit = 0
maillog_file = {self.root}/log
maillog_file_prefixes = {self.root}
default_process_limit = 200
''')
        services = '''
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
'''
        (self.config / 'master.cf').write_text(services.format(port=self.port))

    def start(self):
        for folder in self.root.parents[:-2]:
            folder.chmod(folder.stat().st_mode | 0o755)
        subprocess.run(['postfix', '-c', str(self.config), 'start'], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_port(self.port)
        self.pid = read_pid(self.spool / 'pid' / 'master.pid')
        return self

    def stop(self):
        subprocess.run(['postfix', '-c', str(self.config), 'stop'], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def scratch():
    """A folder on the disk, not in memory: durability is what is measured."""
    return tempfile.TemporaryDirectory(prefix='keystone-bench-', dir='/var/tmp')
