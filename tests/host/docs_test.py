#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""host/docs and README.md: every keystone-mail command in them is run, every key is one, every link leads somewhere.

    docs_test.py PROGRAM            the tests
    docs_test.py PROGRAM --write    writes host/docs/configuration.md anew from `help config`

The pages' paths are taken to a folder of the test's own, the commands run in the order of the pages beside a real server.
"""
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests/support'))
from keystone import Checks  # noqa: E402

DOCS = ROOT / 'host/docs'
PAGES = ['install.md', 'first-server.md', 'forwarding.md', 'vacation.md', 'configuration.md', 'policy.md', 'filters.md', 'logs.md', 'trust.md', 'reports.md', 'troubleshooting.md', 'security.md', 'backup.md', 'upgrading.md']
OFFLINE = {'restore', 'import', 'export', 'init'}          # what says that no server may run
program = os.path.abspath(sys.argv[1])
check = Checks()


def blocks(text, language):
    return re.findall(rf'^```{language}\n(.*?)^```', text, re.M | re.S)


def commands(text):
    """The keystone-mail command lines of a page's sh blocks."""
    for block in blocks(text, 'sh'):
        for line in block.splitlines():
            if line.startswith('keystone-mail '):
                yield line


def configuration_page():
    listing = subprocess.run([program, 'help', 'config'], capture_output=True, text=True, check=True).stdout
    return f'''# Configuration

One TOML file, `/etc/keystone-mail/keystone-mail.toml` unless `--config` names another. A key that is not known is an error, with the
nearest one as a suggestion. `keystone-mail check` reads the file and all it names without starting anything.

`keystone-mail reload`, or SIGHUP, has a running server read it again, without dropping a connection or a message. What changes holds at
once, for connections to come, and for mail that waits as for mail that comes (`queue.lifetime_hours` for what comes alone). These need a restart: `hostname`, `primary_domain`,
`data_directory`, `user`, `loops`, `[[listener]]`, `[directory]`, `[store]`, `[resolver]`, `[reports]`, and of `[relay]` the keys
`enabled`, `authorities`, `mta_sts` and `mta_sts_port`; where one of them was changed, all else is taken, and `reload` names it and
ends with 1. A bad file changes nothing: the server goes on with what it has, and `reload` says why.

Secrets are not in the file. A key that takes one names where it is: `{{ file = "..." }}` or `{{ env = "..." }}`.

```toml
hostname = "mail.example.org"
primary_domain = "example.org"
data_directory = "/var/lib/keystone-mail"

[tls]
certificate = "/etc/keystone-mail/fullchain.pem"
private_key = {{ file = "/etc/keystone-mail/key.pem" }}

[limits]
message_size = 104857600
```

Without any `[[listener]]` the server listens on all addresses at ports 25, 587, 465, 143, 993 and 443. With one it listens at those that
are named, and no others:

```toml
[[listener]]
protocol = "imaps"
address = "[::]:993"

[[listener]]
protocol = "lmtp"
address = "127.0.0.1:24"
```

Listeners of protocol `https` give the MTA-STS policies of the server's domains (`[mta_sts]`), one of protocol `http` sends people there.

Programs of your own hear what becomes of mail for elsewhere, and of accounts that are suspended, by a `[[webhook]]`; its requests are described in
[lib/service/webhook/FORMAT.md](../../lib/service/webhook/FORMAT.md):

```toml
[[webhook]]
url = "https://tickets.example.org/mail-events"
events = ["delivered", "failed"]
secret = {{ file = "/etc/keystone-mail/webhook-secret" }}
```

## All keys

As `keystone-mail help config` prints them:

```
{listing}```
'''


class Place:
    """The pages' paths, and where they are in this test."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        for name in ('etc', 'var/lib', 'var/backups'):  # as on a machine where it was just installed
            (self.folder / name).mkdir(parents=True)
        self.config = self.folder / 'etc/keystone-mail/keystone-mail.toml'
        self.server = None
        self.log = None

    def words(self, line):
        placed = re.sub(r'(?<=[ "])/(etc|var)/', f'{self.folder}/\\1/', line)
        words = shlex.split(placed)[1:]
        return words if '--config' in words else ['--config', str(self.config), *words]

    def run(self, line):
        return subprocess.run([program, *self.words(line)], input='a long enough passphrase\n', capture_output=True, text=True, timeout=120)

    def start(self):
        if self.server:
            return
        text = self.config.read_text()
        if '[[listener]]' not in text:
            listeners = ''.join(f'\n[[listener]]\nprotocol = "{protocol}"\naddress = "127.0.0.1:0"\n' for protocol in ('smtp', 'imaps'))
            self.config.write_text(text + listeners)
        self.log = open(self.folder / 'log', 'w+')
        self.server = subprocess.Popen([program, '--config', str(self.config), 'serve'], stderr=self.log)
        deadline = time.monotonic() + 30
        while 'ready' not in (self.folder / 'log').read_text() and time.monotonic() < deadline and self.server.poll() is None:
            time.sleep(0.05)

    def stop(self):
        if self.server:
            self.server.terminate()
            self.server.wait(30)
            self.server = None


def test_commands():
    with tempfile.TemporaryDirectory(dir=os.environ.get('KEYSTONEMAIL_TEST_DIR', '/var/tmp')) as folder:
        place = Place(folder)
        try:
            for page in PAGES:
                for line in commands((DOCS / page).read_text()):
                    verb = shlex.split(line)[1]
                    if verb == 'serve':
                        place.start()
                        check(f'{page}: {line}', place.server.poll() is None, (place.folder / 'log').read_text())
                        continue
                    if verb in OFFLINE:
                        place.stop()
                    elif place.config.exists() and page != 'first-server.md' and verb != '--version':
                        place.start()
                    out = place.run(line)
                    check(f'{page}: {line}', out.returncode == 0, out.stdout + out.stderr)
        finally:
            place.stop()


def known_keys():
    """{(section, key)} of `help config`."""
    section, keys = '', set()
    for line in subprocess.run([program, 'help', 'config'], capture_output=True, text=True).stdout.splitlines():
        if heading := re.match(r'\[+([a-z._]+)\]', line):
            section = heading[1]
        elif key := re.match(r'([a-z_]+) = ', line):
            keys.add((section, key[1]))
    return keys


def test_keys():
    known = known_keys()
    for page in [*PAGES, 'README.md']:
        for block in blocks((DOCS / page).read_text(), 'toml'):
            section = ''
            for line in block.splitlines():
                if heading := re.match(r'\[+([a-z._]+)\]', line):
                    section = heading[1]
                elif key := re.match(r'([a-z_]+) = ', line):
                    check(f'{page}: [{section}] {key[1]} is a key', (section, key[1]) in known)
        for section, key in re.findall(r'`\[(\w+)\] (\w+)`', (DOCS / page).read_text()):
            check(f'{page}: [{section}] {key} is a key', (section, key) in known)


def test_mentions():
    """Commands within a sentence: there is such a command, with such options."""
    for page in [DOCS / page for page in [*PAGES, 'README.md']] + [ROOT / 'README.md']:
        for mention in sorted(set(re.findall(r'`keystone-mail ([a-z][^`]*)`', page.read_text()))):
            words = [word for word in mention.split() if not re.fullmatch(r'[A-Z]+|NAME|…|\.\.\.', word)]
            path = [word for word in words if not word.startswith('-')]
            out = subprocess.run([program, *path, '--help'], capture_output=True, text=True)
            options = [word for word in words if word.startswith('--')]
            check(f'{page.name}: keystone-mail {mention} is a command', out.returncode == 0 and all(option in out.stdout for option in options),
                  out.stdout + out.stderr)


def test_two_commands():
    """What README.md shows first is there to be run, and says so itself."""
    first = re.search(r'```\n(.*?)```', (ROOT / 'README.md').read_text(), re.S)[1]
    for line in first.splitlines():
        command = ROOT / line.split()[0]
        check(f'README.md: {line.split()[0]} can be run', os.access(command, os.X_OK) and '#   ' in command.read_text())


def heading_anchor(text):
    return re.sub(r'[^\w\- ]', '', text.strip().lower()).replace(' ', '-')


def test_links():
    for page in [*DOCS.glob('*.md'), ROOT / 'README.md', *(ROOT / 'lib').rglob('*.md')]:
        text = re.sub(r'```.*?```', '', page.read_text(), flags=re.S)
        dead = []
        for target in re.findall(r'\]\(([^)\s]+)\)', text):
            path, _, anchor = target.partition('#')
            if re.match(r'[a-z]+:', target):
                continue
            to = (page.parent / path).resolve() if path else page
            anchors = {heading_anchor(line.lstrip('#')) for line in to.read_text().splitlines() if line.startswith('#')} if anchor and to.is_file() else set()
            if not to.exists() or (anchor and anchor not in anchors):
                dead.append(target)
        check(f'{page.relative_to(ROOT)}: its links lead somewhere', not dead, dead)


def test_packages():
    quickstart = re.search(r'^packages=\((.*?)\)', (ROOT / 'host/quickstart').read_text(), re.M | re.S)[1].split()
    installed = re.search(r'apt-get install -y (.*)', (DOCS / 'install.md').read_text())[1].split()
    check('install.md and host/quickstart install the same packages', set(quickstart) == set(installed), set(quickstart) ^ set(installed))


def test_configuration_page():
    check('configuration.md is what --write would make of it', (DOCS / 'configuration.md').read_text() == configuration_page())
    listed = set(re.findall(r'\]\(([a-z-]+\.md)\)', (DOCS / 'README.md').read_text()))
    check('every page is in the list of host/docs/README.md', listed == {page.name for page in DOCS.glob('*.md')} - {'README.md'} == set(PAGES), listed)


if sys.argv[2:] == ['--write']:
    (DOCS / 'configuration.md').write_text(configuration_page())
    sys.exit(0)
test_configuration_page()
test_packages()
test_two_commands()
test_links()
test_keys()
test_mentions()
test_commands()
sys.exit(check.finish())
