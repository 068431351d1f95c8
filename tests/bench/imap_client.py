# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""An IMAP client that does as little as can be, so that what is measured is the server."""
import socket
import ssl


def any_certificate():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Imap:
    tls = any_certificate()      # one for all: making it costs more than a handshake
    buffer = bytearray(1 << 20)  # what drain() lets go by; one thread at a time

    def __init__(self, port, login=None, password=None, tls=False):
        self.socket = socket.create_connection(('127.0.0.1', port), timeout=300)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = Imap.tls.wrap_socket(self.socket)
        self.number = 0
        self.banner = self.read_until(lambda text: text.endswith(b'\r\n'))
        if login:
            self.command(f'LOGIN {login} {password}')

    def read_until(self, over):
        """All octets until `over` says of the last of them that this was it."""
        chunks, tail = [], b''
        while not over(tail):
            chunk = self.socket.recv(1 << 20)
            if not chunk:
                raise EOFError('the server closed: ' + repr(tail[-200:]))
            chunks.append(chunk)
            tail = (tail + chunk)[-8192:]
        return b''.join(chunks)

    def send(self, text):
        self.number += 1
        tag = f'a{self.number}'.encode()
        self.socket.sendall(tag + b' ' + (text if isinstance(text, bytes) else text.encode()) + b'\r\n')
        return tag

    def finish(self, tag):
        def over(text):
            last = text.rfind(b'\r\n', 0, len(text) - 2)
            return text.endswith(b'\r\n') and text[last + 2 if last >= 0 else 0:].startswith(tag + b' ')
        out = self.read_until(over)
        last = out[out.rfind(b'\r\n', 0, len(out) - 2) + 2 if b'\r\n' in out[:-2] else 0:]
        if not last.startswith(tag + b' OK'):
            raise RuntimeError(repr(last[:300]))
        return out

    def drain(self, text):
        """A command whose answer is only let go by, as gathering it would cost more than serving it: its octets."""
        tag = self.send(text)
        octets, tail, buffer = 0, b'', Imap.buffer
        while True:
            got = self.socket.recv_into(buffer)
            if got == 0:
                raise EOFError('the server closed: ' + repr(tail))
            octets += got
            tail = (tail + buffer[max(got - 256, 0):got])[-256:]
            last = tail[tail.rfind(b'\r\n', 0, len(tail) - 2) + 2 if b'\r\n' in tail[:-2] else 0:]
            if tail.endswith(b'\r\n') and last.startswith(tag + b' '):
                if not last.startswith(tag + b' OK'):
                    raise RuntimeError(repr(last))
                return octets

    def command(self, text):
        return self.finish(self.send(text))

    def append(self, messages, mailbox='INBOX', flags=''):
        """One APPEND; several messages when the server has MULTIAPPEND."""
        parts = b''.join(b' ' + flags.encode() + b'{%d+}\r\n' % len(m) + m for m in messages)
        return self.command(b'APPEND ' + mailbox.encode() + parts)

    def close(self):
        self.socket.close()
