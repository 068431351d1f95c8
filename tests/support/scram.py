# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""The client's side of SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677), written from the standard for tests of the server."""
import base64
import hashlib
import hmac
import os


def end_point_binding(tls_socket):
    """tls-server-end-point (RFC 5929 section 4.1) of a certificate signed with SHA-256."""
    return hashlib.sha256(tls_socket.getpeercert(binary_form=True)).digest()


class Scram:
    """first() -> final(server_first) -> check(server_final). `binding`: (name, octets) for -PLUS; `flag`: "n" or "y"."""

    def __init__(self, login, password, binding=None, flag='n'):
        self.login, self.password, self.binding = login, password, binding
        self.header = f'p={binding[0]},,' if binding else f'{flag},,'
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.salt = self.iterations = None

    def first(self):
        name = self.login.replace('=', '=3D').replace(',', '=2C')
        self.bare = f'n={name},r={self.nonce}'
        return (self.header + self.bare).encode()

    def final(self, server_first):
        text = server_first.decode()
        fields = dict(field.split('=', 1) for field in text.split(','))
        assert fields['r'].startswith(self.nonce) and len(fields['r']) > len(self.nonce), 'the nonce is not ours'
        self.salt, self.iterations = base64.b64decode(fields['s']), int(fields['i'])
        salted = hashlib.pbkdf2_hmac('sha256', self.password.encode(), self.salt, self.iterations)
        bound = base64.b64encode(self.header.encode() + (self.binding[1] if self.binding else b'')).decode()
        without_proof = f'c={bound},r={fields["r"]}'
        authentication = f'{self.bare},{text},{without_proof}'.encode()
        client_key = hmac.digest(salted, b'Client Key', 'sha256')
        signature = hmac.digest(hashlib.sha256(client_key).digest(), authentication, 'sha256')
        self.server_signature = hmac.digest(hmac.digest(salted, b'Server Key', 'sha256'), authentication, 'sha256')
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature))).decode()
        return f'{without_proof},p={proof}'.encode()

    def check(self, server_final):
        """Whether the server has shown that it knows the keys."""
        return server_final == b'v=' + base64.b64encode(self.server_signature)
