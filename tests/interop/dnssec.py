#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""The resolver against Debian's Knot DNS with signed, unsigned and tampered zones. Argument: the program dns_tool."""
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from knot import KNOT_SERVER  # noqa: E402
from keystone import Checks  # noqa: E402

TOOL = sys.argv[1]
ZONE = '''$TTL 300
@ SOA ns admin 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
@ MX 10 mx
mx A 192.0.2.1
_25._tcp.mx TLSA 3 1 1 {}
alias CNAME mx
*.wild TXT "any"
'''.format('ab' * 32)
CONFIGURATION = KNOT_SERVER + '''policy:
  - id: quick
    algorithm: ecdsap256sha256
    nsec3: {nsec3}
zone:
  - domain: signed.example
    dnssec-signing: {signing}
    dnssec-policy: quick
  - domain: plain.example
'''
check = Checks()


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Knot:
    def __init__(self, directory, signing='on', nsec3='off'):
        self.directory, self.port = directory, free_port()
        self.configuration = directory / 'knot.conf'
        self.configuration.write_text(CONFIGURATION.format(directory=directory, port=self.port, signing=signing, nsec3=nsec3))
        self.process = subprocess.Popen(['knotd', '-c', self.configuration], stderr=subprocess.PIPE, text=True)
        self.server = f'127.0.0.1:{self.port}'
        for _ in range(100):
            if ask(self, '', 'signed.example', 'SOA').startswith('found'):
                return
            time.sleep(0.1)

    def control(self, *words):
        return subprocess.run(['knotc', '-c', self.configuration, '-b', *words], capture_output=True, text=True, timeout=30).stdout

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def anchor(self):
        records = subprocess.run(['keymgr', '-c', self.configuration, 'signed.example', 'ds'], capture_output=True, text=True, timeout=30).stdout
        found = re.search(r'^signed\.example\. DS (\d+ \d+ 2 [0-9A-Fa-f]+)$', records, re.M)
        return f'signed.example. IN DS {found[1]}' if found else ''


def ask(knot, anchor, name, kind):
    return subprocess.run([TOOL, knot.server, anchor, name, kind], capture_output=True, text=True, timeout=60).stdout.strip()


def judge(nsec3):
    kind = f'NSEC3 {nsec3}'
    with tempfile.TemporaryDirectory() as folder:
        directory = pathlib.Path(folder)
        for zone in ('signed', 'plain'):
            (directory / f'{zone}.example.zone').write_text(f'$ORIGIN {zone}.example.\n' + ZONE)
        knot = Knot(directory, nsec3=nsec3)
        try:
            anchor = knot.anchor()
            check(f'{kind}: Knot has signed the zone', anchor != '')
            answers = {(name, of): ask(knot, anchor, name, of) for name, of in (
                ('signed.example', 'MX'), ('_25._tcp.mx.signed.example', 'TLSA'), ('alias.signed.example', 'A'), ('a.wild.signed.example', 'TXT'),
                ('nowhere.signed.example', 'A'), ('mx.signed.example', 'MX'), ('mx.plain.example', 'A'))}
            check(f'{kind}: signed records are authenticated', answers['signed.example', 'MX'] == 'found authenticated 10 mx.signed.example.', answers)
            check(f'{kind}: so are TLSA records', answers['_25._tcp.mx.signed.example', 'TLSA'].startswith('found authenticated 3 1 1 abab'), answers)
            check(f'{kind}: and what an alias leads to', answers['alias.signed.example', 'A'] == 'found authenticated 192.0.2.1', answers)
            check(f'{kind}: and what a wildcard stands for', answers['a.wild.signed.example', 'TXT'] == 'found authenticated "any"', answers)
            check(f'{kind}: a denial of the name is authenticated', answers['nowhere.signed.example', 'A'] == 'no such name authenticated', answers)
            check(f'{kind}: a denial of the type is authenticated', answers['mx.signed.example', 'MX'] == 'no data authenticated', answers)
            check(f'{kind}: an unsigned zone is found, and not authenticated', answers['mx.plain.example', 'A'] == 'found 192.0.2.1', answers)
            check(f'{kind}: without an anchor nothing is authenticated', ask(knot, '', 'signed.example', 'MX') == 'found 10 mx.signed.example.')
            knot.control('zone-flush', 'signed.example')
        finally:
            knot.stop()
        path = directory / 'signed.example.zone'
        text = path.read_text()
        path.write_text(re.sub(r'192\.0\.2\.1$', '192.0.2.66', text, flags=re.M))
        check(f'{kind}: the zone was tampered with', path.read_text() != text and 'RRSIG' in text)
        knot = Knot(directory, signing='off', nsec3=nsec3)
        try:
            check(f'{kind}: a record that was changed is bogus', ask(knot, anchor, 'mx.signed.example', 'A') == 'bogus', ask(knot, anchor, 'mx.signed.example', 'A'))
            check(f'{kind}: what was not changed still holds', ask(knot, anchor, 'signed.example', 'MX').startswith('found authenticated'))
        finally:
            knot.stop()


judge('off')
judge('on')
sys.exit(check.finish())
