# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""A DNS server on loopback for the tests of the program: UDP and TCP, answers from a dict, misbehaves on demand."""
import socket
import socketserver
import struct
import threading

TYPES = {'A': 1, 'NS': 2, 'CNAME': 5, 'SOA': 6, 'PTR': 12, 'MX': 15, 'TXT': 16, 'AAAA': 28, 'SRV': 33, 'TLSA': 52, 'CAA': 257}
REPLY, TRUNCATED = 0x8580, 0x0200
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


def name_octets(name):
    return b''.join(bytes([len(label)]) + label.encode() for label in name.rstrip('.').split('.') if label) + b'\0'


def data_octets(kind, value):
    if kind == 'A':
        return socket.inet_aton(value)
    if kind == 'AAAA':
        return socket.inet_pton(socket.AF_INET6, value)
    if kind in ('CNAME', 'PTR', 'NS'):
        return name_octets(value)
    if kind == 'MX':
        preference, exchange = value
        return struct.pack('>H', preference) + name_octets(exchange)
    if kind == 'TXT':
        octets = value.encode() if isinstance(value, str) else value
        pieces = [octets[at:at + 255] for at in range(0, len(octets), 255)] or [b'']
        return b''.join(bytes([len(piece)]) + piece for piece in pieces)
    if kind == 'TLSA':
        usage, selector, matching, data = value
        return bytes([usage, selector, matching]) + data
    raise ValueError(kind)


class NameServer:
    """records: {('example.com', 'TXT'): ['v=spf1 -all']}; faults: {'name': SERVFAIL, or None for silence}."""

    def __init__(self, records, faults=None):
        self.records = {(name.lower().rstrip('.'), kind): values for (name, kind), values in records.items()}
        self.faults = {name.lower(): fault for name, fault in (faults or {}).items()}
        self.asked = []
        answer = self.answer

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self):
                octets, channel = self.request
                reply = answer(octets)
                if reply and len(reply) > 1232:
                    reply = reply[:2] + struct.pack('>H', REPLY | TRUNCATED) + reply[4:6] + bytes(6) + question_of(octets)
                if reply:
                    channel.sendto(reply, self.client_address)

        class Stream(socketserver.StreamRequestHandler):
            def handle(self):
                while len(size := self.rfile.read(2)) == 2:
                    reply = answer(self.rfile.read(struct.unpack('>H', size)[0]))
                    if reply is None:
                        return
                    self.wfile.write(struct.pack('>H', len(reply)) + reply)

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        for attempt in range(100):  # until a port is free for both
            self.udp = socketserver.ThreadingUDPServer(('127.0.0.1', 0), Datagram)
            self.port = self.udp.server_address[1]
            try:
                self.tcp = socketserver.ThreadingTCPServer(('127.0.0.1', self.port), Stream)
                break
            except OSError:
                self.udp.server_close()
                if attempt == 99:
                    raise
        for server in (self.udp, self.tcp):
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f'127.0.0.1:{self.port}'

    def close(self):
        for server in (self.udp, self.tcp):
            server.shutdown()
            server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def answer(self, octets):
        question = question_of(octets)
        labels, at = [], 0
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode('latin-1'))
            at += 1 + question[at]
        name, number = '.'.join(labels).lower(), struct.unpack('>H', question[at + 1:at + 3])[0]
        kind = next((word for word, value in TYPES.items() if value == number), str(number))
        self.asked.append((name, kind))
        code, found = NOERROR, b''
        if name in self.faults:
            if self.faults[name] is None:
                return None
            return self.reply(octets, question, self.faults[name], 0, b'')
        count, owner = 0, name
        for _ in range(10):
            alias = self.records.get((owner, 'CNAME'))
            if not alias or kind == 'CNAME':
                break
            found += self.record(owner, 'CNAME', alias[0])
            owner, count = alias[0].lower().rstrip('.'), count + 1
        for value in self.records.get((owner, kind), []):
            found += self.record(owner, kind, value)
            count += 1
        exists = any(other == owner or other.endswith('.' + owner) for other, _ in self.records)
        code = NOERROR if exists else NXDOMAIN
        return self.reply(octets, question, code, count, found)

    @staticmethod
    def record(owner, kind, value):
        data = data_octets(kind, value)
        return name_octets(owner) + struct.pack('>HHIH', TYPES[kind], 1, 300, len(data)) + data

    @staticmethod
    def reply(octets, question, code, count, found):
        return octets[:2] + struct.pack('>HHHHH', REPLY | code, 1, count, 0, 0) + question + found


def question_of(octets):
    at = 12
    while octets[at]:
        at += 1 + octets[at]
    return octets[12:at + 5]
