# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Runs the real keystone-mail on loopback with free ports, for tests that talk to it from outside.

    with Server(program) as server:
        server.add_account('alice@example.test', 'a long enough password')
        server.start()
        server.port('smtp')
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from loopback import wait

DEFAULT_LISTENERS = [
    ('smtp', 'starttls', False), ('submission', 'starttls', True), ('submissions', 'implicit', False),
    ('imap', 'starttls', True), ('imaps', 'implicit', False), ('lmtp', 'none', False),
]


class Server:
    def __init__(self, program, listeners=DEFAULT_LISTENERS, folder=None, extra='', trusted=True, environment=None, data=None):
        self.program = str(program)
        self.owned = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix='keystone-test-', dir=os.environ.get('KEYSTONEMAIL_TEST_DIR', '/var/tmp')))
        self.config = self.folder / 'keystone-mail.toml'
        self.data = pathlib.Path(data) if data else self.folder / 'data'
        self.process = None
        self.ports = {}
        self.lines = []
        self.environment = dict(os.environ, **(environment or {}))
        out = self.run('init', '--config', self.config, '--hostname', 'mail.example.test', '--domain', 'example.test',
                       '--data', self.data, '--self-signed', configured=False)
        assert out.returncode == 0, out.stdout + out.stderr
        self.write_config(listeners, extra, trusted)

    def write_config(self, listeners, extra='', trusted=True):
        text = self.config.read_text()
        text = re.sub(r'(?ms)^\[\[listener\]\].*?(?=^\[|\Z)', '', text)
        text = re.sub(r'(?ms)^\[limits\].*?(?=^\[|\Z)', '', text)
        for protocol, tls, plaintext in listeners:
            text += f'\n[[listener]]\nprotocol = "{protocol}"\naddress = "127.0.0.1:0"\ntls = "{tls}"\n'
            if plaintext:
                text += 'allow_plaintext_auth = true\n'
        if trusted:
            text += '\n[limits]\ntrusted = ["127.0.0.0/8"]\n'
        if '[relay]' not in extra:
            text += '\n[relay]\nenabled = false\n'  # no test sends mail to the world
        self.config.write_text(text + extra)

    def run(self, *words, configured=True, stdin=None):
        command = [self.program, *(['--config', str(self.config)] if configured else []), *map(str, words)]
        return subprocess.run(command, text=True, input=stdin, capture_output=True, env=self.environment, timeout=120)

    def add_account(self, login, password):
        out = self.run('account', 'add', login, '--password-stdin', stdin=password + '\n')
        assert out.returncode == 0, out.stdout + out.stderr

    def add_account_with_app_password(self, login, password):
        """Returns one, which costs next to nothing to check: for tests that log in again and again."""
        self.add_account(login, password)
        out = self.run('account', 'app-password', 'add', login, '--name', 'test', '--json')
        assert out.returncode == 0, out.stdout + out.stderr
        return json.loads(out.stdout)['app_password']

    def start(self, seconds=20, command_prefix=()):
        self.lines = []
        self.process = subprocess.Popen([*command_prefix, self.program, '--config', str(self.config), 'serve'], env=self.environment,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        errors='replace')
        ready = threading.Event()
        threading.Thread(target=self._read, args=(self.process, ready), daemon=True).start()
        deadline = time.monotonic() + seconds
        while not ready.wait(0.05):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError('the server did not become ready:\n' + ''.join(self.lines[-30:]))
        return self

    def _read(self, process, ready):
        for line in process.stderr:
            self.lines.append(line)
            if not ready.is_set() and re.search(r'\bready\b', line):
                found = re.findall(r'\b([a-z]+)="?(127\.0\.0\.1:\d+|\[::1\]:\d+)', line)
                if found:
                    self.ports = {protocol: int(address.rsplit(':', 1)[1]) for protocol, address in found}
                    ready.set()

    def port(self, protocol):
        return self.ports[protocol]

    def stop(self, seconds=20):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        code = self.process.returncode if self.process else 0
        self.process = None
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()

    def log(self):
        return ''.join(self.lines)

    def logged(self, *words, seconds=10):
        """Whether all of these are in one line of the log, or are in time: it is read beside the test."""
        return wait(lambda: any(all(word in line for word in words) for line in self.log().splitlines()), seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            if self.owned:
                shutil.rmtree(self.folder, ignore_errors=True)


class Checks:
    """Counts claims and prints a line for each; the last line is `N passed, N failed`."""

    def __init__(self):
        self.passed = self.failed = 0

    def __call__(self, title, ok, detail=''):
        print(f'{"ok" if ok else "FAIL":<5} {title}', flush=True)
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            if detail:
                print('      ' + str(detail).replace('\n', '\n      ')[-3000:], flush=True)
        return bool(ok)

    def finish(self):
        print(f'{self.passed} passed, {self.failed} failed')
        return 1 if self.failed else 0
