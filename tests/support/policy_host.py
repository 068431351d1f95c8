# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""A web server that gives MTA-STS policies (RFC 8461 §3.2)."""
import http.server
import ssl
import threading


def server_context(certified):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certified)
    return context


def policy(mode, *hosts, max_age=86400):
    return ''.join(f'{line}\r\n' for line in ('version: STSv1', f'mode: {mode}', *(f'mx: {host}' for host in hosts), f'max_age: {max_age}'))


class PolicyHost(http.server.ThreadingHTTPServer):
    """Serves `policies`, by domain; keeps the (host, path) it was asked for. Ends with the program, or by close()."""
    daemon_threads = True

    def __init__(self, certified, policies, address=('127.0.0.1', 0)):
        self.policies, self.asked = policies, []
        super().__init__(address, Handler)
        self.socket = server_context(certified).wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        host = self.headers['Host'].split(':')[0]
        self.server.asked.append((host, self.path))
        text = self.server.policies.get(host.removeprefix('mta-sts.')) if self.path == '/.well-known/mta-sts.txt' else None
        self.send_response(404 if text is None else 200)
        self.send_header('Content-Type', 'text/plain')
        self.send_header('Content-Length', str(len((text or '').encode())))
        self.end_headers()
        self.wfile.write((text or '').encode())

    def log_message(self, *_):
        pass
