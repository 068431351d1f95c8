#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""[directory] type = "plugin" in the real program. Arguments: keystone-mail, the example plugin, one that breaks the contract."""
import imaplib
import os
import pathlib
import shutil
import smtplib
import ssl
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402

program, users_file, bad_plugin = map(os.path.abspath, sys.argv[1:4])
check = Checks()
USERS = '7 ann@example.test anns-long-password\n8 bob@example.test bobs-long-password\n'
MESSAGE = 'From: ann@example.test\r\nTo: bob@example.test\r\nSubject: by plugin\r\n\r\nhello\r\n'


def section(path, options):
    return f'\n[directory]\ntype = "plugin"\npath = "{path}"\noptions = {options}\n'


def unverified():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def refused(call, *arguments):
    try:
        call(*arguments)
    except (smtplib.SMTPException, imaplib.IMAP4.error) as error:
        return str(error)
    return ''


def log_in(server, login, password):
    client = imaplib.IMAP4_SSL('127.0.0.1', server.port('imaps'), ssl_context=unverified())
    client.login(login, password)
    return client


def refusals(server, folder, plugin):
    """Each of these must keep the server from starting, and check must say why."""
    writable = folder / 'writable.so'
    shutil.copy(plugin, writable)
    writable.chmod(0o777)
    open_folder = folder / 'open'
    open_folder.mkdir()
    shutil.copy(plugin, open_folder / 'users.so')
    open_folder.chmod(0o777)
    text_file = folder / 'text.so'
    text_file.write_text('no shared object\n')
    good = server.config.read_text()
    for claim, path, options, why in [
        ('a plugin that is not there', folder / 'absent.so', '"x"', 'absent.so'),
        ('a file that is no shared object', text_file, '"x"', 'cannot be loaded'),
        ('a path that is not absolute', 'users.so', '"x"', 'must be absolute'),
        ('H13: a plugin that others may write', writable, '"x"', 'may be written by others'),
        ('H13: a plugin in a folder that others may write', open_folder / 'users.so', '"x"', 'may be written by others'),
        ('a plugin that does not open', plugin, f'"{folder}/no-users"', 'the file of users cannot be read'),
        ('options from a variable that is not set', plugin, '{ env = "KEYSTONEMAIL_NOT_SET" }', 'KEYSTONEMAIL_NOT_SET'),
    ]:
        server.config.write_text(good + section(path, options))
        for command in ('check', 'serve'):
            out = server.run(command)
            check(f'{command}: {claim} is refused, and it says why', out.returncode == 1 and why in out.stderr, out.stdout + out.stderr)
    server.config.write_text(good + section(bad_copy(folder), '"x"'))
    server.environment['KEYSTONEMAIL_TEST_PLUGIN'] = 'version'
    out = server.run('check')
    check('check: a plugin of another version is refused, with both versions', out.returncode == 1 and 'speaks version' in out.stderr,
          out.stdout + out.stderr)
    del server.environment['KEYSTONEMAIL_TEST_PLUGIN']
    server.config.write_text(good)


def bad_copy(folder):
    copy = folder / 'bad.so'
    if not copy.exists():
        shutil.copy(bad_plugin, copy)
        copy.chmod(0o755)
    return copy


def mail_and_logins(server, users):
    with smtplib.SMTP('127.0.0.1', server.port('smtp'), timeout=20) as client:
        check('mail for a user of the plugin is taken', not client.sendmail('x@elsewhere.test', ['bob@example.test'], MESSAGE))
        check('mail for somebody it does not know is refused', '550' in refused(client.sendmail, 'x@elsewhere.test', ['eve@example.test'], MESSAGE))
        check('mail for another domain is refused', 'Relaying denied' in refused(client.sendmail, 'x@elsewhere.test', ['y@other.test'], MESSAGE))
    with smtplib.SMTP_SSL('127.0.0.1', server.port('submissions'), timeout=20, context=unverified()) as client:
        client.login('ann', 'anns-long-password')  # in the primary domain
        check('a user of the plugin submits mail', not client.sendmail('ann@example.test', ['bob@example.test'], MESSAGE))
        check('but not with the address of another', 'does not belong' in refused(client.sendmail, 'bob@example.test', ['ann@example.test'], MESSAGE))
    with imaplib.IMAP4_SSL('127.0.0.1', server.port('imaps'), ssl_context=unverified()) as client:
        offered = client.capability()[1][0].decode()
        check('SCRAM is not offered, as this plugin keeps no keys for it', 'AUTH=PLAIN' in offered and 'SCRAM' not in offered, offered)
    check('a wrong password is refused', refused(log_in, server, 'bob@example.test', 'wrong password'))
    check('an unknown login is refused', refused(log_in, server, 'eve@example.test', 'anns-long-password'))
    with log_in(server, 'bob@example.test', 'bobs-long-password') as client:
        check('IMAP shows a user of the plugin both messages', client.select('INBOX')[1] == [b'2'])
        check('octet for octet', client.fetch('1', '(BODY[TEXT])')[1][0][1] == b'hello\r\n')
    for what, spoil in (('cannot be read', users.unlink), ('has a line that makes no sense', lambda: users.write_text('7 ann@example.test anns-long-password\nx\n'))):
        spoil()
        with smtplib.SMTP('127.0.0.1', server.port('smtp'), timeout=20) as client:
            for address in ('bob@example.test', 'y@other.test'):
                client.ehlo(), client.mail('x@elsewhere.test')
                reply = client.rcpt(address)
                check(f'while the file of users {what}, mail for {address} waits and is not refused', reply[0] == 451, reply)
                client.rset()
        said = refused(log_in, server, 'bob@example.test', 'bobs-long-password')
        check(f'while it {what}, a login is told to come again', 'UNAVAILABLE' in said and 'AUTHENTICATIONFAILED' not in said, said)
    users.write_text(USERS + '9 eve@example.test eves-long-password\n')
    with log_in(server, 'eve@example.test', 'eves-long-password') as client:
        check('a user whom the plugin learns of is there at once', client.select('INBOX')[1] == [b'0'])


def as_root(folder, plugin, users):
    """Started as root with a user to become: the plugin must not be that user's, and its options may be root's alone."""
    with tempfile.TemporaryDirectory(dir=os.environ.get('KEYSTONEMAIL_TEST_DIR', '/var/tmp')) as home:
        os.chmod(home, 0o755)
        own = pathlib.Path(home) / 'own.so'
        shutil.copy(plugin, own)
        own.chmod(0o755)
        shutil.chown(own, 'nobody')
        options = folder / 'secret-options'
        options.write_text(f'{users}\n')
        options.chmod(0o600)
        with Server(program, folder=home) as server:
            good = 'user = "nobody"\n' + server.config.read_text()
            server.config.write_text(good + section(own, f'{{ file = "{options}" }}'))
            for command in ('check', 'serve'):
                out = server.run(command)
                check(f'H13: {command}: a plugin of the user the server becomes is refused', out.returncode == 1 and 'belongs to' in out.stderr, out.stderr)
            own.unlink()
            shutil.copy(plugin, own)
            own.chmod(0o755)
            users.chmod(0o644)
            folder.chmod(0o755)
            server.start()
            with smtplib.SMTP('127.0.0.1', server.port('smtp'), timeout=20) as client:
                check('options that only root may read reach the plugin, which runs as the other user',
                      not client.sendmail('x@elsewhere.test', ['bob@example.test'], MESSAGE), server.log())
            status = pathlib.Path(f'/proc/{server.process.pid}/status').read_text()
            check('and it is not root any more', '\nUid:\t0' not in status, status)


with tempfile.TemporaryDirectory(dir=os.environ.get('KEYSTONEMAIL_TEST_DIR', '/var/tmp')) as scratch:
    folder = pathlib.Path(scratch)
    plugin = folder / 'users.so'
    shutil.copy(users_file, plugin)
    plugin.chmod(0o755)
    users = folder / 'users'
    users.write_text(USERS)
    with Server(program) as server:
        refusals(server, folder, plugin)
        options = folder / 'options'
        options.write_text(f'{users}\n')
        server.config.write_text(server.config.read_text() + section(plugin, f'{{ file = "{options}" }}'))
        out = server.run('check')
        check('check finds the plugin good', out.returncode == 0, out.stdout + out.stderr)
        server.start()
        check('the log says which plugin is loaded', server.logged('plugin.loaded', str(plugin)), server.log())
        mail_and_logins(server, users)
        out = server.run('account', 'add', 'dan@example.test', '--password-stdin', stdin='a long enough password\n')
        check('account add says that the plugin has the accounts', out.returncode == 1 and 'plugin' in out.stderr, out.stdout + out.stderr)
        out = server.run('queue', 'list', '--json')
        check('the queue is there as ever', out.returncode == 0 and out.stdout.strip() == '[]', out.stdout + out.stderr)
        check('the server ends well', server.stop() == 0, server.log())
        out = server.run('export', 'bob@example.test', folder / 'mail')
        check('export finds a user of the plugin', out.returncode == 0 and '2 messages' in out.stdout, out.stdout + out.stderr)
        server.start()
        with log_in(server, 'bob@example.test', 'bobs-long-password') as client:
            check('the mail is there after a restart', client.select('INBOX')[1] == [b'2'])
    if os.geteuid() == 0:
        as_root(folder, plugin, users)
sys.exit(check.finish())
