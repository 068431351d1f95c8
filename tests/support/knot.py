# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""How Debian's Knot is set up by tests that ask a real name server."""

# What comes before the zones, to be formatted with `directory` and `port`: one folder for everything, one port on loopback.
KNOT_SERVER = '''
server:
  rundir: {directory}
  listen: 127.0.0.1@{port}
log:
  - target: stderr
    any: warning
database:
  storage: {directory}
template:
  - id: default
    storage: {directory}
    file: "%s.zone"
'''
