#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""The same policies judged by us and by Debian's python3-spf. Arguments: the program spf_tool, and how many (default 400).

Policies are drawn from a seed: good and bad terms, macros, includes, redirects, failing names. A disagreement fails the test
unless explained() names the section of RFC 7208 that speaks for us. Run by Debian's own python3, whose module it is.
"""
import pathlib
import random
import subprocess
import sys
import tempfile

import spf

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks  # noqa: E402

CLIENTS = ['192.0.2.1', '192.0.2.2', '192.0.2.65', '192.0.2.129', '203.0.113.7', '2001:db8::1', '2001:db8::2', '2001:db8:1::9']
LOCALS = ['alice', 'bob', 'strong-bad', 'a+b', 'x.y.z']

# What both look names up in: lines of a zone file, all names absolute.
COMMON = [
    ('host1.common.example', 'A', '192.0.2.1'), ('host1.common.example', 'AAAA', '2001:db8::1'),
    ('host2.common.example', 'A', '192.0.2.2'), ('host2.common.example', 'AAAA', '2001:db8::2'),
    ('far.common.example', 'A', '203.0.113.99'), ('far.common.example', 'AAAA', '2001:db8:ffff::1'),
    ('alias.common.example', 'CNAME', 'host1.common.example.'),
    ('mail.common.example', 'MX', '10 host1.common.example.'), ('mail.common.example', 'MX', '20 host2.common.example.'),
    ('farmail.common.example', 'MX', '10 far.common.example.'),
    ('failing.common.example', 'MX', '10 servfail.common.example.'),
    ('pass.common.example', 'TXT', '"v=spf1 +all"'), ('fail.common.example', 'TXT', '"v=spf1 -all"'),
    ('soft.common.example', 'TXT', '"v=spf1 ip4:192.0.2.0/25 ip6:2001:db8::/64 ~all"'),
    ('broken.common.example', 'TXT', '"v=spf1 moo -all"'), ('neutral.common.example', 'TXT', '"v=spf1 ?all"'),
    ('two.common.example', 'TXT', '"v=spf1 -all"'), ('two.common.example', 'TXT', '"v=spf1 +all"'),
    ('nospf.common.example', 'TXT', '"hello"'),
    ('chain.common.example', 'TXT', '"v=spf1 include:soft.common.example redirect=fail.common.example"'),
    ('why.common.example', 'TXT', '"%{i} is not for %{d}"'),
    ('1.2.0.192.in-addr.arpa', 'PTR', 'host1.common.example.'), ('2.2.0.192.in-addr.arpa', 'PTR', 'far.common.example.'),
    ('7.113.0.203.in-addr.arpa', 'PTR', 'servfail.common.example.'),
    ('alice.users.common.example', 'A', '127.0.0.2'), ('strong.users.common.example', 'A', '127.0.0.2'),
    ('1.2.0.192.in-addr.clients.common.example', 'A', '127.0.0.2'),
]

TERMS = ['a:host1.common.example', 'a:host2.common.example', 'a:far.common.example', 'a:alias.common.example', 'a:far.common.example/24',
         'a:host1.common.example/25//64', 'mx:mail.common.example', 'mx:farmail.common.example', 'mx:mail.common.example/30',
         'ip4:192.0.2.1', 'ip4:192.0.2.0/24', 'ip4:192.0.2.128/25', 'ip4:203.0.113.0/29', 'ip4:0.0.0.0/0', 'ip6:2001:db8::/64', 'ip6:2001:db8::1',
         'ip6:::/0', 'ip6:2001:db8::/33', 'ptr', 'ptr:common.example', 'ptr:host1.common.example', 'include:pass.common.example',
         'include:fail.common.example', 'include:soft.common.example', 'include:neutral.common.example', 'include:chain.common.example',
         'exists:%{l}.users.common.example', 'exists:%{l1r-}.users.common.example', 'exists:%{ir}.%{v}.clients.common.example',
         'exists:%{l1r+}.users.%{d2}', 'a:%{h}', 'A:HOST1.common.EXAMPLE', 'MX:mail.common.example', 'all']
TROUBLE = ['moo', 'a:', 'ip4:1.2.3', 'ip4:192.0.2.1/33', 'ip4:192.0.2.0/024', 'ip6:1.2.3.4', 'ip6:::1/129', 'all:x', 'include', 'include:',
           'a:localhost', 'mx:foo/129', 'exists', 'exists:%(i).example', 'exists:%{x}.example', 'exists:%{d0}.example', 'ptr:', 'a:1.2.3.4',
           'include:broken.common.example', 'include:two.common.example', 'include:nospf.common.example', 'include:nowhere.common.example',
           'a:servfail.common.example', 'include:servfail.common.example', 'mx:failing.common.example', 'exists:servfail.common.example',
           'a:nowhere.common.example', 'mx:nowhere.common.example', 'exists:%{c}.example', 'ip4:::1', 'a//129', 'a:b.example/']
MODIFIERS = ['exp=why.common.example', 'redirect=fail.common.example', 'redirect=pass.common.example', 'redirect=nospf.common.example', 'x-y=%{i}',
             'redirect=soft.common.example', 'redirect=broken.common.example', 'exp=nowhere.common.example']


def policy(draw):
    terms = [draw.choice(['', '+', '-', '~', '?']) + draw.choice(TERMS[:-1]) for _ in range(draw.randrange(0, 5))]
    if draw.random() < 0.35:
        terms.insert(draw.randrange(len(terms) + 1), draw.choice(TROUBLE))
    if draw.random() < 0.3:
        terms.insert(draw.randrange(len(terms) + 1), draw.choice(MODIFIERS))
    if draw.random() < 0.08:
        terms += ['a:far.common.example'] * draw.randrange(7, 13)
    if draw.random() < 0.7:
        terms.append(draw.choice('+-~?') + 'all')
    return draw.choice(['v=spf1 ', 'v=spf1  ', 'V=SPF1 ']) + ' '.join(terms)


class Names:
    """A zone for python3-spf, in the form its own lookups have."""
    def __init__(self, records):
        self.records = {}
        for name, kind, data in records:
            self.records.setdefault((name.lower(), kind), []).append(data)

    def __call__(self, name, kind, strict=True, timeout=20):
        name = name.lower().rstrip('.')
        for _ in range(10):
            if name.startswith('servfail'):
                raise spf.TempError('DNS server failure')
            alias = self.records.get((name, 'CNAME'))
            if not alias:
                break
            yield (name, 'CNAME'), alias[0].rstrip('.')
            name = alias[0].rstrip('.')
        for data in self.records.get((name, kind), []):
            if kind == 'MX':
                preference, exchange = data.split()
                yield (name, kind), (int(preference), exchange.rstrip('.'))
            elif kind == 'TXT':
                yield (name, kind), [piece.encode() for piece in data.strip('"').split('" "')]
            else:
                yield (name, kind), data.rstrip('.')


def explained(record, client, theirs, ours):
    """Why python3-spf may say something else here."""
    if '%{d0}' in record and ours == 'permerror':
        return 'section 7.3: the number of parts must not be zero'
    if theirs == 'permerror' and 'redirect=' in record and 'all' in record.split()[-1] and record.count('far.common') >= 7:
        return 'section 5.1: a redirect beside all is ignored, and so is no lookup'
    if theirs == 'temperror' and 'ptr' in record and client == '203.0.113.7':
        return 'section 5.5: a name of the client that cannot be looked up is skipped'
    return None


def main():
    program, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 400
    draw = random.Random(7208)
    cases, records = [], list(COMMON)
    for i in range(count):
        domain, record = f'd{i}.policy.example', policy(draw)
        records.append((domain, 'TXT', ' '.join(f'"{record[at:at + 250]}"' for at in range(0, len(record), 250))))
        cases.append((record, draw.choice(CLIENTS), draw.choice(['host1.common.example', 'mx.policy.example']), f'{draw.choice(LOCALS)}@{domain}'))
    with tempfile.NamedTemporaryFile('w', suffix='.zone') as zone:
        zone.write(''.join(f'{name}. 60 IN {kind} {data}\n' for name, kind, data in records))
        zone.flush()
        asked = ''.join(f'{client}\t{helo}\t{sender}\n' for _, client, helo, sender in cases)
        answers = subprocess.run([program, zone.name], input=asked, text=True, capture_output=True, check=True).stdout.splitlines()
    spf.DNSLookup = Names(records)
    check, reasons, spread = Checks(), {}, {}
    for (record, client, helo, sender), answer in zip(cases, answers):
        ours = answer.split('\t')[0]
        query = spf.query(i=client, s=sender, h=helo, receiver='unknown', timeout=20, querytime=0)
        theirs, _, their_words = query.check()
        spread[ours] = spread.get(ours, 0) + 1
        reason = None if ours == theirs else explained(record, client, theirs, ours)
        if reason:
            reasons[reason] = reasons.get(reason, 0) + 1
        check(f'{record!r} from {client} for {sender}: {ours}', ours == theirs or reason, f'python3-spf says {theirs}: {their_words}')
        words = answer.split('\t')[1]
        if ours == theirs == 'fail' and words:
            check(f'the same explanation: {words}', words == their_words, their_words)
    print('outcomes:', ', '.join(f'{word} {number}' for word, number in sorted(spread.items())))
    for reason, number in reasons.items():
        print(f'explained {number}: {reason}')
    check('the policies reach nearly every outcome', len(spread) >= 6)
    return check.finish()


if __name__ == '__main__':
    sys.exit(main())
