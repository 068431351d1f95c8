#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""DKIM and ARC against Debian's python3-dkim and opendkim, in both directions. Arguments: dkim_tool, and how many messages (default 216).

Messages are drawn from a seed; each is signed by one of the three and judged by all, as it is and after a change on its way.
A disagreement on pass or no pass fails the test unless explained() says whose rule it is. Run by Debian's own python3.
"""
import base64
import collections
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

try:
    import dkim
except ImportError:
    sys.exit('python3-dkim is not installed')

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks  # noqa: E402

TOOL = str(pathlib.Path(sys.argv[1]).resolve())
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 216
NOW = str(int(time.time()))
DOMAIN = 'example.com'
FORMS = ['simple/simple', 'simple/relaxed', 'relaxed/simple', 'relaxed/relaxed']
check = Checks()


def run(*command, stdin=None):
    out = subprocess.run([str(word) for word in command], input=stdin, capture_output=True, timeout=300)
    assert out.returncode == 0, out.stderr.decode()
    return out.stdout


class Keys:
    """One of each kind: PEM for us and opendkim, what python3-dkim wants, and the zone."""

    def __init__(self, folder):
        self.folder, self.zone, self.private = folder, {}, {}
        for selector, bits in (('r1024', 1024), ('r2048', 2048)):
            run('openssl', 'genrsa', '-out', self.pem(selector), bits)
            der = run('openssl', 'rsa', '-in', self.pem(selector), '-pubout', '-outform', 'DER')
            self.publish(selector, 'rsa', der)
            self.private[selector] = self.pem(selector).read_bytes()
        run('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', self.pem('ed'))
        self.publish('ed', 'ed25519', run('openssl', 'pkey', '-in', self.pem('ed'), '-pubout', '-outform', 'DER')[-32:])
        self.private['ed'] = base64.b64encode(run('openssl', 'pkey', '-in', self.pem('ed'), '-outform', 'DER')[-32:])
        self.file = folder / 'keys'
        self.file.write_text(''.join(f'{name} {text}\n' for name, text in self.zone.items()))

    def pem(self, selector):
        return self.folder / f'{selector}.pem'

    def publish(self, selector, kind, octets):
        self.zone[f'{selector}._domainkey.{DOMAIN}'] = f'v=DKIM1; k={kind}; p={base64.b64encode(octets).decode()}'

    def look_up(self, name, timeout=5):
        return self.zone.get(name.decode().rstrip('.'), '').encode() or None


# Messages

def words(draw, count):
    return ' '.join(draw.choice(['alpha', 'b', 'gamma-delta', 'x=y;z', '"quoted"', 'ünïcode', '<angle@x.example>', '(comment)'])
                    for _ in range(count))


# One blank follows the colon where the header is hashed as it stands: the milter protocol, which opendkim's test mode goes
# by, does not say what stood there.
def blank(draw, forms):
    return ' ' if forms.startswith('simple') else draw.choice([' ', ' ', '  ', '\t', ' \t ', ''])


def field(draw, name, forms):
    name = draw.choice([name, name, name.upper(), name.lower()])
    lines = [blank(draw, forms) + words(draw, draw.randint(1 if forms.startswith('simple') else 0, 6)) + draw.choice(['', '', ' ', '\t'])]
    for _ in range(draw.choice([0, 0, 0, 1, 2])):
        lines.append(draw.choice([' ', '\t', '        ']) + words(draw, draw.randint(1, 6)))
    return name + ':' + '\r\n'.join(lines) + '\r\n'


def body(draw):
    lines = []
    for _ in range(draw.choice([0, 1, 3, 12, 40])):
        lines.append(draw.choice(['', '', ' ', '\t \t', '.', '..', 'a' * 900, words(draw, 8), ' ' + words(draw, 3) + '  ',
                                  'tab\there  twice ', 'ends in blank \t', '-- ', 'From me']))
    # The last line has its end, as on every wire; opendkim takes no other.
    text = ''.join(line + '\r\n' for line in lines) + draw.choice(['', '', '\r\n\r\n', ' \r\n'])
    return text.lstrip('\r\n') if draw.random() < 0.5 else text


def message(draw, forms):
    fields = [f'From:{blank(draw, forms)}A <a@{DOMAIN}>\r\n', f'To: b@example.net\r\n', f'Date: Fri, 11 Jul 2003 21:00:37 -0700\r\n',
              field(draw, 'Subject', forms)]
    for name in ('Cc', 'Reply-To', 'Message-ID', 'MIME-Version', 'Content-Type', 'References', 'List-Id', 'X-One', 'Received', 'Received',
                 'Received', 'X-Two'):
        if draw.random() < 0.4:
            fields.append(field(draw, name, forms))
    draw.shuffle(fields)
    return (''.join(fields) + '\r\n' + body(draw)).encode()


# Changes on the way: a name and what it makes of a signed message.

def in_body(data, change):
    header, _, rest = data.partition(b'\r\n\r\n')
    return header + b'\r\n\r\n' + change(rest)


CHANGES = {
    'none': lambda data: data,
    'line appended': lambda data: in_body(data, lambda text: text + b'more\r\n'),
    'empty lines appended': lambda data: in_body(data, lambda text: text + b'\r\n\r\n'),
    'blanks at line ends': lambda data: in_body(data, lambda text: text.replace(b'\r\n', b' \t\r\n')),
    'blanks doubled': lambda data: in_body(data, lambda text: text.replace(b' ', b'  ')),
    'first octet changed': lambda data: in_body(data, lambda text: b'Y' + text[1:] if text[:1] not in b'Y\r' else b'Z' + text),
    'names in capitals': lambda data: data.replace(b'\r\nTo: b@', b'\r\nTO: b@', 1),
    'subject refolded': lambda data: re.sub(rb'(?i)(\r\nsubject:)[ \t]*', rb'\1 \r\n ', data, count=1),
    'recipient changed': lambda data: data.replace(b'To: b@', b'To: c@', 1),
    'field on top': lambda data: b'X-New: yes\r\n' + data,
    'second Subject on top': lambda data: b'Subject: pay\r\n' + data,
    'second From on top': lambda data: b'From: evil@example.org\r\n' + data,
    'Date removed': lambda data: re.sub(rb'(?m)^Date: [^\n]*\n', b'', data, count=1),
    'signature changed': lambda data: re.sub(rb'(\bb=)([A-Za-z0-9+/])', lambda m: m[1] + (b'B' if m[2] != b'B' else b'C'), data, count=1),
    'selector unknown': lambda data: re.sub(rb's=(r1024|r2048|ed);', b's=none;', data, count=1),
    'algorithm historic': lambda data: data.replace(b'a=rsa-sha256', b'a=rsa-sha1', 1),
    'tag unknown': lambda data: data.replace(b'v=1;', b'v=1; zz=1;', 1),
    'tag twice': lambda data: data.replace(b'v=1;', b'v=1; v=1;', 1),
    'version 2': lambda data: data.replace(b'v=1;', b'v=2;', 1),
}


# Signers

def sign_ours(folder, keys, data, draw, selector, forms):
    path = folder / 'to-sign'
    path.write_bytes(data)
    run(TOOL, 'sign', NOW, keys.pem(selector), DOMAIN, selector, forms, path)
    return (folder / 'to-sign.signed').read_bytes()


def sign_python(folder, keys, data, draw, selector, forms):
    header, body_form = forms.encode().split(b'/')
    names = draw.choice([None, [b'from', b'to', b'subject', b'date', b'cc'], [b'from', b'from', b'subject', b'subject', b'x-one', b'to']])
    present = {line.split(b':')[0].strip().lower() for line in data.split(b'\r\n\r\n')[0].split(b'\r\n') if line[:1] not in b' \t'}
    if names:
        names = [name for name in names if name in present or name == b'from']
    signature = dkim.sign(data, selector.encode(), DOMAIN.encode(), keys.private[selector], canonicalize=(header, body_form), include_headers=names,
                          length=draw.random() < 0.15, signature_algorithm=b'ed25519-sha256' if selector == 'ed' else b'rsa-sha256')
    return signature + data


def sign_opendkim(folder, keys, data, draw, selector, forms):
    path, config = folder / 'to-sign', folder / 'sign.conf'
    path.write_bytes(data)
    config.write_text(f'Mode s\nDomain {DOMAIN}\nSelector {selector}\nKeyFile {keys.pem(selector)}\nCanonicalization {forms}\n'
                      f'InternalHosts 0.0.0.0/0\nUserID root\nRequireSafeKeys false\n' + draw.choice(['', 'OversignHeaders From,Subject\n']))
    out = run('opendkim', '-x', config, '-t', path, '-v', '-v')
    found = re.search(rb"hname='DKIM-Signature' hvalue='(.*?)'\s*\Z", out, re.S)
    assert found, out
    return b'DKIM-Signature: ' + found[1].replace(b'\r\n', b'\n').replace(b'\n', b'\r\n') + b'\r\n' + data


# Judges: pass or not, for each file

def judge_ours(folder, keys, paths):
    lines = run(TOOL, 'verify', NOW, keys.file, *paths).decode().split('\n')
    return [line or 'none' for line in lines[:len(paths)]]


def judge_python(folder, keys, paths):
    verdicts = []
    for path in paths:
        try:
            verdicts.append('pass' if dkim.DKIM(path.read_bytes()).verify(dnsfunc=keys.look_up) else 'fail')
        except (dkim.DKIMException, ValueError, IndexError, AttributeError) as problem:
            verdicts.append(f'error: {problem}')
    return verdicts


def judge_opendkim(folder, keys, paths):
    config = folder / 'verify.conf'
    config.write_text(f'Mode v\nTestPublicKeys {keys.file}\nUserID root\nAuthservID mx.test\nAlwaysAddARHeader true\n')
    verdicts = []
    for path in paths:
        out = run('opendkim', '-x', config, '-t', path, '-v', '-v').decode(errors='replace')
        found = re.search(r"hname='Authentication-Results' hvalue='mx\.test;\s*dkim=(\w+)([^']*)'", out)
        verdicts.append(f'{found[1]}: {" ".join(found[2].split())}' if found else 'no result')
    return verdicts


def explained(case, ours, python, opendkim):
    """Why they may disagree, by name; '' when nothing says so."""
    passes = [verdict.startswith('pass') for verdict in (ours, python, opendkim)]
    if case['forms'].startswith('simple') and case['change'] == 'subject refolded' and passes == [False, False, True]:
        return 'the milter protocol does not tell opendkim what white space followed the colon'
    if ours.startswith('policy') and 'not signed' in ours:
        return 'octets appended behind l= are no pass here (RFC 6376 §8.2, attack D4)'
    if ours.startswith('policy') and 'stands' in ours:
        return 'a field that may stand once stands twice and was signed once (RFC 6376 §8.15, attack D5)'
    return ''


def compare_dkim(folder, keys):
    signers = {'ours': sign_ours, 'python3-dkim': sign_python, 'opendkim': sign_opendkim}
    judges = [judge_ours, judge_python, judge_opendkim]
    cases = []
    for number in range(COUNT):
        draw = random.Random(number)
        forms = FORMS[number // 3 % 4]
        data = message(draw, forms)
        signer = list(signers)[number % 3]
        selector = draw.choice(['r1024', 'r2048'] if signer == 'opendkim' else ['r1024', 'r2048', 'ed'])
        signed = signers[signer](folder, keys, data, draw, selector, forms)
        for change in ('none', *draw.sample(list(CHANGES)[1:], 2)):
            path = folder / f'{number}-{len(cases)}.eml'
            path.write_bytes(CHANGES[change](signed))
            cases.append({'path': path, 'signer': signer, 'selector': selector, 'forms': forms, 'change': change, 'number': number})
    paths = [case['path'] for case in cases]
    verdicts = list(zip(*(judge(folder, keys, paths) for judge in judges)))
    reasons, passes, bad = collections.Counter(), collections.Counter(), []
    for case, (ours, python, opendkim) in zip(cases, verdicts):
        words = [verdict.startswith('pass') for verdict in (ours, python, opendkim)]
        passes[words[0]] += 1
        if len(set(words)) == 1:
            continue
        reason = explained(case, ours, python, opendkim)
        if reason:
            reasons[reason] += 1
        else:
            bad.append(f'{case}\n   ours {ours}\n   python3-dkim {python}\n   opendkim {opendkim}')
    for signer in signers:
        own = [(case, verdict) for case, verdict in zip(cases, verdicts) if case['signer'] == signer and case['change'] == 'none']
        wrong = [(case, verdict) for case, verdict in own if not verdict[0].startswith('pass') and not explained(case, *verdict)]
        check(f'dkim: all {len(own)} messages that {signer} signed pass here', not wrong, '\n'.join(map(str, wrong[:5])))
    check(f'dkim: {len(cases)} messages judged alike by three programs ({passes[True]} pass), or the difference is explained', not bad,
          f'{len(bad)} not explained\n' + '\n'.join(bad[:12]))
    for reason, times in sorted(reasons.items()):
        print(f'      {times:4} times: {reason}')


def compare_arc(folder, keys):
    sealed_by, cases = collections.Counter(), []
    for number in range(max(COUNT // 4, 8)):
        draw = random.Random(9000 + number)
        data = message(draw, 'relaxed')
        for hop in range(draw.randint(1, 4)):
            selector = draw.choice(['r1024', 'r2048'])  # python3-dkim knows Ed25519 for DKIM only
            path = folder / 'to-seal'
            path.write_bytes(data)
            if draw.random() < 0.5:
                run(TOOL, 'arc-seal', NOW, keys.pem(selector), DOMAIN, selector, keys.file, path)
                data = (folder / 'to-seal.sealed').read_bytes()
                sealed_by['ours'] += 1
            else:
                cv, _, _ = dkim.arc_verify(data, dnsfunc=keys.look_up)
                data = f'Authentication-Results: py{hop}.test; arc='.encode() + (cv or b'fail') + b'\r\n' + data
                fields = dkim.arc_sign(data, b'r2048', DOMAIN.encode(), keys.private['r2048'], f'py{hop}.test'.encode(),
                                       include_headers=[b'from', b'to', b'subject', b'date'], linesep=b'\r\n')
                data = b''.join(fields) + data
                sealed_by['python3-dkim'] += 1
        for change in ('none', 'line appended', 'recipient changed', 'cv flipped', 'results changed', 'field on top'):
            altered = {'cv flipped': lambda text: re.sub(rb'cv=(none|pass)', b'cv=fail', text, count=1),
                       'results changed': lambda text: re.sub(rb'(ARC-Authentication-Results:[ \t]*i=1;[ \t\r\n]*)\w', rb'\1q', text, count=1),
                       **CHANGES}[change](data)
            path = folder / f'arc-{number}-{len(cases)}.eml'
            path.write_bytes(altered)
            cases.append((path, change))
    ours = run(TOOL, 'arc-verify', NOW, keys.file, *(path for path, _ in cases)).decode().splitlines()
    bad, passed = [], 0
    for (path, change), verdict in zip(cases, ours):
        try:
            cv, _, reason = dkim.arc_verify(path.read_bytes(), dnsfunc=keys.look_up)
            theirs = (cv or b'fail').decode()
        except dkim.DKIMException as problem:
            theirs, reason = 'fail', problem
        passed += verdict == 'pass'
        if verdict.split(':')[0] != theirs or (change == 'none' and verdict != 'pass'):
            bad.append(f'{path} {change}: ours {verdict}, python3-dkim {theirs} ({reason})')
    check(f'arc: {len(cases)} chains ({sealed_by["ours"]} sets by us, {sealed_by["python3-dkim"]} by python3-dkim) judged alike, {passed} pass', not bad,
          '\n'.join(bad[:12]))


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix='keystone-dkim-'))
    try:
        keys = Keys(folder)
        compare_dkim(folder, keys)
        compare_arc(folder, keys)
    finally:
        if not check.failed:
            shutil.rmtree(folder)
    return check.finish()


if __name__ == '__main__':
    sys.exit(main())
