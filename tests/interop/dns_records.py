#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""`keystone-mail dns` and the checks from outside against Debian's Knot DNS that serves what was printed: argv[1] is keystone-mail."""
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402
from knot import Knot  # noqa: E402
from loopback import free_port  # noqa: E402
from name_server import SERVFAIL, NameServer  # noqa: E402

HEAD = '$ORIGIN example.test.\n$TTL 300\n@ SOA ns.example.test. admin.example.test. 1 3600 600 86400 60\n@ NS ns.example.test.\nns A 127.0.0.1\n'
check = Checks()


def serving(zone):
    (directory / 'example.test.zone').write_text(zone)
    return Knot(directory, ['example.test'])


def look(server, what, dns, *more):
    done = server.run('check', what, '--resolver', dns.address, '--json', *more)
    try:
        return done.returncode, {one['subject']: one for one in json.loads(done.stdout)}
    except ValueError:
        return done.returncode, {'output': done.stdout + done.stderr}


def statuses(found):
    return {subject: one['status'] for subject, one in found.items()}


def listeners_at_fixed_ports(server):
    text = server.config.read_text()
    while 'address = "127.0.0.1:0"' in text:
        text = text.replace('address = "127.0.0.1:0"', f'address = "127.0.0.1:{free_port()}"', 1)
    server.config.write_text(text)


with Server(sys.argv[1]) as server, tempfile.TemporaryDirectory() as folder:
    directory = pathlib.Path(folder)
    listeners_at_fixed_ports(server)
    printed = server.run('dns', '--address', '127.0.0.1')
    check('the zone is printed', printed.returncode == 0 and ' MX 10 mail.example.test.' in printed.stdout, printed)
    zone = directory / 'whole.zone'
    zone.write_text(HEAD + printed.stdout)
    done = subprocess.run(['kzonecheck', '-o', 'example.test.', '-v', zone], capture_output=True, text=True)
    check("Knot's kzonecheck finds no fault in it", done.returncode == 0 and 'No semantic error found' in done.stdout, done)
    records = json.loads(server.run('dns', '--address', '127.0.0.1', '--format', 'json').stdout)
    pem = subprocess.run(['openssl', 'x509', '-in', server.data / 'tls/certificate.pem', '-pubkey', '-noout'], capture_output=True, text=True).stdout
    der = subprocess.run(['openssl', 'pkey', '-pubin', '-outform', 'DER'], input=pem.encode(), capture_output=True).stdout
    check('TLSA is what openssl makes of the certificate', f'3 1 1 {hashlib.sha256(der).hexdigest()}' in [r['data'] for r in records if r['type'] == 'TLSA'])
    check('the JSON has all that the zone has', len(records) == len([line for line in printed.stdout.splitlines() if re.match(r'[^;\s]', line)]))
    table = server.run('dns', '--address', '127.0.0.1', '--format', 'table').stdout.splitlines()
    check('the columns of the table are aligned', len({line.index(word) for line, word in zip(table, ['TYPE'] + [r['type'] for r in records])}) == 1, table[:3])
    check('what is no address is refused', server.run('dns', '--address', 'nowhere').returncode == 2)
    check('a domain whose host is elsewhere has that in comments', '; In another zone: _25._tcp.mail.example.test.' in server.run('dns', 'other.test').stdout)

    with serving(HEAD + printed.stdout) as dns:
        code, found = look(server, 'dns', dns)
        check('what was printed is what the check wants', code == 0 and set(statuses(found).values()) == {'present'}, statuses(found))
        out = server.run('check', 'dns', '--resolver', dns.address).stdout
        check('no colour goes into a pipe', '\x1b' not in out and 'present  MX example.test' in out, out)
        server.start()
        code, found = look(server, 'tls', dns)
        smtp = next((one for subject, one in found.items() if subject.startswith('smtp ')), {})
        check('every TLS port is tried, and the policy of MTA-STS', {s.split()[0] for s in found} == {'MTA-STS', 'smtp', 'TLSA', 'submission', 'submissions', 'imap', 'imaps'}, found)
        check('a self-signed certificate is told of', code == 1 and 'signed by nobody' in smtp.get('found', ''), found)
        code, found = look(server, 'port25', dns, '--exchanger', f'127.0.0.1:{server.port("smtp")}')
        check('port 25 answers, out and in', code == 0 and len(found) == 2 and set(statuses(found).values()) == {'present'}, found)
        server.stop()
        code, found = look(server, 'port25', dns, '--exchanger', f'127.0.0.1:{free_port()}')
        check('a port that is shut is told of', code == 1 and set(statuses(found).values()) == {'wrong'}, found)

    broken = re.sub(r'^example\.test\..* MX .*$', 'example.test. MX 5 other.example.test.', printed.stdout, flags=re.M)
    broken = re.sub(r'^_dmarc.*$', '', broken, flags=re.M)
    broken = re.sub(r'v=spf1 mx -all', 'v=spf1 ip4:192.0.2.9 -all', broken)
    broken = re.sub(r'p=MII.{5}', 'p=MIIAAAAA', broken)
    broken = re.sub(r'3 1 1 [0-9a-f]{8}', '3 1 1 00000000', broken)
    with serving(HEAD + broken) as dns:
        code, found = look(server, 'dns', dns)
        wanted = {'MX example.test': 'wrong', 'TXT _dmarc.example.test': 'missing', 'TXT example.test': 'wrong', 'TLSA _25._tcp.mail.example.test': 'wrong'}
        check('each fault is found where it is', code == 1 and {s: v for s, v in statuses(found).items() if s in wanted} == wanted, statuses(found))
        check('so is a key that is not ours', sorted(v for s, v in statuses(found).items() if '_domainkey' in s) == ['present', 'wrong'], statuses(found))
        check('it says what to add', '_dmarc.example.test. 3600 IN TXT "v=DMARC1;' in found['TXT _dmarc.example.test']['advice'], found)
    with serving(HEAD + printed.stdout.replace('v=spf1 mx -all', 'v=spf1 ip4:127.0.0.0/8 ~all')) as dns:
        code, found = look(server, 'dns', dns)
        check('another policy that lets us pass is as good', code == 0 and found['TXT example.test']['status'] == 'present', found)

    REVERSE = '1.2.0.192.in-addr.arpa'
    names = {('mail.example.test', 'A'): ['192.0.2.1'], (REVERSE, 'PTR'): ['mail.example.test']}
    with NameServer(names) as dns:
        check('a name that leads back is right', look(server, 'ptr', dns)[0] == 0)
    with NameServer({**names, (REVERSE, 'PTR'): ['forged.example.test']}) as dns:
        code, found = look(server, 'ptr', dns)
        check('one that does not is wrong', code == 1 and 'does not lead back' in found['PTR 192.0.2.1']['found'], found)
    with NameServer({('mail.example.test', 'A'): ['192.0.2.1']}) as dns:
        check('none is missing', statuses(look(server, 'ptr', dns)[1]) == {'PTR 192.0.2.1': 'missing'})

    with NameServer(names, {'mail.example.test': SERVFAIL}) as dns:
        for what, subject in (('dns', 'A mail.example.test'), ('ptr', 'A mail.example.test'), ('blocklists', 'A mail.example.test'), ('port25', 'in from outside')):
            code, found = look(server, what, dns, *(['--exchanger', '127.0.0.1:9'] if what == 'port25' else []))
            check(f'check {what}: an address that cannot be looked up is unknown, not missing', code == 1 and found[subject]['status'] == 'unknown'
                  and 'server failure' in found[subject]['found'] and 'add' not in found[subject]['advice'], found.get(subject, found))
    asked = [record['name'] for record in records] + ['mail.example.test']
    with NameServer({}, dict.fromkeys(asked)) as dns:  # says nothing
        started = time.monotonic()
        code, found = look(server, 'dns', dns)
        took = time.monotonic() - started
        check('a resolver that is silent is waited for once, not for each record', code == 1 and took < 50 and set(statuses(found).values()) == {'unknown'}, (took, statuses(found)))
    with NameServer(names, {REVERSE: SERVFAIL}) as dns:
        code, found = look(server, 'ptr', dns)
        check('so is a name', code == 1 and found['PTR 192.0.2.1']['status'] == 'unknown' and 'server failure' in found['PTR 192.0.2.1']['found'], found)
    with NameServer({**names, ('example.test', 'MX'): [(5, 'old.example.net'), (10, 'mail.example.test')]}) as dns:
        found = look(server, 'dns', dns)[1]['MX example.test']
        check('another exchanger that comes first is told of', found['status'] == 'present' and 'goes to old.example.net first' in found['advice'], found)

    lists = {('mail.example.test', 'A'): ['192.0.2.1'],
             ('2.0.0.127.good.test', 'A'): ['127.0.0.2'], ('1.2.0.192.good.test', 'A'): ['127.0.0.4'], ('1.2.0.192.good.test', 'TXT'): ['see our page'],
             ('2.0.0.127.clean.test', 'A'): ['127.0.0.2'],
             ('2.0.0.127.shut.test', 'A'): ['127.255.255.254'], ('1.2.0.192.shut.test', 'A'): ['127.255.255.254'],
             ('2.0.0.127.world.test', 'A'): ['127.0.0.2'], ('1.0.0.127.world.test', 'A'): ['127.0.0.2'], ('1.2.0.192.world.test', 'A'): ['127.0.0.2']}
    with NameServer(lists) as dns:
        words = [word for name in ('good', 'clean', 'shut', 'world', 'gone') for word in ('--list', f'{name}.test')]
        code, found = look(server, 'blocklists', dns, *words)
        check('a listing is told of with its reason', code == 1 and found['192.0.2.1 at good.test']['status'] == 'wrong' and 'see our page' in found['192.0.2.1 at good.test']['found'], found)
        check('none is told of where there is none', found['192.0.2.1 at clean.test']['status'] == 'present', found)
        check('lists that refuse our resolver, list everybody or are gone count for nothing',
              {name: found[f'{name}.test']['status'] for name in ('shut', 'world', 'gone')} == {'shut': 'unknown', 'world': 'unknown', 'gone': 'unknown'}, found)
sys.exit(check.finish())
