#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""DANE and MTA-STS between the real program and Debian's Postfix, Exim and OpenSMTPD, both ways. Arguments: the program, a cache folder.

Everything is at its usual port of a network of its own (a network namespace, which needs root): mail at 25, policies at 443, and names at 53
by Debian's unbound, which validates what Knot signs. To us Postfix sends by DANE, and by MTA-STS with Debian's postfix-mta-sts-resolver; Exim
by DANE, it knows no MTA-STS; OpenSMTPD knows neither: it is told to want TLS and a certificate that fits the host's name, no more.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from certificates import Authority, certificate_digest, key_digest  # noqa: E402
from debian import Packages  # noqa: E402
from keystone import Checks, Server  # noqa: E402
from knot import Knot  # noqa: E402
from letters import Account, header_of, letter, with_subject  # noqa: E402
from loopback import listens, wait  # noqa: E402
from mail_peers import Exim, OpenSmtpd, Postfix  # noqa: E402
from policy_host import PolicyHost, policy  # noqa: E402

INSIDE = '--inside'
ALICE, PASSWORD = 'alice@example.test', 'a long enough password'
OURS, KNOT, POLICIES = '127.0.0.1', '127.0.0.53', '127.0.0.2'
HEAD = '$TTL 1\n@ SOA ns.example.net. admin.example.net. 1 3600 600 86400 1\n@ NS ns.example.net.\n'
WRONG = '3 1 1 ' + 'ab' * 32
# Domains of ours: by DNSSEC; the same with another's TLSA record; by MTA-STS; the same with the MX records of an attacker.
DANE, ASTRAY, STS, LURED = 'example.test', 'astray.signed.example', 'ours.plain.example', 'lured.plain.example'
check = Checks()


class SecurePostfix(Postfix):
    address = '127.0.1.1'

    def outward(self):
        # Without a policy it would not verify us where MX records are unsigned.
        return {'smtp_dns_support_level': 'dnssec', 'dnssec_probe': f'ns:{DANE}', 'smtp_tls_security_level': 'dane', 'smtp_tls_dane_insecure_mx_policy': 'may', 'smtp_tls_loglevel': '1', 'smtp_tls_CAfile': self.authority,
                'smtp_tls_policy_maps': f'inline:{{ {DANE}=dane-only }}, socketmap:inet:127.0.0.1:8461:postfix'}

    def sent_securely(self, domain):
        sent = re.search(rf'smtp\[(\d+)\]: \w+: to=<alice@{domain}>.* status=sent ', self.text())
        return sent and re.search(rf'smtp\[{sent[1]}\]: Verified TLS connection established to \S+\[{OURS}\]:25', self.text())

    def deferred(self, domain):
        return re.search(rf'to=<alice@{domain}>.* status=deferred \(Server certificate not ', self.text())


class SecureExim(Exim):
    address = '127.0.1.2'

    def outward(self):
        return 'driver = dnslookup\n  self = send\n  dnssec_request_domains = *', 'hosts_require_dane = *\n  dnssec_request_domains = *', 'dns_dnssec_ok = 1'

    def sent_securely(self, domain):
        return re.search(rf'=> alice@{domain} .* CV=dane ', self.text())

    def deferred(self, domain):
        return f'DANE attempt failed; TLS connection to mx.{domain} [{OURS}]' in self.text() and f'== alice@{domain} ' in self.text()


class SecureOpenSmtpd(OpenSmtpd):
    address = '127.0.1.3'

    def outward(self):
        return 'tls'

    def preparation(self):
        return [*super().preparation(), 'mkdir -p ROOT/etc/ssl', f'cat {self.authority} > ROOT/etc/ssl/cert.pem', f'cat {self.authority} > ROOT/etc/ssl/certs/ca-certificates.crt']

    def sent_securely(self, domain):
        sent = re.search(rf'(\w+) mta delivery .* to=<alice@{domain}> .* result="Ok"', self.text())
        return sent and f'{sent[1]} mta cert-check result="valid"' in self.text()

    def deferred(self, domain):
        return (f"name `mx.{domain}' not present in server certificate" in self.text() and
                re.search(rf'mta delivery .* to=<alice@{domain}> .* result="TempFail"', self.text()))


PEERS = (SecurePostfix, SecureExim, SecureOpenSmtpd)
# What a peer's domains are like: by name, the MX host's TLSA record; `aliased` is another name of the host of `good` ...
SIGNED = {'good': '3 1 1 {key}', 'aliased': None, 'changed': WRONG, 'issued': '2 0 1 {authority}', 'issued-for-others': '2 0 1 {authority}', 'pkix': '1 1 1 {key}'}
# ... or the policy, and the host that it names.
PLAIN = {'enforced': ('enforce', 'mx.enforced'), 'misnamed': ('enforce', 'mx.misnamed'), 'stranger': ('enforce', 'mx.elsewhere'), 'testing': ('testing', 'mx.elsewhere')}


def names_of(kind):
    return [f'{name}.{kind.name}.signed.example' for name in SIGNED] + [f'{name}.{kind.name}.plain.example' for name in PLAIN]


def hosts_in_certificate(kind):
    return [f'mx.issued.{kind.name}.signed.example', f'mx.enforced.{kind.name}.plain.example', f'mx.stranger.{kind.name}.plain.example']


def write_zones(folder, peers, printed, authority):
    signed, plain, policies = HEAD, HEAD, {}
    for peer in peers:
        words = {'key': key_digest(peer.certificate), 'authority': certificate_digest(authority)}
        for name in names_of(peer):
            host = f'{name}. MX 10 mx.{name}.\nmx.{name}. A {peer.host}\n'
            short = name.split('.')[0]
            if short == 'aliased':
                signed += f'{name}. MX 10 mx.{name}.\nmx.{name}. CNAME mx.good.{peer.name}.signed.example.\n'
            elif short in SIGNED:
                signed += host + f'_25._tcp.mx.{name}. TLSA {SIGNED[short].format(**words)}\n'
            else:
                mode, mx = PLAIN[short]
                policies[name] = policy(mode, f'{mx}.{peer.name}.plain.example')
                plain += host + f'_mta-sts.{name}. TXT "v=STSv1; id=1;"\nmta-sts.{name}. A {POLICIES}\n'
    signed += f'{ASTRAY}. MX 10 mx.{ASTRAY}.\nmx.{ASTRAY}. A {OURS}\n_25._tcp.mx.{ASTRAY}. TLSA {WRONG}\n'
    astray = next(peer for peer in peers if peer.name == 'exim').host
    plain += printed[STS] + re.sub(r' MX 10 \S+', f' MX 10 mx.{LURED}.', printed[LURED]) + f'mx.{LURED}. A {astray}\n'
    dane = ''.join(line for line in printed[DANE].splitlines(True) if '_mta-sts.' not in line)
    for zone, text in (('signed.example', signed), ('plain.example', plain), ('example.test', HEAD + dane)):
        (folder / f'{zone}.zone').write_text(text.replace(' 3600 IN ', ' 1 IN '))
    return policies


class Program:
    """Something that listens, and ends when we say so."""

    def __init__(self, folder, command, port, **environment):
        self.log = folder / f'{pathlib.Path(command[0]).name}.log'
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith('_proxy')}
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**kept, **environment})
        if not wait(lambda: listens(port) or self.process.poll() is not None, 20) or self.process.poll() is not None:
            raise RuntimeError(f'{command} does not listen: {self.log.read_text()}')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)


def unbound(folder, packages, anchors):
    packages.unpack('unbound', folder / 'unbound')
    configuration = folder / 'unbound.conf'
    configuration.write_text(f'''
server:
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  interface: 127.0.0.1
  do-ip6: no
  do-not-query-localhost: no
  local-zone: "test." nodefault
  cache-max-ttl: 1
  cache-max-negative-ttl: 1
''' + ''.join(f'  trust-anchor: "{anchor}"\n' for anchor in anchors) + f'forward-zone:\n  name: "."\n  forward-addr: {KNOT}\n')
    return Program(folder, [folder / 'unbound/usr/sbin/unbound', '-d', '-c', configuration], 53)


def mta_sts_resolver(folder, packages, authority):
    packages.unpack('postfix-mta-sts-resolver', folder / 'resolver')
    configuration = folder / 'mta-sts-daemon.yml'
    configuration.write_text('host: 127.0.0.1\nport: 8461\nreuse_port: true\ncache:\n  type: internal\n  options:\n    cache_size: 100\n'
                             'default_zone:\n  strict_testing: false\n  timeout: 4\n')
    return Program(folder, [folder / 'resolver/usr/bin/mta-sts-daemon', '-c', configuration], 8461,
                   PYTHONPATH=str(folder / 'resolver/usr/lib/python3/dist-packages'), SSL_CERT_FILE=str(authority))


def policy_by_postfix(postfix, domain):
    return subprocess.run(['postmap', '-c', postfix.folder, '-q', domain, 'socketmap:inet:127.0.0.1:8461:postfix'], capture_output=True, text=True).stdout.strip()


def send_to_all(ours, peers):
    for peer in peers:
        for domain in names_of(peer):
            ours.submit([f'bob@{domain}'], letter(domain, extra=f'Message-ID: <{domain}@example.test>\r\n'))


def trace(server, domain):
    return server.run('trace', f'<{domain}@example.test>').stdout


def judge_sent(ours, peer, knot):
    server = ours.server

    def delivered(domain, words):
        got = wait(lambda: with_subject(peer.messages(), domain))
        check(f'{domain}: it has the message, by TLS', len(got) == 1 and b'TLS' in header_of(got[0]), trace(server, domain) + peer.words())
        said = wait(lambda: re.search(rf'delivered.*\[TLSv1\.[23] \S+ {words}\]', trace(server, domain)), 10)
        check(f'{domain}: the trace says {words}', said, trace(server, domain))

    def waits(domain, why):
        check(f'{domain}: waits, since {why}', wait(lambda: why in trace(server, domain)), trace(server, domain) + server.log()[-1000:])
        check(f'{domain}: it has nothing of it', not with_subject(peer.messages(), domain) and f'bob@{domain}' in server.run('queue', 'list').stdout)

    signed, plain = f'{peer.name}.signed.example', f'{peer.name}.plain.example'
    delivered(f'good.{signed}', 'dane')
    delivered(f'aliased.{signed}', 'dane')
    delivered(f'pkix.{signed}', 'none')  # RFC 7672 §3.1.3: of no use, and encryption all the same
    waits(f'changed.{signed}', 'no TLSA record fits')
    delivered(f'issued.{signed}', 'dane')
    waits(f'issued-for-others.{signed}', 'the certificate is for another name')
    delivered(f'enforced.{plain}', 'sts')
    waits(f'misnamed.{plain}', 'MTA-STS: its certificate is for another name')
    waits(f'stranger.{plain}', 'does not name this host')
    delivered(f'testing.{plain}', 'none')

    changed = f'changed.{signed}'
    knot.replace('signed.example', f'_25._tcp.mx.{changed}', 'TLSA', SIGNED['good'].format(key=key_digest(peer.certificate)))
    wait(lambda: retried(server, changed) and with_subject(peer.messages(), changed), 20)
    delivered(changed, 'dane')


def retried(server, domain):
    """Has what waits for the domain tried again."""
    for line in server.run('queue', 'list').stdout.splitlines():
        if f'bob@{domain}' in line:
            server.run('queue', 'retry', line.split()[0])
    return True


def have_all_send(peers):
    for peer in peers:
        for domain in (DANE, ASTRAY, STS, LURED):
            if domain in peer.sends_to:
                peer.submit(f'bob@good.{peer.name}.signed.example', [f'alice@{domain}'], letter(f'{peer.name} to {domain}', sender=f'bob@good.{peer.name}.signed.example'))


def judge_received(ours, peers, knot, tlsa):
    def delivered(peer, domain, how):
        got = wait(lambda: with_subject(ours.messages(), f'{peer.name} to {domain}'))
        check(f'{peer.name} to {domain}: we have it, by TLS', len(got) == 1 and b'ESMTPS' in header_of(got[0]), peer.words())
        check(f'{peer.name} to {domain}: it says {how}', wait(lambda: peer.sent_securely(domain), 10), peer.text())

    def waits(peer, domain):
        check(f'{peer.name} to {domain}: waits', wait(lambda: peer.deferred(domain)), peer.words())
        check(f'{peer.name} to {domain}: we have nothing of it', not with_subject(ours.messages(), f'{peer.name} to {domain}'))

    how = {'postfix': 'that it has verified us', 'exim': 'DANE', 'opensmtpd': 'that it was taken'}
    for peer in peers:
        for domain in peer.sends_to:
            if domain in (DANE, STS):
                delivered(peer, domain, how[peer.name])
    for peer in peers:
        for domain in peer.sends_to:
            if domain in (ASTRAY, LURED):
                waits(peer, domain)
    knot.replace('signed.example', f'_25._tcp.mx.{ASTRAY}', 'TLSA', tlsa)
    knot.replace('plain.example', LURED, 'MX', '10 mail.example.test.')
    for peer in peers:
        for domain in peer.sends_to:
            if domain in (ASTRAY, LURED) and peer.name != 'opensmtpd':  # which tries again after minutes
                delivered(peer, domain, 'so too, once the records are right')


def play(program, packages, scratch):
    authority = Authority(scratch)
    peers = []
    for kind in PEERS:
        certified = authority.certify(kind.name, hosts_in_certificate(kind))
        peer = kind(scratch / kind.name, packages, host=kind.address, port=25, domains=names_of(kind), ours=(DANE, ASTRAY, STS, LURED), certified=certified)
        peer.authority = peer.folder / 'ca.pem'
        peer.authority.write_bytes(authority.certificate.read_bytes())
        peers.append(peer)
    peers[0].sends_to, peers[1].sends_to, peers[2].sends_to = (DANE, ASTRAY, STS, LURED), (DANE, ASTRAY), (STS, LURED)
    chain, key = authority.certify('ours', ['mail.example.test', f'mta-sts.{STS}', f'mta-sts.{LURED}'])
    listeners = [('smtp', 'starttls', False), ('submission', 'starttls', True), ('imap', 'starttls', True), ('https', 'implicit', False)]
    with Server(program, listeners, extra=f'\n[relay]\nauthorities = "{authority.certificate}"\n') as server:
        text = server.config.read_text()
        for name, path in (('certificate', chain), ('private_key', key)):
            text = re.sub(rf'(?m)^{name} = .*$', f'{name} = "{path}"', text)
        for protocol, port in (('smtp', 25), ('https', 443)):
            text = text.replace(f'protocol = "{protocol}"\naddress = "127.0.0.1:0"', f'protocol = "{protocol}"\naddress = "{OURS}:{port}"')
        server.config.write_text(text)
        for domain in (ASTRAY, STS, LURED):
            assert server.run('domain', 'add', domain).returncode == 0
        server.add_account(ALICE, PASSWORD)
        for domain in (ASTRAY, STS, LURED):
            assert server.run('alias', 'add', f'alice@{domain}', ALICE).returncode == 0
        printed = {domain: server.run('dns', domain, '--address', OURS).stdout for domain in (DANE, STS, LURED)}
        tlsa = re.search(r'^_25\._tcp\.mail\.example\.test\. .* TLSA (3 1 1 [0-9a-f]+)$', printed[DANE], re.M)
        check('the TLSA record that is printed is of the certificate', tlsa and tlsa[1] == f'3 1 1 {key_digest(chain)}', printed[DANE])
        policies = write_zones(scratch, peers, printed, authority.certificate)
        web = PolicyHost(authority.certify('web', [f'mta-sts.{domain}' for domain in policies]), policies, (POLICIES, 443))
        signed = ('signed.example', 'example.test')
        with Knot(scratch, (*signed, 'plain.example'), signed, host=KNOT, port=53) as knot:
            anchors = [knot.anchor(zone) for zone in signed]
            server.config.write_text(server.config.read_text() + '\n[resolver]\nservers = ["127.0.0.1:53"]\ntrust_anchors = ["' + '", "'.join(anchors) + '"]\n')
            with unbound(scratch, packages, anchors), mta_sts_resolver(scratch, packages, authority.certificate):
                server.start()
                started = []
                try:
                    for peer in peers:
                        peer.start()
                        started.append(peer)
                    if not peers[-1].tls_works():
                        print('OpenSMTPD is left out: backports are not to be had, and the TLS of Debian 12\'s own works with nobody')
                        peers.pop()
                    check('postfix-mta-sts-resolver reads the policy that we serve', policy_by_postfix(peers[0], STS) == 'secure match=mail.example.test servername=hostname',
                          policy_by_postfix(peers[0], STS))
                    ours = Account(server, ALICE, PASSWORD)
                    send_to_all(ours, peers)
                    have_all_send(peers)
                    for peer in peers:
                        judge_sent(ours, peer, knot)
                    judge_received(ours, peers, knot, tlsa[1])
                finally:
                    for peer in started:
                        peer.stop()
        web.close()


def in_a_network_of_its_own():
    """Runs this program again where nothing but loopback is, and names are asked of what listens there."""
    if os.geteuid() != 0 or subprocess.run(['unshare', '--mount', '--net', '--pid', '--fork', 'true'], capture_output=True).returncode != 0:
        print('skipped: DANE and MTA-STS with other servers: they have a network of their own, which needs root and namespaces')
        return 0
    os.execvp('unshare', ['unshare', '--mount', '--net', '--pid', '--fork', '--kill-child=SIGKILL', '--mount-proc', '--propagation', 'private',
                          sys.executable, __file__, *sys.argv[1:3], INSIDE])


def main():
    packages = Packages(sys.argv[2])
    for name in ('unbound', 'postfix-mta-sts-resolver', 'exim4-base', 'exim4-daemon-light'):  # while there is a network
        packages.archive(name)
    packages.backport('opensmtpd')
    if INSIDE not in sys.argv:
        return in_a_network_of_its_own()
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    for kind in PEERS:  # Postfix listens at what an interface has, and nowhere else
        subprocess.run(['ip', 'address', 'add', f'{kind.address}/8', 'dev', 'lo'], check=True)
    with tempfile.TemporaryDirectory(prefix='keystone-peers-', dir='/var/tmp') as scratch:
        folder = pathlib.Path(scratch)
        os.chmod(folder, 0o755)
        (folder / 'resolv.conf').write_text('nameserver 127.0.0.1\noptions edns0 trust-ad\n')
        subprocess.run(['mount', '--bind', folder / 'resolv.conf', '/etc/resolv.conf'], check=True)
        play(sys.argv[1], packages, folder)
    return check.finish()


if __name__ == '__main__':
    sys.exit(main())
