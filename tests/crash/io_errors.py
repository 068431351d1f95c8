#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""T3: fails the k-th file operation of a session with the store (io_errors.cpp), for every k, and checks what is left.

    io_errors.py PROGRAM SHIM [STEP]     every STEP-th k; the long form has 1
"""
import concurrent.futures
import errno
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

PROGRAM, SHIM = sys.argv[1:3]
STEP = int(sys.argv[3]) if len(sys.argv) > 3 else 1
# Each mode begins at another k, so that the short form meets more of them.
FAULTS = [(code, mode) for code in ('EIO', 'ENOSPC', 'EDQUOT') for mode in ('once', 'sticky', 'short')]
FAULTS.append(('EINTR', 'once'))  # and not for ever: that would not be a signal


def session(folder, fault, count=None):
    environment = dict(os.environ, LD_PRELOAD=SHIM, KEYSTONEMAIL_IO_DIR=str(folder), KEYSTONEMAIL_IO_FAIL=fault)
    if count:
        environment['KEYSTONEMAIL_IO_COUNT'] = str(count)
    return subprocess.run([PROGRAM, 'session', str(folder)], env=environment, text=True, errors='replace', capture_output=True,
                          timeout=120)


def attempt(scratch, code, mode, k):
    """What is wrong after this fault, or None; and how many steps were acknowledged."""
    folder = pathlib.Path(scratch) / f'{code}-{mode}-{k}'
    folder.mkdir()
    try:
        out = session(folder, f'{k}:{getattr(errno, code)}:{mode}')
        ledger = folder / 'ledger'
        done = ledger.read_text().count('done ') if ledger.exists() else 0
        if out.returncode:
            return f'the session ended with {out.returncode}: {out.stderr[-300:]}', done
        checked = subprocess.run([PROGRAM, 'check', str(folder)], text=True, errors='replace', capture_output=True, timeout=120)
        if checked.returncode:
            return f'{checked.returncode}: {checked.stdout[:600]}{checked.stderr[-300:]}', done
        return None, done
    except subprocess.TimeoutExpired:
        return 'it hung', 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix='keystone-io-', dir='/dev/shm' if os.path.isdir('/dev/shm') else None) as scratch:
        clean = pathlib.Path(scratch) / 'clean'
        clean.mkdir()
        session(clean, '0:0:once', pathlib.Path(scratch) / 'count')
        operations = int((pathlib.Path(scratch) / 'count').read_text())
        everything = (clean / 'ledger').read_text().count('done ')
        print(f'{operations} file operations, {everything} acknowledgements in a session without faults')
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for number, (code, mode) in enumerate(FAULTS):
                points = range(1 + number % STEP, operations + 1, STEP)
                results = list(pool.map(lambda k: attempt(scratch, code, mode, k), points))
                wrong = [(k, what) for k, (what, _) in zip(points, results) if what]
                fewer = sum(done < everything for _, done in results)
                ok = not wrong and fewer > 0
                passed, failed = passed + ok, failed + (not ok)
                print(f'{"ok" if ok else "FAIL":<5} T3: {code} {mode}: {len(points)} faults, {fewer} of them refused something; '
                      f'{len(wrong)} left something wrong', flush=True)
                for k, what in wrong[:10]:
                    print(f'      k={k}: {what}')
    print(f'{passed} passed, {failed} failed')
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
