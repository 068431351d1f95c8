#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""I1: the program is hardened as built. I2: what invites memory errors is not in the code. Argument: the program."""
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = sys.argv[1]
check = Checks()


def readelf(*flags):
    return subprocess.run(['readelf', '-W', *flags, PROGRAM], text=True, capture_output=True).stdout


header, segments, dynamic, symbols = (readelf(flag) for flag in ('-h', '-l', '-d', '--dyn-syms'))
check('I1: position-independent', re.search(r'Type:\s+DYN', header))
check('I1: relocations are read-only (full RELRO)', 'GNU_RELRO' in segments and re.search(r'BIND_NOW|FLAGS_1.*NOW', dynamic), dynamic)
stack = re.search(r'GNU_STACK.*', segments)
check('I1: the stack is not executable', stack and 'RWE' not in stack[0], stack)
check('I1: no segment is writable and executable', not re.search(r'LOAD.*\bRWE\b', segments), segments)
check('I1: stack protector', '__stack_chk_fail' in symbols)
check('I1: fortified libc calls', re.search(r'__\w+_chk\b', symbols.replace('__stack_chk_fail', '')))
# The linker sets the file's mark only when the system's start files have it too, which Debian's have not: count the
# landing pads of indirect branches instead. Machines other than x86-64 have other means.
landing_pads = pathlib.Path(PROGRAM).read_bytes().count(b'\xf3\x0f\x1e\xfa')
check('I1: control-flow protection', landing_pads > 1000 or 'X86-64' not in header, landing_pads)
undefined = set(re.findall(r'UND (\w+)', symbols))
check('I1: assertions are compiled in', any('assert' in name for name in undefined), undefined)
banned = {'strcpy', 'strcat', 'sprintf', 'vsprintf', 'gets', 'strtok', 'system', 'popen', 'execv', 'execve', 'execvp', 'mktemp', 'tmpnam'}
check('I1: none of the dangerous libc calls is linked', not undefined & banned, undefined & banned)

found = []
for path in sorted((ROOT / 'lib').rglob('*.[hc]pp')) + sorted((ROOT / 'include').rglob('*.hpp')):
    for number, line in enumerate(path.read_text(errors='replace').splitlines(), 1):
        code = line.split('//')[0]
        if re.search(r'\bnew\s+\w[\w:]*\s*\[', code) or re.search(r'\b(strcpy|strcat|sprintf|gets|alloca)\s*\(', code):
            found.append(f'{path.relative_to(ROOT)}:{number}: {line.strip()}')
check('I2: no raw arrays, no strcpy family', not found, '\n'.join(found))

sys.exit(check.finish())
