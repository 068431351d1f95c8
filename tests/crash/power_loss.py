#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""T2: runs the power-loss check (power_loss.cpp) and its negative control: without syncs, mail must be lost.

    power_loss.py PROGRAM SHIM [STATES] [SEED]      the long form has 50000 states or more
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks  # noqa: E402

PROGRAM, SHIM = sys.argv[1:3]
STATES = int(sys.argv[3]) if len(sys.argv) > 3 else 600
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else int(time.time())
check = Checks()


def states(count, nosync):
    with tempfile.TemporaryDirectory(prefix='keystone-power-', dir='/dev/shm' if os.path.isdir('/dev/shm') else None) as scratch:
        folder, trace = pathlib.Path(scratch) / 'work', pathlib.Path(scratch) / 'trace'
        folder.mkdir()
        environment = dict(os.environ, LD_PRELOAD=SHIM, KEYSTONEMAIL_IO_DIR=str(folder), KEYSTONEMAIL_IO_TRACE=str(trace))
        if nosync:
            environment['KEYSTONEMAIL_IO_NOSYNC'] = '1'
        work = subprocess.run([PROGRAM, 'workload', str(folder), str(SEED)], env=environment, text=True, capture_output=True)
        if work.returncode:
            return None, work.stdout + work.stderr
        shutil.rmtree(folder)
        out = subprocess.run([PROGRAM, 'check', str(trace), str(folder), str(count), str(SEED)], text=True, capture_output=True)
        found = re.search(r'states=(\d+) lost=(\d+) corrupt=(\d+) unopenable=(\d+)', out.stdout)
        return (tuple(int(n) for n in found.groups()) if found else None), out.stdout + out.stderr


print(f'seed {SEED}')
result, detail = states(STATES, nosync=False)
print(detail.strip().splitlines()[-1] if detail.strip() else '')
check(f'T2: {STATES} disk states after power loss: nothing lost, nothing corrupt, all open',
      result and result[0] >= STATES and result[1:] == (0, 0, 0), detail)
control, detail = states(min(STATES, 300), nosync=True)
print(f'control without syncs: {control}')
check('T2: the control without syncs does lose mail', control and sum(control[1:]) > control[0] * 0.2, detail)
sys.exit(check.finish())
