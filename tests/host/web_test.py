#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""The web of the real program: MTA-STS policies asked by curl, requests that are none, and webhooks at an HTTP server of Python."""
import hashlib
import hmac
import http.server
import json
import pathlib
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402
from loopback import wait  # noqa: E402

PASSWORD = 'a long enough password'
SECRET = 'a secret of webhooks'
POLICY = 'version: STSv1\nmode: testing\nmx: mail.example.test\nmax_age: 1209600\n'
WIRE = POLICY.replace('\n', '\r\n').encode()
program = sys.argv[1]
check = Checks()


def curl(server, url_host, path, *options, scheme='https', certificate=True):
    port = server.port(scheme)
    trust = ['--cacert', str(server.data / 'tls/certificate.pem')] if certificate else []
    return subprocess.run(['curl', '--silent', '--show-error', '--noproxy', '*', '--max-time', '20', *trust, '--resolve', f'{url_host}:{port}:127.0.0.1', *options,
                           f'{scheme}://{url_host}:{port}{path}'], capture_output=True, text=True)


def raw(server, octets):
    """What the server says to octets over TLS, until it closes."""
    context = ssl.create_default_context(cafile=server.data / 'tls/certificate.pem')
    context.set_alpn_protocols(['http/1.1'])
    with socket.create_connection(('127.0.0.1', server.port('https')), timeout=20) as plain, context.wrap_socket(plain, server_hostname='mail.example.test') as stream:
        stream.sendall(octets)
        heard = b''
        try:
            while piece := stream.recv(65536):
                heard += piece
        except (ssl.SSLError, OSError):
            pass
        return heard.decode()


def policies(server):
    got = curl(server, 'mta-sts.example.test', '/.well-known/mta-sts.txt', '--include')
    check('mta-sts: curl reads the policy of our domain, with a certificate that it checks', got.returncode == 0 and got.stdout.endswith(POLICY), got.stdout + got.stderr)
    check('mta-sts: as text/plain', 'Content-Type: text/plain' in got.stdout, got.stdout)
    check('web: over HTTP/1.1, as TLS agreed', got.stdout.startswith('HTTP/1.1 200 '), got.stdout)
    head = curl(server, 'mta-sts.example.test', '/.well-known/mta-sts.txt', '--head')
    check('web: HEAD gives the length alone', f'Content-Length: {len(WIRE)}' in head.stdout and POLICY not in head.stdout, head.stdout)
    zone = server.run('dns').stdout
    identity = hashlib.sha256(WIRE).hexdigest()[:16]
    check('mta-sts: the zone names the same policy', f'id={identity}' in zone and all(line in zone for line in POLICY.splitlines()), zone)
    assert server.run('domain', 'add', 'second.test').returncode == 0
    second = curl(server, 'mta-sts.second.test', '/.well-known/mta-sts.txt', '--insecure', '--write-out', '%{http_code}')
    check('mta-sts: a domain that is added has one at once', second.stdout == POLICY + '200', second.stdout + second.stderr)
    for host, path, status in (('mta-sts.other.test', '/.well-known/mta-sts.txt', '421'), ('mail.example.test', '/.well-known/mta-sts.txt', '404'),
                               ('mta-sts.example.test', '/../../etc/passwd', '404'), ('mail.example.test', '/', '404')):
        got = curl(server, host, path, '--insecure', '--path-as-is', '--output', '/dev/null', '--write-out', '%{http_code}')
        check(f'web: {host}{path} is {status}', got.stdout == status, got.stdout + got.stderr)
    reports = curl(server, 'mail.example.test', '/tls-reports', '--insecure', '--data', '{}', '--output', '/dev/null', '--write-out', '%{http_code}')
    check('web: TLS reports are taken only where that was asked for', reports.stdout == '404', reports.stdout + reports.stderr)
    posted = curl(server, 'mta-sts.example.test', '/.well-known/mta-sts.txt', '--data', 'x=y', '--output', '/dev/null', '--write-out', '%{http_code}')
    check('web: POST where there is GET alone is 405', posted.stdout == '405', posted.stdout + posted.stderr)
    old = curl(server, 'mta-sts.example.test', '/.well-known/mta-sts.txt', '--http1.0')
    check('web: HTTP/1.0 is answered', old.stdout == POLICY, old.stdout + old.stderr)
    untrusted = curl(server, 'mta-sts.example.test', '/.well-known/mta-sts.txt', certificate=False)
    check('web: a self-signed certificate is refused by who does not know it', untrusted.returncode == 60, untrusted)


def plain(server):
    sent = curl(server, 'mta-sts.example.test', '/.well-known/mta-sts.txt?x', '--include', scheme='http', certificate=False)
    check('web: without TLS everybody is sent to https', sent.stdout.startswith('HTTP/1.1 308 ') and
          f'Location: https://mta-sts.example.test:{server.port("https")}/.well-known/mta-sts.txt?x\n' in sent.stdout.replace('\r\n', '\n'), sent.stdout)
    other = curl(server, 'evil.test', '/', '--output', '/dev/null', '--write-out', '%{http_code}', scheme='http', certificate=False)
    check('H3: a name that is not ours is 421', other.stdout == '421', other.stdout)


def broken(server):
    host = b'Host: mail.example.test\r\n'
    for name, octets in (('a length and chunks', b'POST / HTTP/1.1\r\n' + host + b'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
                         ('a bare LF', b'GET / HTTP/1.1\n' + host + b'\r\n'), ('a folded line', b'GET / HTTP/1.1\r\n' + host + b' x: y\r\n\r\n'),
                         ('no host', b'GET / HTTP/1.1\r\n\r\n'), ('two lengths', b'POST / HTTP/1.1\r\n' + host + b'Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!')):
        heard = raw(server, octets + b'GET /smuggled HTTP/1.1\r\n' + host + b'\r\n')
        check(f'G1: {name} is 400 and the end', heard.startswith('HTTP/1.1 400 ') and heard.count('HTTP/1.1 ') == 1 and 'Connection: close' in heard, heard)
    heard = raw(server, b'GET /a HTTP/1.1\r\n' + host + b'\r\nGET /b HTTP/1.1\r\n' + host + b'Connection: close\r\n\r\n')
    check('web: two requests that come together are both answered', heard.count('HTTP/1.1 404 ') == 2, heard)
    check('web: and are in the log', wait(lambda: 'event=web.request' in server.log() and 'path=/b' in server.log()), server.log()[-2000:])


class Listening(http.server.BaseHTTPRequestHandler):
    """Keeps what it is sent; answers what the test says."""
    status, requests, paths = 200, [], []

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        Listening.requests.append((dict(self.headers), body))
        Listening.paths.append(self.path)
        self.send_response(Listening.status)
        self.send_header('Content-Length', '0')
        self.end_headers()

    def log_message(self, *_):
        pass


def events():
    return [event for _, body in Listening.requests for event in json.loads(body)['events']]


def submit(server, recipients):
    with smtplib.SMTP('127.0.0.1', server.port('submission'), timeout=20) as client:
        client.login('alice@example.test', PASSWORD)
        client.sendmail('alice@example.test', recipients, 'From: alice@example.test\r\nMessage-ID: <hooked@example.test>\r\nSubject: hello\r\n\r\nText.\r\n')


def webhooks():
    listening = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Listening)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    folder = tempfile.mkdtemp(prefix='keystone-webhook-')
    secret = pathlib.Path(folder) / 'secret'
    secret.write_text(SECRET + '\n')
    with Server(program, listeners=[('smtp', 'none', False)]) as there:
        assert there.run('domain', 'add', 'dest.test').returncode == 0
        there.add_account('bob@dest.test', PASSWORD)
        there.start()
        with socket.socket() as closed:
            closed.bind(('127.0.0.1', 0))
            extra = (f'\n[relay]\nroutes = {{ "dest.test" = "127.0.0.1:{there.port("smtp")}", "down.test" = "127.0.0.1:{closed.getsockname()[1]}" }}\n'
                     f'\n[[webhook]]\nurl = "http://127.0.0.1:{listening.server_port}/hook"\nsecret = {{ file = "{secret}" }}\n')
            with Server(program, listeners=[('submission', 'none', True)], extra=extra) as here:
                here.add_account('alice@example.test', PASSWORD)
                here.start()
                told(here, listening)
    shutil.rmtree(folder)
    listening.shutdown()


def told(here, listening):
    submit(here, ['bob@dest.test', 'nobody@dest.test', 'x@down.test'])
    check('webhook: each recipient has its event', wait(lambda: sorted((e['event'], e['recipient']) for e in events()) ==
          [('delayed', 'x@down.test'), ('delivered', 'bob@dest.test'), ('failed', 'nobody@dest.test')]), (events(), here.log()[-2000:]))
    by_name = {event['event']: event for event in events()}
    delivered = by_name.get('delivered', {})
    check('webhook: with who, what and where', delivered.get('sender') == 'alice@example.test' and delivered.get('message_id') == '<hooked@example.test>' and
          delivered.get('login') == 'alice@example.test' and delivered.get('reply', '').startswith('250 '), delivered)
    check('webhook: a failure has the words of the other server', '550' in by_name.get('failed', {}).get('reply', ''), by_name)
    signed = all(hmac.compare_digest(headers['Keystone-Signature'], 'sha256=' + hmac.new(SECRET.encode(), body, 'sha256').hexdigest()) for headers, body in Listening.requests)
    check('webhook: every request is signed with the secret', signed and Listening.requests != [])

    Listening.requests.clear()
    Listening.status = 503
    submit(here, ['bob@dest.test'])
    check('webhook: mail does not wait for a hook that fails', wait(lambda: 'relay.delivered' in here.log() and here.log().count('relay.delivered') == 2), here.log()[-2000:])
    check('webhook: what it did not take is in the log', wait(lambda: 'event=webhook.failed' in here.log()), here.log()[-2000:])
    here.kill()
    Listening.requests.clear()
    Listening.status = 200
    here.start()
    check('webhook: and is sent after a crash, once the hook takes it', wait(lambda: [e['event'] for e in events() if e['recipient'] == 'bob@dest.test'] == ['delivered']),
          (events(), here.log()[-2000:]))
    here.config.write_text(here.config.read_text().replace('/hook"', '/other"'))
    done = here.run('reload')
    submit(here, ['bob@dest.test'])
    check('webhook: another URL is told from a reload on', done.returncode == 0 and wait(lambda: '/other' in Listening.paths), (done, Listening.paths))
    check('webhook: SIGTERM ends the server in time', here.stop() == 0)


with Server(program, listeners=[('https', 'implicit', False), ('http', 'none', False), ('smtp', 'starttls', False)],
            extra='\n[mta_sts]\nmode = "testing"\nmax_age = "14d"\n') as server:
    server.start()
    policies(server)
    plain(server)
    broken(server)
webhooks()
sys.exit(check.finish())
