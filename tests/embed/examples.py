#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Runs each example and looks at what it does. Arguments: the built examples. Ends with `N passed, N failed`."""
import imaplib
import os
import pathlib
import re
import smtplib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks  # noqa: E402

BUILT = {pathlib.Path(path).stem: pathlib.Path(path).resolve() for path in sys.argv[1:]}
MESSAGE = (b'From: "A. Sender" <ann@example.test>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\n'
           b'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello there\r\n'
           b'--b\r\nContent-Type: image/png; name="cat.png"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n')
check = Checks()


def run(name, *words, stdin=b''):
    out = subprocess.run([BUILT[name], *map(str, words)], input=stdin, capture_output=True, timeout=60)
    return out.returncode, (out.stdout + out.stderr).decode(errors='replace')


def parse_message():
    code, out = run('parse_message', stdin=MESSAGE)
    check('parse_message shows sender, decoded subject and parts', code == 0 and 'A. Sender <ann@example.test>' in out
          and 'cat.png' in out and 'Hello there' in out, out)
    code, out = run('parse_message', stdin=b'\x00\xff' * 1000)
    check('parse_message takes any octets', code == 0 and 'defect' in out, out)


def smtp_sink():
    sink = subprocess.Popen([BUILT['smtp_sink'], '0'], stdout=subprocess.PIPE, text=True)
    port = int(re.search(r':(\d+)', sink.stdout.readline())[1])
    with smtplib.SMTP('127.0.0.1', port, timeout=20) as client:
        refused = client.sendmail('ann@example.test', ['bob@example.test', 'eve@example.test'], MESSAGE)
    out, _ = sink.communicate(timeout=20)
    check('smtp_sink takes a message and ends', sink.returncode == 0 and not refused and 'took a message of' in out, out)


def unit_test_mailbox():
    code, out = run('unit_test_mailbox')
    check('unit_test_mailbox delivers in-process', code == 0 and 'INBOX has 1 message' in out, out)


def embed_server():
    with tempfile.TemporaryDirectory(dir=os.environ.get('KEYSTONEMAIL_TEST_DIR', '/var/tmp')) as folder:
        for round_number in (1, 2):
            server = subprocess.Popen([BUILT['embed_server'], f'{folder}/data'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            ports = dict(re.findall(r'(\w+)=[\d.]+:(\d+)', server.stdout.readline()))
            if not ports:
                server.wait(timeout=20)
                return check('embed_server starts', False, server.stderr.read())
            with smtplib.SMTP('127.0.0.1', int(ports['smtp']), timeout=20) as client:
                client.sendmail('ann@example.test', ['bob@test'], MESSAGE)
            with imaplib.IMAP4('127.0.0.1', int(ports['imap']), timeout=20) as client:
                client.login('bob', 'a long password')
                count = client.select('INBOX')[1][0]
                body = client.fetch(count, '(BODY[])')[1][0][1]
            check(f'embed_server takes and shows message {round_number}', count == b'%d' % round_number and body.endswith(MESSAGE), (count, body))
            server.terminate()
            check('embed_server ends when asked', server.wait(timeout=20) == 0)
            server.stdout.close(), server.stderr.close()
        code, out = run('embed_server')
        check('embed_server says how it is used', code == 2 and 'usage: ' in out, (code, out))
        pathlib.Path(folder, 'file').write_text('')
        code, out = run('embed_server', f'{folder}/file/data')
        check('embed_server says when its directory cannot be made', code == 1 and 'embed_server: ' in out and f'{folder}/file' in out, (code, out))


def custom_directory():
    code, out = run('custom_directory')
    check('custom_directory asks the embedder\'s own class', code == 0 and '1234@shop.test: a customer' in out
          and '12@shop.test: unknown' in out and 'elsewhere.test: not ours' in out, out)


def directory_plugin():
    with tempfile.TemporaryDirectory() as folder:
        plugin, users = pathlib.Path(folder) / 'users_file.so', pathlib.Path(folder) / 'users'
        plugin.write_bytes(BUILT['users_file'].read_bytes())
        plugin.chmod(0o755)
        users.write_text('7 ann@example.test secret\n')
        for address, answer in (('ann@example.test', 'account 7\n'), ('bob@example.test', 'unknown\n'), ('ann@elsewhere.test', 'not ours\n')):
            code, out = run('directory_plugin', plugin, users, address)
            check(f'directory_plugin: {address}', code == 0 and out == answer, out)
        users.write_text('7 ann@example.test secret\n8 bob@example.test secret\n')
        check('directory_plugin reads the file anew', run('directory_plugin', plugin, users, 'bob@example.test')[1] == 'account 8\n')
        plugin.chmod(0o777)
        code, out = run('directory_plugin', plugin, users, 'ann@example.test')
        check('directory_plugin is refused when others may write it', code == 1 and 'may be written by others' in out, out)


def custom_policy():
    code, out = run('custom_policy')
    check('custom_policy takes what its class lets pass, and refuses the rest', code == 0 and 'with a ticket: 250' in out
          and 'without: 550 5.7.1 Please keep the ticket' in out, out)


def submission_gateway():
    sink = subprocess.Popen([BUILT['smtp_sink'], '0'], stdout=subprocess.PIPE, text=True)
    port = int(re.search(r':(\d+)', sink.stdout.readline())[1])
    gateway = subprocess.Popen([BUILT['submission_gateway'], f'127.0.0.1:{port}'], stdout=subprocess.PIPE, text=True)
    try:
        own_port = int(re.search(r'submission=[\d.]+:(\d+)', gateway.stdout.readline())[1])
        with smtplib.SMTP('127.0.0.1', own_port, timeout=20) as client:
            check('submission_gateway takes nothing without a login', client.ehlo() and client.mail('billing@gateway.test')[0] == 530)
            client.login('billing', 'a long password')
            check('submission_gateway keeps senders apart', client.mail('boss@gateway.test')[0] == 550)
            client.mail('billing@gateway.test')
            check('submission_gateway refuses whom its own policy refuses', client.rcpt('eve@elsewhere.test')[0] == 550)
            codes = [client.rcpt(f'{name}@customer.test')[0] for name in 'abcd']
            check('submission_gateway has the built-in limits too', codes == [250, 250, 250, 450], codes)
            check('submission_gateway takes a message', client.data(b'From: billing@gateway.test\r\nSubject: Invoice\r\n\r\nPay.\r\n')[0] == 250)
        out, _ = sink.communicate(timeout=20)
        check('submission_gateway hands it to the smarthost', sink.returncode == 0 and 'took a message of' in out, out)
    finally:
        gateway.terminate()
        check('submission_gateway ends when asked', gateway.wait(timeout=20) == 0)
        sink.kill()


for example in (parse_message, smtp_sink, unit_test_mailbox, embed_server, custom_directory, directory_plugin, custom_policy, submission_gateway):
    try:
        example()
    except Exception as problem:  # one that hangs or breaks must not hide the others
        check(example.__name__, False, repr(problem))
sys.exit(check.finish())
