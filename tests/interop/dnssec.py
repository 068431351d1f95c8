#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""The resolver against Debian's Knot DNS with signed, unsigned and tampered zones. Argument: the program dns_tool."""
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks  # noqa: E402
from knot import Knot  # noqa: E402

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
ZONES = ('signed.example', 'plain.example')
check = Checks()


def ask(knot, anchor, name, kind):
    return subprocess.run([TOOL, knot.address, anchor, name, kind], capture_output=True, text=True, timeout=60).stdout.strip()


def judge(nsec3):
    kind = f'NSEC3 {nsec3}'
    with tempfile.TemporaryDirectory() as folder:
        directory = pathlib.Path(folder)
        for zone in ('signed', 'plain'):
            (directory / f'{zone}.example.zone').write_text(f'$ORIGIN {zone}.example.\n' + ZONE)
        knot = Knot(directory, ZONES, ZONES[:1], nsec3)
        try:
            anchor = knot.anchor(ZONES[0])
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
        knot = Knot(directory, ZONES)
        try:
            check(f'{kind}: a record that was changed is bogus', ask(knot, anchor, 'mx.signed.example', 'A') == 'bogus', ask(knot, anchor, 'mx.signed.example', 'A'))
            check(f'{kind}: what was not changed still holds', ask(knot, anchor, 'signed.example', 'MX').startswith('found authenticated'))
        finally:
            knot.stop()


judge('off')
judge('on')
sys.exit(check.finish())
