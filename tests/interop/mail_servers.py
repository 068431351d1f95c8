#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Debian's Postfix, Exim and OpenSMTPD: the real program sends to each and receives from each. Arguments: the program, a cache folder.

Each peer has its own configuration, queue and port (mail_peers), takes mail for NAME.test, and sends what is for example.test to us.
"""
import email
import email.policy
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from debian import Packages  # noqa: E402
from keystone import Checks, Server  # noqa: E402
from letters import Account, header_of, letter, with_subject  # noqa: E402
from loopback import free_port, wait  # noqa: E402
from mail_peers import Exim, OpenSmtpd, Postfix  # noqa: E402

PASSWORD = 'a long enough password'
program, packages = sys.argv[1], Packages(sys.argv[2])
only = sys.argv[3:]
check = Checks()

LARGE = b''.join(b'%06d ' % i + hashlib.sha256(b'%d' % i).hexdigest().encode() + b'\r\n' for i in range(110_000))  # 8 MB
EIGHT_BIT = 'Grüße aus Köln: žluťoučký kůň, 早安.\r\n'.encode()
EIGHT_BIT_HEADER = 'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n'


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
        print('skipped: Exim and OpenSMTPD: they are unpacked in namespaces of their own, which need root')
        kinds = [Postfix]
    with tempfile.TemporaryDirectory(prefix='keystone-peers-', dir='/var/tmp') as scratch:
        os.chmod(scratch, 0o755)
        our_port, peers = free_port(), []
        for kind in kinds:
            peers.append(kind(pathlib.Path(scratch) / kind.name, packages, our_port))
        routes = ', '.join(f'"{peer.domain}" = "127.0.0.1:{peer.port}"' for peer in peers)
        listeners = [('smtp', 'starttls', False), ('submission', 'starttls', True), ('imap', 'starttls', True)]
        with Server(program, listeners, extra=f'\n[relay]\nroutes = {{ {routes} }}\n') as server:
            text = server.config.read_text()
            server.config.write_text(text.replace('protocol = "smtp"\naddress = "127.0.0.1:0"', f'protocol = "smtp"\naddress = "127.0.0.1:{our_port}"'))
            server.add_account('alice@example.test', PASSWORD)
            server.start()
            ours = Account(server, 'alice@example.test', PASSWORD)
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
