#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""`keystone-mail check spf` and `check message` against a DNS server of ours: argv[1] is keystone-mail."""
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
import results_field  # noqa: E402
from keystone import Checks  # noqa: E402
from name_server import SERVFAIL, NameServer  # noqa: E402

program = os.path.abspath(sys.argv[1])
check = Checks()
RECORDS = {
    ('sender.example', 'TXT'): ['v=spf1 ip4:192.0.2.1 include:other.example -all exp=why.sender.example', 'something else'],
    ('other.example', 'TXT'): ['v=spf1 mx ~all'],
    ('other.example', 'MX'): [(10, 'mx.other.example')],
    ('mx.other.example', 'A'): ['192.0.2.7'],
    ('why.sender.example', 'TXT'): ['%{i} may not send for %{d}'],
    ('mx.example', 'TXT'): ['v=spf1 a -all'],
    ('mx.example', 'A'): ['192.0.2.1'],
    ('long.test', 'TXT'): ['v=spf1 ' + ' '.join(f'ip4:10.0.{i}.0/24' for i in range(200)) + ' ip4:192.0.2.1 -all'],
    ('wrong.example', 'TXT'): ['v=spf1 moo -all'],
    ('_dmarc.sender.example', 'TXT'): ['v=DMARC1; p=reject; sp=quarantine'],
}
MESSAGE = 'From: Alice <alice@{}>\nTo: you@example.net\nSubject: hello\nDate: Sun, 22 Nov 2026 12:00:00 +0000\nMessage-ID: <1@sender.example>\n\nHello.\n'


def run(*arguments, text=''):
    done = subprocess.run([program, *arguments], input=text, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


# What strangers write to break out of a field, or to look like another result.
PIECES = [b'a', b'"', b'\\', b'(', b')', b';', b'=', b',', b'<', b'@', b'sender.example', b'.', b' ', b'\t', b'\r\n', b'\n ', b'\x1b[31m', b'\x7f', b'\xff',
          b'\xc3\xbc', b'\xc2\x9b', b'[192.0.2.1]', b'; dkim=pass header.d=sender.example', b'=?utf-8?q?x?=', b'-', b'_', b'A' * 80, b'%{l}', b'"a b"@']


def grammar_of_hostile(draw, resolver):
    """What is wrong with the field for envelope and message drawn from PIECES, or None."""
    def piece(most=5):
        return b''.join(draw.choice(PIECES) for _ in range(draw.randrange(most)))
    signature = (b'DKIM-Signature: v=1; a=' + draw.choice([b'rsa-sha256', piece(3)]) + b'; h=from; bh=AAAA; d=' + piece() + b'; s=' + piece() + b'; i=' + piece()
                 + b'@sender.example; b=' + piece())
    text = b'\n'.join([signature.replace(b'\r\n', b'').replace(b'\n', b'')] * draw.randrange(3) + [b'From: ' + piece(), b'ARC-Seal: i=1; d=' + piece(3), b'', b'x', b''])
    sender = piece() + draw.choice([b'', b'@sender.example', b'@' + piece(3)])
    done = subprocess.run([program, 'check', 'message', '--resolver', resolver, '--ip', '192.0.2.9', '--helo', piece(), '--from', sender, '--verbose', '-'],
                          input=text, capture_output=True, timeout=60)
    field = re.match(rb'[^\n]*\n(?:[ \t][^\n]*\n)*', done.stdout)
    try:
        methods = [method for method, *_ in results_field.read(field[0])[1]]
    except (TypeError, ValueError) as error:
        return error, done, sender, text
    below = done.stdout[field.end():].splitlines()
    sound = methods[:2] == ['iprev', 'spf'] and methods[-2:] == ['arc', 'dmarc'] and set(methods[2:-2]) - {'spf'} == {'dkim'} and done.returncode == 0
    sound = sound and all(re.match(rb'(IPREV-Step|SPF-Explanation|SPF-Step|DKIM-Step|DMARC-Step): ', line) and not re.search(rb'[\x00-\x1f\x7f]', line) for line in below)
    return None if sound else (methods, done, sender, text)


def words(output, method):
    """The result and the properties of a method in an Authentication-Results field."""
    field = re.sub(r'\n[ \t]+', ' ', output).splitlines()[0]
    found = re.search(rf'\b{method}=(\w+)([^;]*)', re.sub(r'\([^)]*\)', '', field))
    return (found[1], dict(re.findall(r'(\w+\.\w+)=("[^"]*"|\S+)', found[2]))) if found else (None, {})


with NameServer(RECORDS, {'broken.example': SERVFAIL}) as dns, tempfile.TemporaryDirectory() as directory:
    def spf(client, sender, *more, helo='mx.example'):
        return run('check', 'spf', '--resolver', dns.address, '--ip', client, '--helo', helo, '--from', sender, *more)

    code, out, err = spf('192.0.2.1', 'user@sender.example')
    check('a pass is told as Authentication-Results, with exit code 0', code == 0 and out.startswith('Authentication-Results: ')
          and words(out, 'spf') == ('pass', {'smtp.mailfrom': 'user@sender.example'}), (code, out, err))
    for client, sender, result in (('192.0.2.7', 'user@sender.example', 'pass'), ('192.0.2.9', 'user@sender.example', 'fail'),
                                   ('192.0.2.9', 'user@other.example', 'softfail'), ('192.0.2.1', 'user@long.test', 'pass'),
                                   ('192.0.2.2', 'user@long.test', 'fail'), ('192.0.2.1', 'user@nowhere.example', 'none'),
                                   ('192.0.2.1', 'user@wrong.example', 'permerror'), ('192.0.2.1', 'user@broken.example', 'temperror'),
                                   ('2001:db8::1', 'user@sender.example', 'fail'), ('::ffff:192.0.2.1', 'user@sender.example', 'pass')):
        code, out, err = spf(client, sender)
        check(f'{sender} from {client}: {result}, with exit code 0', code == 0 and words(out, 'spf')[0] == result, (code, out, err))
    code, out, _ = spf('192.0.2.9', 'user@sender.example')
    check('a fail with an explanation has it on a line', 'SPF-Explanation: 192.0.2.9 may not send for sender.example\n' in out, out)
    code, out, _ = spf('192.0.2.1', '')
    check('the null sender is judged by its HELO', code == 0 and words(out, 'spf') == ('pass', {'smtp.helo': 'mx.example'}), out)
    for sender in ('--from=', '--from=<>'):
        code, out, err = run('check', 'spf', '--resolver', dns.address, '--ip=192.0.2.1', '--helo=mx.example', sender)
        check(f'{sender} is the null sender too', code == 0 and words(out, 'spf') == ('pass', {'smtp.helo': 'mx.example'}), (code, out, err))
    code, out, _ = spf('192.0.2.1', '<user@sender.example>')
    check('angle brackets are no part of the address', words(out, 'spf') == ('pass', {'smtp.mailfrom': 'user@sender.example'}), out)
    code, out, _ = spf('192.0.2.9', '', helo='[192.0.2.9]')
    check('a HELO that is no domain gives none', code == 0 and words(out, 'spf')[0] == 'none', out)
    code, out, _ = spf('192.0.2.7', 'user@sender.example', '--verbose')
    check('--verbose tells the steps', 'SPF-Step:   MX other.example: 10 mx.other.example.' in out, out)
    code, out, _ = spf('192.0.2.9', 'user@sender.example', '--json', '--verbose')
    data = json.loads(out)
    check('--json tells the same as data', code == 0 and data['spf']['result'] == 'fail' and data['spf']['mechanism'] == '-all'
          and data['spf']['explanation'] and data['spf']['steps'] and data['authentication_results'].startswith('Authentication-Results:'), out)
    check('what is no address is wrong usage', spf('192.0.2', 'a@b.example')[0] == 2)
    check('what is no resolver is wrong usage', run('check', 'spf', '--resolver', 'no.such.host.invalid:53', '--ip', '192.0.2.1', '--helo', 'x',
                                                      '--from', '')[0] == 2)
    check('port 0 is no resolver', run('check', 'spf', '--resolver', '127.0.0.1:0', '--ip', '192.0.2.1', '--helo', 'x', '--from', '')[0] == 2)
    config = pathlib.Path(directory, 'keystone-mail.toml')
    config.write_text('hostname = "mail.configured.example"\nprimary_domain = "configured.example"\n'
                      f'data_directory = "{directory}/data"\n[resolver]\nservers = ["{dns.address}"]\n'
                      '[[listener]]\nprotocol = "smtp"\naddress = "127.0.0.1:0"\ntls = "none"\n')
    code, out, err = run('check', 'spf', '--config', str(config), '--ip', '192.0.2.1', '--helo', 'mx.example', '--from', 'user@sender.example')
    check('without a resolver that of the configuration is asked, in the name of its host', code == 0
          and out.startswith('Authentication-Results: mail.configured.example;') and words(out, 'spf')[0] == 'pass', (code, out, err))
    check('a missing option is wrong usage', run('check', 'spf', '--ip', '192.0.2.1')[0] == 2)

    path = directory + '/message'
    pathlib.Path(path).write_text(MESSAGE.format('sender.example'))

    def message(client, sender, *more, file=path, text=''):
        return run('check', 'message', '--resolver', dns.address, '--ip', client, '--helo', 'mx.example', '--from', sender, *more, file, text=text)

    code, out, err = message('192.0.2.1', 'user@sender.example')
    check('an aligned SPF pass passes DMARC', code == 0 and words(out, 'dmarc') == ('pass', {'header.from': 'sender.example', 'polrec.p': 'reject'}), (out, err))
    check('an unsigned message says so', words(out, 'dkim')[0] == 'none' and words(out, 'arc')[0] == 'none', out)
    code, out, _ = message('192.0.2.9', 'user@sender.example')
    check('without any, DMARC fails with exit code 0', code == 0 and words(out, 'dmarc')[0] == 'fail', out)
    code, out, _ = message('192.0.2.9', 'user@broken.example')
    check('a foreign temporary error does not count', words(out, 'spf')[0] == 'temperror' and words(out, 'dmarc')[0] == 'fail', out)
    code, out, _ = message('192.0.2.1', 'user@sender.example', '--json', file='-', text=MESSAGE.format('sub.sender.example'))
    data = json.loads(out)
    check('- is standard input', code == 0 and data['dmarc']['result'] == 'pass' and data['dmarc']['properties']['polrec.domain'] == 'sender.example', out)
    code, out, _ = message('192.0.2.1', 'user@sender.example', file='-', text='From: a@sender.example\nFrom: b@sender.example\n\nx\n')
    check('a message of two authors is a permerror', code == 0 and words(out, 'dmarc')[0] == 'permerror', out)
    signed = ''.join(f'DKIM-Signature: v=1; a=rsa-sha256; d=d{i}.example; s=s{i}; h=from; bh={"A" * 43}=; b=AAAA\n' for i in range(30))
    code, out, _ = message('192.0.2.1', 'user@sender.example', file='-', text=signed + MESSAGE.format('sender.example'))
    told = [dict(properties) for method, _, _, properties in results_field.read(out.encode())[1] if method == 'dkim']
    check('of thirty signatures each is told, by domain and selector', code == 0 and
          [(one['header.d'], one['header.s']) for one in told] == [(f'd{i}.example', f's{i}') for i in range(30)], out)
    dns.faults.update({f's{i}._domainkey.d{i}.example': None for i in range(30)})  # says nothing
    started = time.monotonic()
    code, out, _ = message('192.0.2.1', 'user@sender.example', file='-', text=signed.replace('AAAA\n', 'BBBB\n') + MESSAGE.format('sender.example'))
    took = time.monotonic() - started
    check('keys of servers that are silent are waited for all at once', code == 0 and out.count('dkim=temperror') == 30 and took < 150, took)
    draw = random.Random(8601)
    wrong = [found for found in (grammar_of_hostile(draw, dns.address) for _ in range(60)) if found]
    check('H11: whatever sender, HELO and message say, what is printed keeps to the grammar of RFC 8601', not wrong, wrong[:1])
    check('no such file: no verdict, exit code 1', message('192.0.2.1', 'a@b.example', file=directory + '/none')[0] == 1)

sys.exit(check.finish())
