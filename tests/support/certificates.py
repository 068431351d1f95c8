# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Certificates for tests, by the openssl program."""
import hashlib
import subprocess

CURVE = ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes')


def openssl(*words, stdin=None):
    return subprocess.run(['openssl', *map(str, words)], input=stdin, capture_output=True, check=True, timeout=60).stdout


class Authority:
    """What it makes is in `folder`, as (chain, key), a PEM file each."""

    def __init__(self, folder):
        self.folder, self.certificate = folder, folder / 'ca.pem'
        openssl('req', '-x509', *CURVE, '-days', '30', '-subj', '/CN=Test CA', '-addext', 'basicConstraints=critical,CA:TRUE',
                '-keyout', folder / 'ca.key', '-out', self.certificate)

    def certify(self, name, names):
        """A certificate by the authority, and its own behind it (RFC 7672 §3.1.2 wants that one sent)."""
        key, chain, request, wanted = (self.folder / f'{name}.{end}' for end in ('key', 'pem', 'csr', 'ext'))
        wanted.write_text('subjectAltName=' + ','.join(f'DNS:{one}' for one in names) + '\n')
        openssl('req', '-new', *CURVE, '-subj', '/CN=Test', '-keyout', key, '-out', request)
        openssl('x509', '-req', '-in', request, '-CA', self.certificate, '-CAkey', self.folder / 'ca.key', '-CAcreateserial', '-days', '30',
                '-extfile', wanted, '-out', chain)
        chain.write_bytes(chain.read_bytes() + self.certificate.read_bytes())
        return chain, key

    def self_signed(self, name, host):
        key, chain = self.folder / f'{name}.key', self.folder / f'{name}.pem'
        openssl('req', '-x509', *CURVE, '-days', '30', '-subj', f'/CN={host}', '-keyout', key, '-out', chain)
        return chain, key


def key_digest(chain):
    """What TLSA 3 1 1 says of the first certificate."""
    public = openssl('x509', '-in', chain, '-pubkey', '-noout')
    return hashlib.sha256(openssl('pkey', '-pubin', '-outform', 'DER', stdin=public)).hexdigest()


def certificate_digest(chain):
    """What TLSA 2 0 1 says of an authority's."""
    return hashlib.sha256(openssl('x509', '-in', chain, '-outform', 'DER')).hexdigest()
