#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""I3: a server that was started as root keeps nothing of it. Argument: the program."""
import os
import pathlib
import re
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402

check = Checks()


def fields(pid):
    return [dict(re.findall(r'^(\w+):[ \t]*(.*)$', (task / 'status').read_text(), re.M))
            for task in pathlib.Path(f'/proc/{pid}/task').iterdir()]


root = os.geteuid() == 0
with tempfile.TemporaryDirectory(dir=os.environ.get('KEYSTONEMAIL_TEST_DIR', '/var/tmp')) as folder:
    os.chmod(folder, 0o755)  # the user it becomes has to reach the data
    with Server(sys.argv[1], folder=folder) as server:
        if root:
            server.config.write_text('user = "nobody"\n' + server.config.read_text())
        server.start()
        tasks = fields(server.process.pid)
        check('I3: no thread has an effective capability', all(int(task['CapEff'], 16) == 0 for task in tasks), tasks)
        check('I3: no thread is root', all('0' not in task['Uid'].split() for task in tasks) or not root, tasks)
        check('I3: no thread can gain privileges', all(task['NoNewPrivs'] == '1' for task in tasks) or not root, tasks)
        check('I3: no group of root is left', all(task['Groups'].split() == [] for task in tasks) or not root, tasks)

sys.exit(check.finish())
