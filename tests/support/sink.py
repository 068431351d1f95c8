# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""A mail host on loopback that takes what is sent to it, or refuses it, and keeps it. Ends with the program."""
import re
import socketserver
import threading
import time


class Sink(socketserver.ThreadingTCPServer):
    """Takes all mail but that for `refused`, or none while it `is_away`; keeps (sender, recipients, octets) as it came."""
    daemon_threads = True
    refused = 'refused@sink.test'

    def __init__(self):
        self.messages, self.is_away = [], False
        sink = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self):
                say = lambda text: self.wfile.write(text.encode() + b'\r\n')  # noqa: E731
                say('220 sink.test')
                sender, recipients, data = '', [], None
                for line in self.rfile:
                    if data is not None:
                        if line == b'.\r\n':
                            sink.messages.append((sender, recipients, data))
                            data = None
                            say('250 taken by the sink')
                        else:
                            data += line
                        continue
                    if sink.is_away:
                        say('421 4.3.2 away')
                        return
                    address = re.search(rb'<(.*?)>', line)
                    verb = line[:4].upper()
                    if verb == b'MAIL':
                        sender, recipients = address[1].decode(), []
                    if verb == b'RCPT' and address[1].decode() == Sink.refused:
                        say('550 5.1.1 no such user')
                        continue
                    if verb == b'RCPT':
                        recipients.append(address[1].decode())
                    if verb == b'DATA':
                        data = b''
                    say('354 go on' if verb == b'DATA' else '250 ok')
                    if verb == b'QUIT':
                        return

        super().__init__(('127.0.0.1', 0), Session)
        self.place = f'127.0.0.1:{self.server_address[1]}'
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def to(self, recipient):
        """The first message for it, or None."""
        return next((message for message in list(self.messages) if recipient in message[1]), None)

    def wait(self, recipient, seconds=15):
        """The same, as soon as there is one."""
        wait_for(lambda: self.to(recipient), seconds)
        return self.to(recipient)

    @property
    def subjects(self):
        """The words of all subjects, in the order in which they came."""
        return [word for _, _, data in list(self.messages) for words in re.findall(rb'(?m)^Subject: (.*)\r$', data) for word in words.decode().split()]


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.05)
    return condition()
