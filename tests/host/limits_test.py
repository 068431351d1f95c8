#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""[limits] of a running server: what a reload changes, and bans that outlive a restart. Argument: keystone-mail."""
import concurrent.futures
import imaplib
import json
import os
import pathlib
import re
import signal
import smtplib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402

program = os.path.abspath(sys.argv[1])
check = Checks()
ALICE, PASSWORD = 'alice@example.test', 'correct horse battery staple'
LISTENERS = [('smtp', 'starttls', False), ('imap', 'starttls', True)]


def set_limits(server, **limits):
    text = re.sub(r'(?ms)^\[limits\].*?(?=^\[|\Z)', '', server.config.read_text())
    server.config.write_text(text + '[limits]\n' + ''.join(f'{key} = {json.dumps(value)}\n' for key, value in limits.items()))


def reload(server, **limits):
    set_limits(server, **limits)
    return server.run('reload')


def offered_size(client):
    client.ehlo()
    return int(client.esmtp_features['size'])


def first_line(server, protocol):
    with socket.create_connection(('127.0.0.1', server.port(protocol)), timeout=20) as client:
        return client.recv(1000).decode()


def message(octets):
    return 'Subject: large\r\n\r\n' + ('x' * 78 + '\r\n') * (octets // 80)


def sent(client, octets):
    try:
        client.sendmail('x@elsewhere.test', [ALICE], message(octets))
        return True
    except smtplib.SMTPException as error:
        return str(error)


def test_reload(server):
    set_limits(server, trusted=['127.0.0.0/8'], message_size=100_000)
    server.start()
    before = smtplib.SMTP('127.0.0.1', server.port('smtp'), timeout=20)
    check('the size of messages is the configured one', offered_size(before) == 100_000)
    out = reload(server, trusted=['127.0.0.0/8'], message_size=2_000_000)
    check('reload takes another size of messages', out.returncode == 0, out.stderr)
    check('a session that was there keeps its own', offered_size(before) == 100_000)
    check('and refuses what is larger', '552' in str(sent(before, 200_000)))
    before.close()
    with smtplib.SMTP('127.0.0.1', server.port('smtp'), timeout=20) as client:
        check('new sessions have the new one', offered_size(client) == 2_000_000)
        check('and take a message of that size', sent(client, 1_500_000) is True)
    with imaplib.IMAP4('127.0.0.1', server.port('imap')) as client:
        client.login(ALICE, PASSWORD)
        check('IMAP too', 'APPENDLIMIT=2000000' in client.capability()[1][0].decode())
        check('an APPEND of that size is taken', client.append('INBOX', None, None, message(1_500_000).encode())[0] == 'OK')
    out = reload(server, connections_per_address=1)
    check('reload takes another ceiling of connections', out.returncode == 0, out.stderr)
    with smtplib.SMTP('127.0.0.1', server.port('smtp'), timeout=20):
        check('which holds for connections to come', first_line(server, 'smtp').startswith('421'), first_line(server, 'smtp'))
        reload(server, trusted=['127.0.0.0/8'], connections_per_address=1)
        check('and not for trusted addresses, as soon as they are', first_line(server, 'smtp').startswith('220'))
    set_limits(server, trusted=['127.0.0.0/8'], message_size=3_000_000)
    before = len(server.lines)
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    while 'config.reloaded' not in ''.join(server.lines[before:]) and time.monotonic() < deadline:
        time.sleep(0.05)
    with smtplib.SMTP('127.0.0.1', server.port('smtp'), timeout=20) as client:
        check('SIGHUP does the same', offered_size(client) == 3_000_000)
    out = reload(server, message_size=12)
    check('a bad limit is refused, and the old one stays', out.returncode == 1 and 'between' in out.stderr, out.stderr)
    with smtplib.SMTP('127.0.0.1', server.port('smtp'), timeout=20) as client:
        check('the server serves on with it', offered_size(client) == 3_000_000)
    server.stop()


def guess(server):
    try:
        with imaplib.IMAP4('127.0.0.1', server.port('imap'), timeout=60) as client:
            client.login(ALICE, 'a wrong guess')
    except (imaplib.IMAP4.error, OSError) as error:
        return str(error)


def bans(server):
    out = server.run('bans', '--json')
    return json.loads(out.stdout) if out.returncode == 0 else out.stderr


def test_bans(server):
    set_limits(server, connections_per_address=100)
    server.start()
    check('nobody is banned at first', bans(server) == [])
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda _: guess(server), range(12)))
    check('guessing bans the address', [one['network'] for one in bans(server)] == ['127.0.0.1/32'], bans(server))
    check('which is turned away before it can say anything', first_line(server, 'imap').startswith('* BYE') and first_line(server, 'smtp').startswith('421'))
    check('the log says so', server.logged('login.banned', 'network=127.0.0.1/32'))
    until = bans(server)[0]['until']
    server.kill()
    check('the ban is there when no server runs, to the same second', [one['until'] for one in bans(server)] == [until], bans(server))
    server.start()
    check('it outlives kill -9', first_line(server, 'imap').startswith('* BYE'), first_line(server, 'imap'))
    out = server.run('unban', '127.0.0.1', '--json')
    check('unban lifts it', out.returncode == 0 and json.loads(out.stdout)['lifted'] == 1, out.stdout + out.stderr)
    check('at once', first_line(server, 'imap').startswith('* OK') and bans(server) == [])
    server.kill()
    server.start()
    check('and for good', first_line(server, 'imap').startswith('* OK') and bans(server) == [])
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda _: guess(server), range(12)))
    check('guessing again bans it again', len(bans(server)) == 1)
    server.stop()
    out = server.run('unban', '127.0.0.1', '--json')
    check('unban works without a server too', out.returncode == 0 and json.loads(out.stdout)['lifted'] == 1 and bans(server) == [], out.stderr)


with Server(program, LISTENERS) as server:
    server.add_account(ALICE, PASSWORD)
    test_reload(server)
    test_bans(server)
sys.exit(check.finish())
