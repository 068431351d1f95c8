#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""DKIM keys are made, changed and used by the real program: argv[1] is keystone-mail."""
import imaplib
import json
import pathlib
import shutil
import smtplib
import stat
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402

PASSWORD = 'a long enough password'
check = Checks()


def states(server, domain):
    keys = json.loads(server.run('dkim', 'list', '--json').stdout)
    return sorted((key['key'], key['state']) for key in keys if key['domain'] == domain)


with Server(sys.argv[1]) as server:
    server.add_account('alice@example.test', PASSWORD)
    check('init makes keys for the primary domain', states(server, 'example.test') == [('ed25519', 'active'), ('rsa-2048', 'active')])
    keys = json.loads(server.run('dkim', 'list', '--json').stdout)
    check('JSON tells as well since when', all(key['since'] and key['since'] in server.run('dkim', 'list').stdout for key in keys), keys)
    check('they are readable by nobody else', {stat.S_IMODE(p.stat().st_mode) for p in (server.data / 'dkim').rglob('*.pem')} == {0o600})
    shutil.rmtree(server.data / 'dkim')
    done = server.run('dkim', 'list')
    check('without keys it says how to make some', 'dkim generate' in done.stdout, done)
    done = server.run('dkim', 'generate', 'example.test')
    check('generate makes keys and prints records', done.returncode == 0 and done.stdout.count('._domainkey.example.test. IN TXT ( "v=DKIM1;') == 2, done)
    check('both keys sign at once', states(server, 'example.test') == [('ed25519', 'active'), ('rsa-2048', 'active')], states(server, 'example.test'))
    done = server.run('dkim', 'generate', 'example.test')
    check('a domain that has keys gets no others by generate', done.returncode == 1 and 'rotate' in done.stderr, done)
    check('what is no domain gets none', server.run('dkim', 'generate', '../escape').returncode == 1)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (server.data / 'dkim').rglob('*.pem')}
    check('key files are their owner\'s alone', modes == {0o600}, modes)
    server.start()
    done = server.run('domain', 'add', 'other.test')
    check('a new domain gets keys', states(server, 'other.test') == [('ed25519', 'active'), ('rsa-2048', 'active')], done)
    server.run('dkim', 'rotate', 'other.test')
    check('rotate makes keys that wait', [s for _, s in states(server, 'other.test')] == ['active', 'next', 'active', 'next'], states(server, 'other.test'))
    server.run('dkim', 'rotate', 'other.test')
    check('said again, they take over', [s for _, s in states(server, 'other.test')] == ['active', 'old', 'active', 'old'], states(server, 'other.test'))
    as_typed = server.run('dkim', 'publish', 'EXAMPLE.test')
    check('a domain is found however it is typed', as_typed.returncode == 0 and as_typed.stdout == server.run('dkim', 'publish', 'example.test').stdout, as_typed)
    done = server.run('dkim', 'publish', 'nobody.test')
    check('publish of a domain without keys says so', done.returncode == 1 and 'no keys' in done.stderr, done)
    with smtplib.SMTP('127.0.0.1', server.port('submission')) as client:
        client.login('alice@example.test', PASSWORD)
        client.sendmail('alice@example.test', ['alice@example.test'], b'From: alice@example.test\r\nSubject: x\r\n\r\nhi\r\n')
    mailbox = imaplib.IMAP4('127.0.0.1', server.port('imap'))
    mailbox.login('alice@example.test', PASSWORD)
    mailbox.select()
    message = mailbox.fetch('1', 'BODY[]')[1][0][1]
    mailbox.logout()
    check('what is submitted is signed with both', message.count(b'DKIM-Signature: v=1;') == 2 and b'a=rsa-sha256' in message and b'a=ed25519-sha256' in message, message)

sys.exit(check.finish())
