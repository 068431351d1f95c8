#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Settings of which no other test of the program makes use: each is seen in what the server does to others. Argument: keystone-mail."""
import imaplib
import json
import os
import pathlib
import re
import smtplib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402
from name_server import NameServer  # noqa: E402

program = os.path.abspath(sys.argv[1])
check = Checks()
LOGIN = 'alice@example.test'
LISTENERS = [('smtp', 'starttls', False), ('submission', 'starttls', True), ('imap', 'starttls', True)]
RECORDS = {('good.test', 'MX'): [(10, 'mx.good.test')], ('mx.good.test', 'A'): ['192.0.2.1']}


def set_up(server, **sections):
    """The configuration as it was at first, with these sections in place of its own."""
    text = set_up.first = getattr(set_up, 'first', None) or server.config.read_text()
    for name, keys in sections.items():
        name = name.replace('__', '.')
        text = re.sub(rf'(?ms)^\[{re.escape(name)}\].*?(?=^\[|\Z)', '', text)
        text += f'\n[{name}]\n' + ''.join(f'{key} = {json.dumps(value)}\n' for key, value in keys.items())
    server.config.write_text(text)
    out = server.run('reload')
    assert out.returncode == 0, out.stdout + out.stderr


def stranger(server, source='127.0.0.9'):
    return smtplib.SMTP('127.0.0.1', server.port('smtp'), source_address=(source, 0), timeout=30)


def answer(server, helo='client.good.test', sender='x@good.test', to=LOGIN):
    """What a stranger is told at RCPT, or before it."""
    with stranger(server) as client:
        for command, argument in ((client.helo, helo), (client.mail, sender), (client.rcpt, to)):
            code, text = command(argument)
            if code != 250:
                break
        return f'{code} {text.decode()}'


def submitted(server, *recipients, octets=0):
    """The answer to each message of a client that logs in: to its sender, to each recipient, to the message itself."""
    with smtplib.SMTP('127.0.0.1', server.port('submission'), timeout=30) as client:
        client.login(LOGIN, PASSWORD)
        codes = [client.mail(LOGIN)[0], *(client.rcpt(one)[0] for one in recipients)]
        if codes[0] == 250 and 250 in codes[1:]:
            codes.append(client.data(f'From: {LOGIN}\r\nSubject: offer\r\n\r\n{"x" * 70}\r\n'.encode() + b'y\r\n' * (octets // 3))[0])
        return codes


def test_helo_and_sender(server):
    set_up(server)
    check('policy: of itself a HELO without a dot is let in', answer(server, helo='localname').startswith('250'))
    check('policy: and one that is no name', answer(server, helo='-odd-.good.test').startswith('250'), answer(server, helo='-odd-.good.test'))
    check('policy: and the sender domain looked up', answer(server, sender='x@gone.test').startswith('550 5.1.8'))
    set_up(server, policy=dict(exempt=[], helo_qualified=True, helo_syntax=True, sender_domain=False, sender_own_domain=True))
    check('policy helo_qualified: it is not', answer(server, helo='localname').startswith('550 5.5.2'), answer(server, helo='localname'))
    check('policy helo_syntax: nor is what is no name', answer(server, helo='-odd-.good.test')[0] == '5', answer(server, helo='-odd-.good.test'))
    check('policy sender_domain: false leaves it alone', answer(server, sender='x@gone.test').startswith('250'))
    check('policy sender_own_domain: nobody outside is one of us', answer(server, sender='boss@example.test')[0] == '5', answer(server, sender='boss@example.test'))
    check('policy helo_own_name: our name is refused', answer(server, helo='mail.example.test')[0] == '5')
    set_up(server, policy=dict(exempt=[], helo_own_name=False))
    check('policy helo_own_name: unless this is off', answer(server, helo='mail.example.test').startswith('250'))


def test_delays(server):
    set_up(server, policy=dict(exempt=[], greet_delay_seconds=1, tarpit_seconds=1, tarpit_longest_seconds=1))
    started = time.monotonic()
    with stranger(server) as client:
        check('policy greet_delay_seconds: the greeting comes after it', time.monotonic() - started >= 0.9, time.monotonic() - started)
        client.helo('client.good.test')
        client.mail('x@good.test')
        started = time.monotonic()
        for number in range(3):
            client.rcpt(f'guess{number}@example.test')
        taken = time.monotonic() - started
        check('policy tarpit_longest_seconds: the third refusal is no later than the first', 2.9 <= taken < 5.5, taken)
    with socket.create_connection(('127.0.0.1', server.port('smtp')), timeout=30, source_address=('127.0.0.9', 0)) as client:
        client.sendall(b'EHLO client.good.test\r\n')
        check('policy greet_delay_seconds: who speaks before it is dropped', client.recv(1000)[:3] in (b'554', b'521', b''))


def test_sending(server):
    set_up(server, policy__sending=dict(messages_per_hour=1))
    codes = [submitted(server, LOGIN) for _ in range(2)]
    check('policy.sending messages_per_hour: the second is put off', codes == [[250, 250, 250], [450, 503]], codes)
    for key in ('messages_per_day', 'recipients_per_day'):
        set_up(server, policy__sending={key: 1})
        check(f'policy.sending {key}: what went before counts', 450 in submitted(server, 'p@elsewhere.test'))
    set_up(server, policy__sending=dict(new_recipients_per_day=2))  # she has written to herself
    codes = submitted(server, 'new1@elsewhere.test', 'new2@elsewhere.test')
    check('policy.sending new_recipients_per_day: the second new one is put off', codes == [250, 250, 450, 250], codes)
    check('policy.sending new_recipients_per_day: and the first is no longer new', submitted(server, 'new1@elsewhere.test') == [250, 250, 250])
    set_up(server, queue=dict(octets_per_account=20_000))
    check('queue octets_per_account: more is refused for now', submitted(server, 'new1@elsewhere.test', octets=30_000)[-1] // 100 == 4)
    check('queue octets_per_account: and less is taken', submitted(server, 'new1@elsewhere.test', octets=1_000)[-1] == 250)


def test_connections(server):
    set_up(server, limits=dict(connections_per_account=1))
    with imaplib.IMAP4('127.0.0.1', server.port('imap')) as one, imaplib.IMAP4('127.0.0.1', server.port('imap')) as two:
        one.login(LOGIN, PASSWORD)
        try:
            refused = two.login(LOGIN, PASSWORD)
        except imaplib.IMAP4.error as error:
            refused = str(error)
        check('limits connections_per_account: the second session is refused', '[LIMIT]' in str(refused), refused)
    set_up(server, limits=dict(connections_per_minute=2))
    codes = []
    for _ in range(3):
        with socket.create_connection(('127.0.0.1', server.port('smtp')), timeout=30, source_address=('127.0.1.1', 0)) as client:
            codes.append(client.recv(1000)[:3])
    check('limits connections_per_minute: the third is turned away', codes == [b'220', b'220', b'421'], codes)


with NameServer(RECORDS) as names, Server(program, listeners=LISTENERS, trusted=False,
                                          extra=f'\n[resolver]\nservers = ["{names.address}"]\n\n[policy]\nexempt = []\ntarpit_seconds = 0\n') as running:
    PASSWORD = running.add_account_with_app_password(LOGIN, 'correct horse battery staple')
    running.start()
    test_helo_and_sender(running)
    test_delays(running)
    test_sending(running)
    test_connections(running)
sys.exit(check.finish())
