# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Messages that tests send, and look for where they should arrive."""
import imaplib
import re
import smtplib


class Account:
    """Who submits to a server of ours and reads there, by plain text."""

    def __init__(self, server, login, password):
        self.server, self.login, self.password = server, login, password

    def submit(self, recipients, text, **options):
        with smtplib.SMTP('127.0.0.1', self.server.port('submission'), timeout=60) as client:
            client.login(self.login, self.password)
            return client.sendmail(self.login, recipients, text, **options)

    def messages(self):
        with imaplib.IMAP4('127.0.0.1', self.server.port('imap')) as client:
            client.login(self.login, self.password)
            client.select('INBOX', readonly=True)
            numbers = client.search(None, 'ALL')[1][0].split()
            return [client.fetch(number.decode(), '(BODY.PEEK[])')[1][0][1] for number in numbers]


def letter(subject, body=b'Hello.\r\n', sender='alice@example.test', extra=''):
    return f'From: <{sender}>\r\nSubject: {subject}\r\n{extra}\r\n'.encode() + body


def header_of(message):
    return re.split(rb'\r?\n\r?\n', message, maxsplit=1)[0]


def with_subject(messages, subject):
    return [m for m in messages if f'Subject: {subject}'.encode() in header_of(m).splitlines()]
