#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""A filter on libmilter (Debian's python3-milter) that does what the subject asks for, and writes down what it was told.

    libmilter_filter.py SOCKET LOG
"""
import sys

import Milter

LOG = open(sys.argv[2], 'a', buffering=1)


@Milter.rejected_recipients
class Filter(Milter.Base):
    def __init__(self):
        self.id = Milter.uniqueID()

    def note(self, *words):
        LOG.write(' '.join(map(str, words)) + '\n')

    def connect(self, hostname, family, address):
        self.note('connect', self.id, hostname, address, self.getsymval('j'), self.getsymval('{client_addr}'))
        return Milter.CONTINUE

    def unknown(self, line):
        self.note('unknown', line)
        if 'MAGIC' not in line:
            return Milter.CONTINUE
        self.setreply('502', '5.5.1', 'no magic here')
        return Milter.REJECT

    def hello(self, name):
        self.note('helo', name)
        return Milter.CONTINUE

    def envfrom(self, sender, *parameters):
        self.subject, self.count, self.octets, self.recipients = '', 0, 0, []
        self.note('from', sender, *parameters, 'auth', self.getsymval('{auth_authen}'))
        return Milter.REJECT if 'refused@' in sender else Milter.CONTINUE

    def envrcpt(self, recipient, *parameters):
        if self.getsymval('{rcpt_mailer}') == 'error':
            self.note('refused', recipient, self.getsymval('{rcpt_host}'), self.getsymval('{rcpt_addr}'))
            return Milter.CONTINUE
        self.note('rcpt', recipient)
        self.recipients.append(recipient)
        if 'refused@' not in recipient:
            return Milter.CONTINUE
        self.setreply('550', '5.7.1', 'not this one')
        return Milter.REJECT

    @Milter.noreply
    def header(self, name, value):
        self.count += 1
        self.note('header', name, repr(value))
        if name == 'Subject':
            self.subject = value.strip()
        return Milter.CONTINUE

    @Milter.noreply
    def eoh(self):
        return Milter.CONTINUE

    def body(self, chunk):
        self.octets += len(chunk)
        return Milter.REJECT if self.subject == 'reject at body' else Milter.CONTINUE

    def eom(self):
        self.note('eom', self.subject, self.octets, 'headers', self.count, 'id', self.getsymval('i'))
        if self.subject == 'reject':
            self.setreply('554', '5.7.9', 'two', 'lines')
            return Milter.REJECT
        if self.subject == 'tempfail':
            return Milter.TEMPFAIL
        if self.subject == 'discard':
            return Milter.DISCARD
        if self.subject == 'quarantine':
            self.quarantine('odd')
        if self.subject == 'edit':
            self.addheader('X-Added', 'one\n\ttwo')
            self.chgheader('X-Old', 2, 'changed')
            self.chgheader('X-Old', 1, '')
            self.addheader('X-Inserted', 'top', 0)
            self.chgheader('Subject', 1, 'edited')
            self.replacebody('a new\nbody\n')
        if self.subject == 'recipients':
            for recipient in self.recipients:
                self.delrcpt(recipient)
            self.addrcpt('<alice@example.test>')
            self.chgfrom('<changed@example.test>')
        if self.subject == 'parameters':
            self.chgfrom('<changed@example.test>', 'ENVID=QQ314159 RET=HDRS')
            self.addrcpt('<far@elsewhere.test>', 'NOTIFY=NEVER')
        if self.subject == 'large':
            for _ in range(800):
                self.replacebody(b'y' * 65533 + b'\r\n')
        if self.subject == 'slow':
            for _ in range(3):
                self.progress()
        return Milter.ACCEPT

    def close(self):
        self.note('close', self.id)
        return Milter.CONTINUE

    def abort(self):
        self.note('abort')
        return Milter.CONTINUE


Milter.factory = Filter
Milter.set_flags(Milter.ADDHDRS | Milter.CHGHDRS | Milter.CHGBODY | Milter.ADDRCPT | Milter.ADDRCPT_PAR | Milter.DELRCPT | Milter.CHGFROM | Milter.QUARANTINE)
Milter.runmilter('keystone-test', sys.argv[1], 30)
