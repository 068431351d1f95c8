#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Several certificates: which one a client sees, by the name that it asks for; what check and reload say of them. Argument: keystone-mail."""
import imaplib
import json
import pathlib
import signal
import smtplib
import socket
import ssl
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402
from sink import wait_for  # noqa: E402

check = Checks()
PASSWORD = 'a long enough password'
LISTENERS = [('smtp', 'starttls', False), ('imap', 'starttls', False), ('imaps', 'implicit', False), ('https', 'implicit', False)]


def make_certificate(path, names, days=30, kind='ec'):
    """(chain, key) at `path`; which replaces what is there."""
    how = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] if kind == 'ec' else ['-newkey', 'rsa:2048']
    alternative = ['-addext', 'subjectAltName=' + ','.join(f'DNS:{name}' for name in names)] if names else []
    out = subprocess.run(['openssl', 'req', '-x509', *how, '-nodes', '-days', str(days), '-subj', '/CN=' + path.name, *alternative,
                          '-keyout', str(path) + '.key', '-out', str(path) + '.pem'], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    return f'{path}.pem', f'{path}.key'


def der(path):
    return ssl.PEM_cert_to_DER_cert(pathlib.Path(path).read_text())


def unverified():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def seen(server, protocol, name, context=None):
    """The certificate that a client sees which asks for `name`."""
    context = context or unverified()
    if protocol in ('imaps', 'https'):
        with socket.create_connection(('127.0.0.1', server.port(protocol)), timeout=20) as plain:
            with context.wrap_socket(plain, server_hostname=name) as secure:
                return secure.getpeercert(binary_form=True)
    client = imaplib.IMAP4('127.0.0.1', server.port(protocol)) if protocol == 'imap' else smtplib.SMTP('127.0.0.1', server.port(protocol), timeout=20)
    if protocol == 'imap':
        client.xatom('STARTTLS')
    else:
        client.ehlo()
        client.docmd('STARTTLS')
    with context.wrap_socket(client.sock, server_hostname=name) as secure:
        return secure.getpeercert(binary_form=True)


def section(chain, key):
    return f'\n[[certificate]]\nchain = "{chain}"\nprivate_key = "{key}"\n'


with Server(sys.argv[1], listeners=LISTENERS) as server:
    folder = server.folder
    server.add_account('alice@example.test', PASSWORD)
    first = folder / 'data/tls/certificate.pem'
    net = make_certificate(folder / 'net', ['mail.example.net', 'mta-sts.example.net'])
    wild = make_certificate(folder / 'wild', ['*.example.com'])
    plain = server.config.read_text()
    server.config.write_text(plain + section(*net) + section(*wild))
    out = server.run('check', '--json')
    check('check finds several certificates good', out.returncode == 0 and json.loads(out.stdout)['warnings'] == [], out)
    server.start()
    shown = {'mail.example.test': first, 'mail.example.net': net[0], 'MTA-STS.Example.NET': net[0], 'imap.example.com': wild[0],
             'a.imap.example.com': first, 'example.com': first, 'nobody.example.org': first, None: first}
    for protocol, *_ in LISTENERS:
        for name, expected in shown.items():
            check(f'SNI: {protocol} shows who asks for {name or "nothing"} {pathlib.Path(expected).name}', seen(server, protocol, name) == der(expected))
    verifying = ssl.create_default_context(cafile=net[0])
    check('SNI: a client that verifies is content with mail.example.net', seen(server, 'imaps', 'mail.example.net', verifying) == der(net[0]))
    refused = ''
    try:
        seen(server, 'imaps', 'mail.example.test', verifying)
    except ssl.SSLError as error:
        refused = str(error)
    check('and not with a name that has another', 'CERTIFICATE_VERIFY_FAILED' in refused, refused)

    # An RSA and an ECDSA certificate for one name.
    rsa = make_certificate(folder / 'rsa', ['mail.example.net'], kind='rsa')
    server.config.write_text(plain + section(*net) + section(*wild) + section(*rsa))
    check('reload takes another', server.run('reload').returncode == 0)
    out = subprocess.run(['openssl', 's_client', '-connect', f'127.0.0.1:{server.port("imaps")}', '-servername', 'mail.example.net', '-tls1_2',
                          '-sigalgs', 'RSA+SHA256:RSA-PSS+SHA256'], input='', capture_output=True, text=True, timeout=30)
    check('a client that knows RSA alone sees the RSA one of that name', 'CN = rsa' in out.stdout, out.stdout[-1500:] + out.stderr[-500:])
    check('others see the ECDSA one', seen(server, 'imaps', 'mail.example.net') == der(net[0]))

    # Renewal.
    client = imaplib.IMAP4_SSL('127.0.0.1', server.port('imaps'), ssl_context=unverified())
    client.login('alice@example.test', PASSWORD)
    old = der(net[0])
    make_certificate(folder / 'net', ['mail.example.net', 'mta-sts.example.net'])
    check('a renewed file is shown after the reload alone', seen(server, 'imaps', 'mail.example.net') == old)
    server.process.send_signal(signal.SIGHUP)
    check('SIGHUP takes it', wait_for(lambda: seen(server, 'imaps', 'mail.example.net') == der(net[0])), server.log())
    check('and drops nobody', client.noop()[0] == 'OK')
    client.logout()

    # What is wrong with one is said with its name, and changes nothing.
    def refuses(claim, said, *sections):
        server.config.write_text(plain + ''.join(sections))
        found = server.run('check')
        check(f'check: {claim}', found.returncode == 1 and all(word in found.stderr for word in said), found)
        again = server.run('reload')
        check(f'reload: {claim}', again.returncode == 1 and all(word in again.stderr for word in said), again)
        check('and the others go on', seen(server, 'imaps', 'mail.example.net') == der(net[0]))

    refuses('a key of another certificate', [net[0], wild[1]], section(net[0], wild[1]), section(*wild))
    refuses('a file that is not there', [str(folder / 'gone.pem')], section(*net), section(folder / 'gone.pem', wild[1]))
    broken = folder / 'broken.pem'
    broken.write_text('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
    refuses('a file that is no certificate', [str(broken)], section(broken, wild[1]))
    authorities = plain.replace('[tls]\n', f'[tls]\nclient_authorities = "{broken}"\n', 1)
    server.config.write_text(authorities.replace('protocol = "imaps"\n', 'protocol = "imaps"\nclient_certificates = true\n', 1))
    found = server.run('check')
    check('check: authorities that are none', found.returncode == 1 and str(broken) in found.stderr, found)

    # What check sees besides.
    late = folder / 'late'
    out = subprocess.run(['openssl', 'x509', '-in', net[0], '-signkey', net[1], '-days', '-1', '-out', f'{late}.pem'], capture_output=True, text=True)
    server.config.write_text(plain + section(f'{late}.pem', net[1]))
    found = server.run('check')
    check('check: one that has expired is named', found.returncode == 1 and f'{late}.pem has expired' in found.stderr, (out, found))
    nameless = make_certificate(folder / 'nameless', [], days=5)
    server.config.write_text(plain + section(*nameless))
    found = server.run('check')
    check('check warns of one that names no host, and of one that ends soon', found.returncode == 0 and 'names no host' in found.stderr and
          'expires within two weeks' in found.stderr, found)
    server.config.write_text(plain.replace('hostname = "mail.example.test"', 'hostname = "mx.example.org"'))
    found = server.run('check')
    check('check warns when none has the host\'s name', found.returncode == 0 and 'no certificate names mx.example.org' in found.stderr, found)

    # TLSA is of the one that servers see which ask for the host's name.
    server.config.write_text(plain.replace('hostname = "mail.example.test"', 'hostname = "mail.example.net"') + section(*net))
    key = subprocess.run(f'openssl x509 -in {net[0]} -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum', shell=True, capture_output=True, text=True)
    out = server.run('dns', '--address', '192.0.2.1')
    check('dns: the TLSA record is of the certificate with the host\'s name', key.stdout.split()[0] in out.stdout.lower(), out)
sys.exit(check.finish())
