#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""The same messages judged by us and by Debian's libopendmarc. Arguments: the program dmarc_tool, and how many (default 600).

Records, authors and what passed SPF and DKIM are drawn from a seed. The library judges only: it makes no messages, so there is no
other direction. A disagreement fails the test unless explained() says whose rule it is.
"""
import collections
import ctypes
import ctypes.util
import pathlib
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks  # noqa: E402

SUFFIXES = '/usr/share/publicsuffix/public_suffix_list.dat'
PARSED, TEMPORARY, ABSENT, PASS, REJECT, QUARANTINE, NONE = 0, 11, 14, 15, 16, 17, 18
WORDS = {ABSENT: 'none', PASS: 'pass', REJECT: 'fail reject', QUARANTINE: 'fail quarantine', NONE: 'fail none'}
IP4, OUTCOME_PASS, OUTCOME_FAIL, FROM_MAIL = 4, 1, 2, 0


class Library:
    """libopendmarc, which finds records in a table of its own rather than in the DNS."""

    class Setup(ctypes.Structure):
        _fields_ = [('kind', ctypes.c_int), ('file', ctypes.c_char * 4096), ('servers', ctypes.c_int), ('addresses', ctypes.c_char * 48)]

    def __init__(self):
        self.calls = ctypes.CDLL('libopendmarc.so.2')
        self.calls.opendmarc_policy_connect_init.restype = ctypes.c_void_p
        self.setup = self.Setup(1, SUFFIXES.encode(), 0, b'')  # kept: the library remembers it
        assert self.calls.opendmarc_policy_library_init(ctypes.byref(self.setup)) == PARSED

    def judge(self, records, author, spf, dkim):
        context = ctypes.c_void_p(self.calls.opendmarc_policy_connect_init(b'192.0.2.1', IP4))
        try:
            self.calls.opendmarc_policy_store_from_domain(context, author.encode())
            if spf:
                self.calls.opendmarc_policy_store_spf(context, spf.encode(), OUTCOME_PASS, FROM_MAIL, b'')
            for domain in dkim:
                self.calls.opendmarc_policy_store_dkim(context, domain.encode(), b's1', OUTCOME_PASS, b'')
            found = self.find(records, author)
            if found is None:
                return 'none'
            where, record = found
            organization = where.encode() if where != author else None  # as its own search of the DNS has it
            if self.calls.opendmarc_policy_store_dmarc(context, record.encode(), author.encode(), organization) != PARSED:
                return 'none'
            return WORDS.get(self.calls.opendmarc_get_policy_to_enforce(context), '?')
        finally:
            self.calls.opendmarc_policy_connect_shutdown(context)

    def find(self, records, author):
        """The record that the library would be given: of the author's domain, else of its organization (RFC 7489 section 6.6.3)."""
        organization = self.organization(author)
        for name in dict.fromkeys((author, organization)):
            texts = [text for text in records.get(name, []) if text.startswith('v=DMARC1')]
            if len(texts) == 1:
                return name, texts[0]
            if texts:
                return None
        return None

    def organization(self, name):
        room = ctypes.create_string_buffer(256)
        self.calls.opendmarc_get_tld(name.encode(), room, 256)
        return room.value.decode() or name


DOMAINS = ['example.com', 'mail.example.com', 'a.b.example.com', 'example.co.uk', 'news.example.co.uk', 'other.org', 'x.other.org', 'deep.x.other.org',
           'example.net', 'sub.example.net', 'blog.example.github.io', 'example.github.io']
LOOK_ALIKES = ['notexample.com', 'example.com.evil.org', 'ample.com', 'co.uk', 'com', 'EXAMPLE.COM', 'Mail.Example.com']


def record(draw):
    tags = []
    policy = draw.choice(['none', 'quarantine', 'reject', 'reject'])
    for tag, values, chance in (('sp', ['none', 'quarantine', 'reject'], 0.4), ('adkim', ['r', 's'], 0.4), ('aspf', ['r', 's'], 0.4),
                                ('pct', ['100'], 0.2), ('rua', ['mailto:a@example.com'], 0.4), ('fo', ['0', '1', 'd:s'], 0.2),
                                ('ri', ['3600'], 0.2), ('x-new', ['whatever'], 0.1), ('ruf', ['mailto:f@example.com'], 0.2)):
        if draw.random() < chance:
            tags.append(f'{tag}={draw.choice(values)}')
    draw.shuffle(tags)
    separator = draw.choice(['; ', ';', ' ; '])
    text = separator.join(['v=DMARC1', f'p={policy}', *tags]) + draw.choice(['', ';'])
    if draw.random() < 0.08:
        text = draw.choice(['v=DMARC1', 'v=DMARC1; p=perhaps', 'v=DMARC1; p=', 'v=DMARC2; p=reject', 'p=reject; v=DMARC1', 'v=DMARC1; p=reject; sp=perhaps',
                            'v=DMARC1; p=reject; adkim=x', 'hello'])
    return text


def explained(text, author, spf, dkim, theirs, ours):
    """Whose rule it is, where the two may differ."""
    names = [name.lower() for name in ([spf] if spf else []) + dkim]
    if 'adkim=x' in text and theirs == 'none':
        return 'RFC 7489 section 6.3: what is wrong in an optional tag leaves its default'
    if theirs == 'pass' and any(name in ('com', 'co.uk') for name in names):
        return 'RFC 7489 section 3.1: organizational domains are compared, and a public suffix is not that of the domains below it'
    if theirs == 'pass' and 'aspf=s' in text and spf and spf.lower() != author:
        return 'RFC 7489 section 3.1.2: strict is the same name; the library takes relatives'
    return None


def main():
    tool, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 600
    draw = random.Random(7489)
    check, library = Checks(), Library()
    outcomes, reasons = collections.Counter(), collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for world in range(count // 20):  # twenty messages under one DNS
            records = {name: [record(draw)] for name in DOMAINS if draw.random() < 0.45}
            for name in records:
                if draw.random() < 0.05:
                    records[name].append(record(draw))
            zone = pathlib.Path(folder) / f'{world}.zone'
            zone.write_text(''.join(f'{name}. 60 IN A 192.0.2.1\n' for name in DOMAINS) +
                            ''.join(f'_dmarc.{name}. 60 IN TXT "{text}"\n' for name, texts in records.items() for text in texts))
            cases = []
            for _ in range(20):
                author = draw.choice(DOMAINS)
                near = [author, author.split('.', 1)[1] if author.count('.') > 1 else author, 'sub.' + author, *LOOK_ALIKES, *DOMAINS]
                spf = draw.choice(near) if draw.random() < 0.5 else None
                dkim = [draw.choice(near)] if draw.random() < 0.5 else []
                cases.append((author, spf, dkim))
            asked = ''.join(f'{author}\t' + ' '.join(([f'spf={spf}'] if spf else []) + [f'dkim={one}' for one in dkim]) + '\n' for author, spf, dkim in cases)
            answers = subprocess.run([tool, zone], input=asked, text=True, capture_output=True, check=True).stdout.splitlines()
            assert len(answers) == len(cases)
            for (author, spf, dkim), answer in zip(cases, answers):
                outcome, policy, where = answer.split('\t')
                ours = f'fail {policy}' if outcome == 'fail' else outcome
                theirs = library.judge(records, author, spf, dkim)
                outcomes[ours] += 1
                if ours == theirs:
                    check.passed += 1
                    continue
                found = records.get(where) or records.get(author) or records.get(library.organization(author)) or ['']
                reason = explained(found[0], author, spf, dkim, theirs, ours)
                reasons[reason] += 1
                check(f'{author} with SPF of {spf} and DKIM of {dkim}: we say {ours}, they {theirs}: {reason}', reason, f'{records.get(author)} {where} {found}')
    for outcome in ('none', 'pass', 'fail none', 'fail quarantine', 'fail reject'):
        check(f'{outcomes[outcome]} times {outcome}', outcomes[outcome] >= 10)
    print(dict(outcomes), {reason: number for reason, number in reasons.items() if reason})
    return check.finish()


if __name__ == '__main__':
    sys.exit(main())
