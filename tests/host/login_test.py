#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Logins to the real program: SCRAM with and without channel binding, app passwords however typed, client certificates, ALPN.

The clients here are Python's own with our SCRAM from the standard (tests/support/scram.py). Argument: keystone-mail.
"""
import base64
import imaplib
import json
import os
import pathlib
import re
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402
from scram import Scram, end_point_binding  # noqa: E402

program = os.path.abspath(sys.argv[1])
check = Checks()
ALICE = 'alice@example.test'
PASSWORD = 'correct horse battery staple'
LISTENERS = [('smtp', 'starttls', False), ('submission', 'starttls', False), ('submissions', 'implicit', False),
             ('imap', 'starttls', False), ('imaps', 'implicit', False)]


def unverified(protocols=None, certificate=None):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    if certificate:
        context.load_cert_chain(*certificate)
    return context


def imaps(server, **how):
    return imaplib.IMAP4_SSL('127.0.0.1', server.port('imaps'), ssl_context=unverified(**how))


def mechanisms(client):
    _, data = client.capability()
    return set(re.findall(r'AUTH=(\S+)', data[0].decode()))


def authenticate(client, mechanism, respond):
    """imaplib's AUTHENTICATE; True, or the server's refusal."""
    try:
        return client.authenticate(mechanism, respond)[0] == 'OK'
    except imaplib.IMAP4.error as error:
        return str(error)


def scram(client, login, password, binding=None, flag='n'):
    """(outcome, the exchange, whether the server proved itself)."""
    exchange = Scram(login, password, binding, flag)
    seen = {}

    def respond(challenge):
        if 'first' not in seen:
            seen['first'] = True
            return exchange.first()
        if exchange.salt is None:
            return exchange.final(challenge)
        seen['proved'] = exchange.check(challenge)
        return b''

    outcome = authenticate(client, 'SCRAM-SHA-256-PLUS' if binding else 'SCRAM-SHA-256', respond)
    return outcome, exchange, seen.get('proved', False)


def log_in_by_scram(server, login, password, starttls=False, plus=False, **how):
    if starttls:
        client = imaplib.IMAP4('127.0.0.1', server.port('imap'))
        client.starttls(unverified())
    else:
        client = imaps(server)
    with client:
        binding = ('tls-server-end-point', end_point_binding(client.sock)) if plus else None
        return scram(client, login, password, how.get('binding', binding), how.get('flag', 'n'))


def test_scram(server, secret):
    for starttls in (False, True):
        for plus in (False, True):
            where = 'with STARTTLS' if starttls else 'with implicit TLS'
            outcome, _, proved = log_in_by_scram(server, ALICE, secret, starttls, plus)
            check(f'IMAP {where}: SCRAM-SHA-256{"-PLUS" if plus else ""} logs in, and the server proves itself', outcome is True and proved, outcome)
    outcome, _, proved = log_in_by_scram(server, ALICE, secret[:-1] + ('2' if secret[-1] != '2' else '3'))
    check('IMAP: SCRAM with a wrong password is refused, and the server proves nothing', 'Login failed' in str(outcome) and not proved, outcome)
    outcome, _, _ = log_in_by_scram(server, ALICE, secret, binding=('tls-server-end-point', b'x' * 32))
    check('IMAP: SCRAM bound to another channel is refused', 'Login failed' in str(outcome), outcome)
    outcome, _, _ = log_in_by_scram(server, ALICE, secret, flag='y')
    check('IMAP: a client that was told of no channel binding is refused: somebody took it off the list', 'Login failed' in str(outcome), outcome)
    with imaps(server) as client:
        refused, _, _ = scram(client, ALICE, 'wrong')
        outcome, _, proved = scram(client, ALICE, secret)
        check('IMAP: after a refused exchange the next one works', 'Login failed' in str(refused) and outcome is True and proved, outcome)
        check('IMAP: and the session is that of the account', client.select('INBOX')[0] == 'OK')
    with imaps(server) as client:
        check('IMAP: an exchange called off ends with BAD', 'BAD' in str(authenticate(client, 'SCRAM-SHA-256', lambda _: None)))
        check('IMAP: and what is no SCRAM message is malformed', 'Malformed' in str(authenticate(client, 'SCRAM-SHA-256', lambda _: b'hello')))


def test_own_password(server):
    """SCRAM with a password that its owner chose: only where he asked for it."""
    mine = 'seven wooden spoons in a drawer'
    outcome, _, _ = log_in_by_scram(server, 'olivia', mine)
    check('SCRAM: the owner\'s password has no keys unless that was asked for', 'Login failed' in str(outcome), outcome)
    out = server.run('account', 'password', 'olivia@example.test', '--password-stdin', '--scram', stdin=mine + '\n')
    check('account password --scram says what it costs', out.returncode == 0 and 'steals the store' in out.stderr, out.stderr)
    for plus in (False, True):
        outcome, _, proved = log_in_by_scram(server, 'olivia', mine, plus=plus)
        check(f'SCRAM-SHA-256{"-PLUS" if plus else ""}: with --scram the owner\'s password logs in', outcome is True and proved, outcome)
    outcome, _, _ = log_in_by_scram(server, 'olivia', mine + 'x')
    check('and no other does', 'Login failed' in str(outcome), outcome)
    code, text = submit(server, 'SCRAM-SHA-256', Scram('olivia@example.test', mine))
    check('submission takes it as well', code == 235, text)
    device = server.run('account', 'app-password', 'add', 'olivia@example.test', '--name', 'phone').stdout.split()[-1]
    outcome, _, proved = log_in_by_scram(server, 'olivia', device)
    check('app passwords go on to work beside it', outcome is True and proved, outcome)
    server.run('account', 'password', 'olivia@example.test', '--password-stdin', stdin=mine + '\n')
    outcome, _, _ = log_in_by_scram(server, 'olivia', mine)
    check('SCRAM: without --scram a new password has no keys, even the same one', 'Login failed' in str(outcome), outcome)
    out = server.run('account', 'add', 'dan@example.test', '--password-stdin', '--scram', stdin=mine + '\n')
    outcome, _, proved = log_in_by_scram(server, 'dan', mine)
    check('account add --scram does so from the first day', outcome is True and proved and 'steals the store' in out.stderr, (outcome, out))
    check('--scram without a password is wrong usage', server.run('account', 'add', 'eve@example.test', '--scram').returncode == 2)


def test_imported_hashes(server):
    def kind(login):
        return next(one['password'] for one in json.loads(server.run('account', 'list', '--json').stdout) if one['login'] == login + '@example.test')

    def logs_in(login, password):
        with imaps(server) as client:
            try:
                return client.login(login, password)[0] == 'OK'
            except imaplib.IMAP4.error:
                return False

    # What glibc and bcrypt make of "Hello world!" and "U*U".
    hashes = {'old1': ('$5$', 'Hello world!', '$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5'),
              'old2': ('$6$', 'Hello world!', '$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1'),
              'old3': ('$2a$', 'U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW')}
    for login, (form, password, stored) in hashes.items():
        out = server.run('account', 'add', login + '@example.test', '--password-hash-stdin', stdin=stored + '\n')
        check(f'account add takes a hash {form}', out.returncode == 0 and kind(login) == form, out)
        check(f'{form}: a wrong password does not log in, and changes nothing', not logs_in(login, password + 'x') and kind(login) == form)
        check(f'{form}: the right one does, and the hash is ours from then on', logs_in(login, password) and kind(login) == '$scrypt$', kind(login))
        check(f'{form}: and goes on to', logs_in(login, password))
    out = server.run('account', 'password', 'old1@example.test', '--password-hash-stdin', stdin=hashes['old3'][2] + '\n')
    check('account password takes one', out.returncode == 0 and logs_in('old1', 'U*U') and not logs_in('old1', 'Hello world!'), out)
    check('one of our own form is taken, and stays',
          kind('old1') == '$scrypt$' and server.run('account', 'add', 'old4@example.test', '--password-hash-stdin', stdin='$scrypt$ln=16,r=8,p=2$'
          'MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\n').returncode == 0 and kind('old4') == '$scrypt$')
    for bad in ('secret', '{SSHA}AAAA', '$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA', hashes['old2'][2][:-1]):
        out = server.run('account', 'add', 'old5@example.test', '--password-hash-stdin', stdin=bad + '\n')
        check(f'what cannot be checked is refused: {bad[:20]}', out.returncode == 1 and 'password hash' in out.stderr and bad not in out.stderr, out)
    check('and no account is made', 'old5' not in server.run('account', 'list').stdout)
    out = server.run('account', 'add', 'old5@example.test', '--password-hash-stdin', '--password-stdin', stdin='x\n')
    check('either a password or a hash', out.returncode == 2, out)
    check('no hash is in the log', 'svn8UoSV' not in server.log())


def test_ways_of_typing(server, secret):
    plain = secret.replace('-', '')
    for claim, typed in {'as shown': secret, 'without hyphens': plain, 'in upper case': secret.upper(), 'in upper case without hyphens': plain.upper()}.items():
        for plus in (False, True):
            outcome, _, proved = log_in_by_scram(server, ALICE, typed, plus=plus)
            check(f'an app password typed {claim} works for SCRAM{" with channel binding" if plus else ""}', outcome is True and proved, outcome)
        with imaps(server) as client:
            check(f'and for LOGIN', client.login(ALICE, typed)[0] == 'OK')


def test_salts(server):
    """Before the password: does the first reply tell who exists?"""
    def salt_of(login):
        _, exchange, _ = log_in_by_scram(server, login, 'x')
        return exchange.salt, exchange.iterations

    check('H8: SCRAM: both spellings of a login have one salt', salt_of('alice') == salt_of(ALICE))
    check('H8: SCRAM: so have those of a login that does not exist', salt_of('nobody') == salt_of('nobody@example.test'))
    check('SCRAM: which is another for each, with the same number of iterations',
          salt_of('nobody')[0] != salt_of('somebody')[0] and salt_of('nobody')[1] == salt_of(ALICE)[1])


def submit(server, mechanism, exchange, starttls=False, binds=False, **how):
    if starttls:
        client = smtplib.SMTP('127.0.0.1', server.port('submission'), timeout=20)
        client.starttls(context=unverified(**how))
    else:
        client = smtplib.SMTP_SSL('127.0.0.1', server.port('submissions'), timeout=20, context=unverified(**how))
    with client:
        client.ehlo()
        if isinstance(exchange, bytes):
            return client.docmd('AUTH', f'{mechanism} {base64.b64encode(exchange).decode() or "="}')
        if binds:
            exchange.binding = ('tls-server-end-point', end_point_binding(client.sock))
            exchange.header = 'p=tls-server-end-point,,'
        _, first = client.docmd('AUTH', f'{mechanism} {base64.b64encode(exchange.first()).decode()}')
        _, last = client.docmd(base64.b64encode(exchange.final(base64.b64decode(first))).decode())
        if not exchange.check(base64.b64decode(last)):
            return 0, last
        return client.docmd('')


def test_submission(server, secret):
    for starttls in (False, True):
        where = 'with STARTTLS' if starttls else 'with implicit TLS'
        code, text = submit(server, 'SCRAM-SHA-256', Scram(ALICE, secret), starttls)
        check(f'submission {where}: SCRAM-SHA-256 logs in', code == 235, text)
        code, text = submit(server, 'SCRAM-SHA-256-PLUS', Scram(ALICE, secret), starttls, binds=True)
        check(f'submission {where}: SCRAM-SHA-256-PLUS logs in', code == 235, text)


def openssl(*words):
    out = subprocess.run(['openssl', *map(str, words)], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr


def make_authority(folder, name):
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', f'/CN={name}',
            '-keyout', folder / f'{name}.key', '-out', folder / f'{name}.pem')


def make_certificate(folder, name, address, authority):
    """(certificate, key) that `authority` signed for that mail address."""
    extensions = folder / f'{name}.ext'
    extensions.write_text(f'extendedKeyUsage=clientAuth\n' + (f'subjectAltName=email:{address}\n' if address else ''))
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', f'/CN={name}', '-keyout', folder / f'{name}.key',
            '-out', folder / f'{name}.csr')
    openssl('x509', '-req', '-in', folder / f'{name}.csr', '-CA', folder / f'{authority}.pem', '-CAkey', folder / f'{authority}.key',
            '-CAcreateserial', '-days', '1', '-extfile', extensions, '-out', folder / f'{name}.pem')
    return folder / f'{name}.pem', folder / f'{name}.key'


def external(server, certificate, authorization=b''):
    with imaps(server, certificate=certificate) as client:
        if 'EXTERNAL' not in mechanisms(client):
            return 'not offered'
        return authenticate(client, 'EXTERNAL', lambda _: authorization)


def test_external(server, folder):
    make_authority(folder, 'authority')
    make_authority(folder, 'stranger')
    alice = make_certificate(folder, 'alice', ALICE, 'authority')
    nobody = make_certificate(folder, 'nobody', 'nobody@example.test', 'authority')
    nameless = make_certificate(folder, 'nameless', '', 'authority')
    forged = make_certificate(folder, 'forged', ALICE, 'stranger')
    server.start()
    check('EXTERNAL is off unless asked for, certificate or not', external(server, alice) == 'not offered')
    server.stop()
    text = server.config.read_text()
    text = text.replace('private_key', f'client_authorities = "{folder}/authority.pem"\nprivate_key', 1)
    server.config.write_text(re.sub(r'(protocol = "(?:imaps|submissions?)")', r'\1\nclient_certificates = true', text))
    server.start()
    check('EXTERNAL: a certificate logs its mail address in by IMAP', external(server, alice) is True)
    check('EXTERNAL: naming itself as well', external(server, alice, ALICE.encode()) is True)
    check('EXTERNAL: but not as somebody else', 'Login failed' in str(external(server, alice, b'bob@example.test')))
    check('EXTERNAL: a certificate for nobody here is refused', 'Login failed' in str(external(server, nobody)))
    check('B5: EXTERNAL: a certificate without a mail address is no login', external(server, nameless) == 'not offered')
    check('EXTERNAL: a certificate of an authority that is not ours is no login', external(server, forged) == 'not offered')
    check('EXTERNAL: without a certificate it is not offered', external(server, None) == 'not offered')
    for starttls in (False, True):
        code, reply = submit(server, 'EXTERNAL', b'', starttls, certificate=alice)
        check(f'EXTERNAL: submission {"with STARTTLS" if starttls else "with implicit TLS"}', code == 235, reply)
    code, reply = submit(server, 'EXTERNAL', b'', certificate=forged)
    check('EXTERNAL: a forged certificate does not submit', code in (504, 535), reply)
    with imaps(server) as client:
        check('EXTERNAL: clients without a certificate log in as before', client.login(ALICE, PASSWORD)[0] == 'OK')
    out = server.run('account', 'disable', ALICE)
    check('EXTERNAL: a disabled account is refused', out.returncode == 0 and 'Login failed' in str(external(server, alice)), out.stderr)
    server.run('account', 'enable', ALICE)
    check('the log names the credential', server.logged('credential=external'))
    server.stop()


def handshake(server, protocol, offered):
    """What was agreed on (None: nothing), or the error."""
    try:
        if protocol in ('imaps', 'submissions'):
            with socket.create_connection(('127.0.0.1', server.port(protocol)), timeout=20) as plain:
                with unverified(protocols=offered).wrap_socket(plain) as secure:
                    return secure.selected_alpn_protocol()
        context = unverified(protocols=offered)
        if protocol == 'imap':
            client = imaplib.IMAP4('127.0.0.1', server.port(protocol))
            client.starttls(context)
        else:
            client = smtplib.SMTP('127.0.0.1', server.port(protocol), timeout=20)
            client.starttls(context=context)
        agreed = client.sock.selected_alpn_protocol()
        client.sock.close()
        return agreed
    except ssl.SSLError as error:
        return str(error)


def test_application_protocols(server):
    for protocol, name in {'imaps': 'imap', 'imap': 'imap', 'submissions': 'smtp', 'submission': 'smtp', 'smtp': 'smtp'}.items():
        check(f'ALPN: {protocol} takes clients that name no protocol', handshake(server, protocol, None) is None)
        check(f'ALPN: {protocol} agrees on {name}', handshake(server, protocol, ['http/1.1', name]) == name)
        seen = str(handshake(server, protocol, ['h2', 'http/1.1']))
        check(f'ALPN: {protocol} refuses a client of another protocol', 'no application protocol' in seen.lower() or 'NO_APPLICATION_PROTOCOL' in seen, seen)
    check('ALPN: imaps refuses one that names SMTP alone', 'application protocol' in str(handshake(server, 'imaps', ['smtp'])).lower().replace('_', ' '))


def open_sessions(server, password):
    """An IMAP session at rest, one in IDLE, one of submission at rest, and one that has said MAIL."""
    context = unverified()
    rest, idle = imaps(server), imaps(server)
    for client in (rest, idle):
        client.login('carol@example.test', password)
        client.select()
    idle.send(b'i IDLE\r\n')
    idle.readline()
    sending = [smtplib.SMTP_SSL('127.0.0.1', server.port('submissions'), timeout=20, context=context) for _ in range(2)]
    for client in sending:
        client.login('carol@example.test', password)
    sending[1].mail('carol@example.test')
    return rest, idle, *sending


def test_revocation(server):
    """What an open session logged in with is taken away: it ends, and cannot send on."""
    server.add_account('carol@example.test', PASSWORD)
    ways = [('disabled', ['account', 'disable'], None), ('given another password', ['account', 'password', '--password-stdin'], 'quite another password'),
            ('removed', ['account', 'remove'], None)]
    password = PASSWORD
    bob = imaps(server)
    bob.login('bob@example.test', PASSWORD)
    for what, words, given in ways:
        rest, idle, smtp, started = open_sessions(server, password)
        done = server.run(*words[:2], 'carol@example.test', *words[2:], stdin=given)
        check(f'an account with open sessions is {what}', done.returncode == 0, done.stderr)
        for name, client in (('at rest', rest), ('in IDLE', idle)):
            line = client.readline()
            check(f'{what}: the IMAP session {name} ends by BYE [EXPIRED]', line.startswith(b'* BYE [EXPIRED]'), line)
        line = smtp.file.readline() if smtp.file else smtp.getreply()
        check(f'{what}: the submission session ends by 421 4.7.0', b'421 4.7.0' in (line if isinstance(line, bytes) else b'%d ' % line[0] + line[1]), line)
        try:
            answer = started.rcpt('bob@example.test')
        except smtplib.SMTPServerDisconnected as gone:
            answer = (421, str(gone).encode())
        check(f'{what}: who has said MAIL gets no further', answer[0] == 421, answer)
        if what == 'disabled':
            server.run('account', 'enable', 'carol@example.test')
        password = given or password
    check('bob, to whom nothing happened, is served as before', bob.select()[0] == 'OK')
    check('the log says why', server.log().count('imap.login.revoked') == 6 and server.log().count('smtp.login.revoked') == 6)


with tempfile.TemporaryDirectory(dir=os.environ.get('KEYSTONEMAIL_TEST_DIR', '/var/tmp')) as scratch:
    with Server(program, LISTENERS) as server:
        server.add_account(ALICE, PASSWORD)
        server.add_account('bob@example.test', PASSWORD)
        server.add_account('olivia@example.test', PASSWORD)
        secret = server.run('account', 'app-password', 'add', ALICE, '--name', 'laptop').stdout.split()[-1]
        server.start()
        with imaps(server) as client:
            check('IMAP offers SCRAM with and without channel binding under TLS', {'SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS'} <= mechanisms(client))
        with imaplib.IMAP4('127.0.0.1', server.port('imap')) as client:
            check('and no mechanism at all without', mechanisms(client) == set() and 'LOGINDISABLED' in client.capabilities)
        test_scram(server, secret)
        test_own_password(server)
        test_imported_hashes(server)
        test_ways_of_typing(server, secret)
        test_salts(server)
        test_submission(server, secret)
        test_application_protocols(server)
        test_revocation(server)
        check('no password and no proof is in the log', secret not in server.log() and PASSWORD not in server.log() and ',p=' not in server.log())
        server.stop()
        test_external(server, pathlib.Path(scratch))
sys.exit(check.finish())
