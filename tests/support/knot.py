# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Debian's Knot DNS, for tests that ask a real name server."""
import re
import subprocess

from loopback import free_port, wait

# What comes before the zones: one folder for everything, one address.
KNOT_SERVER = '''
server:
  rundir: {directory}
  listen: {host}@{port}
log:
  - target: stderr
    any: warning
database:
  storage: {directory}
template:
  - id: default
    storage: {directory}
    file: "%s.zone"
policy:
  - id: quick
    algorithm: ecdsap256sha256
    nsec3: {nsec3}
'''


class Knot:
    """Serves the zones whose files, NAME.zone, are in the directory; signs those that are `signed`."""

    def __init__(self, directory, zones, signed=(), nsec3='off', host='127.0.0.1', port=None):
        self.host, self.port = host, port or free_port(host)
        self.address = f'{self.host}:{self.port}'
        self.configuration = directory / 'knot.conf'
        text = KNOT_SERVER.format(directory=directory, host=host, port=self.port, nsec3=nsec3) + 'zone:\n'
        for zone in zones:
            text += f'  - domain: {zone}\n' + ('    dnssec-signing: on\n    dnssec-policy: quick\n' if zone in signed else '')
        self.configuration.write_text(text)
        self.process = subprocess.Popen(['knotd', '-c', self.configuration], stderr=subprocess.DEVNULL)
        for zone in zones:
            if not wait(lambda: ('RRSIG' if zone in signed else 'SOA') in self.dig(zone, 'SOA'), 20):
                self.stop()
                raise RuntimeError(f'knotd does not serve {zone}')

    def dig(self, name, kind):
        return subprocess.run(['kdig', '+dnssec', '+timeout=1', f'@{self.host}', '-p', str(self.port), name, kind],
                              capture_output=True, text=True).stdout

    def control(self, *words):
        return subprocess.run(['knotc', '-c', self.configuration, '-b', *words], capture_output=True, text=True, timeout=30).stdout

    def replace(self, zone, name, kind, data):
        """Another record in the place of what was there, signed as the zone is."""
        self.control('zone-begin', zone)
        self.control('zone-unset', zone, f'{name}.', kind)
        self.control('zone-set', zone, f'{name}.', '1', kind, *data.split())
        self.control('zone-commit', zone)

    def anchor(self, zone):
        records = subprocess.run(['keymgr', '-c', self.configuration, zone, 'ds'], capture_output=True, text=True, timeout=30).stdout
        found = re.search(rf'^{re.escape(zone)}\. DS (\d+ \d+ 2 [0-9A-Fa-f]+)$', records, re.M)
        return f'{zone}. IN DS {found[1]}' if found else ''

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
