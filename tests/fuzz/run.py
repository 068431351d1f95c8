#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Runs one fuzz target: first over its corpus, then on new inputs for KEYSTONEMAIL_FUZZ_SECONDS.

New inputs go to a scratch folder; what breaks the target is left beside its program for `fuzz_NAME FILE`.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

program, corpus, dictionary = (pathlib.Path(word) for word in sys.argv[1:4])
seconds = os.environ.get('KEYSTONEMAIL_FUZZ_SECONDS', '4')
with tempfile.TemporaryDirectory() as fresh:
    command = [program, fresh, f'-max_total_time={seconds}', '-timeout=60', '-rss_limit_mb=2048', '-print_final_stats=1',
               '-max_len=65536', f'-artifact_prefix={program}-crash-']
    if corpus.is_dir():
        command.insert(2, corpus)
    if dictionary.is_file():
        command.append(f'-dict={dictionary}')
    result = subprocess.run(command, text=True, errors='replace', stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
print('\n'.join(result.stdout.splitlines()[-30:]))
ok = result.returncode == 0
print(f'{int(ok)} passed, {int(not ok)} failed')
sys.exit(not ok)
