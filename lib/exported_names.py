#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Writes the version script of the shared library: of the names that the archives define, those that the public headers name.

exported_names.py INCLUDE OUTPUT NM ARCHIVE...
"""
import pathlib
import re
import subprocess
import sys

SPECIAL = re.compile(r'_Z(?:T[VTIS]|GR|GV|Th[n\d_]+_|Tv[n\d_]+_|Tc[hv][n\d_]+_)?')
WORD = re.compile(r'[A-Za-z_]\w*')


def namespaces(include):
    """The words of the public headers, for each namespace that they open, without comments and texts."""
    words = {}
    for path in sorted(include.rglob('*.h*')):
        code = re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', ' ', path.read_text(), flags=re.S)
        for namespace in re.findall(r'\bnamespace (keystonemail(?:::\w+)*)', code):
            words.setdefault(namespace, set()).update(WORD.findall(code))
    return words


def path_of(symbol):
    """keystonemail, lmdb, KvStore, stat of _ZN12keystonemail4lmdb7KvStore4statE...; nothing for what is of no namespace of ours."""
    begin = SPECIAL.match(symbol)
    if not begin:
        return []
    rest = symbol[begin.end():]
    rest = re.sub(r'^N[rVK]*[RO]?', '', rest)
    path = []
    while number := re.match(r'\d+', rest):
        end = number.end() + int(number[0])
        path.append(rest[number.end():end])
        rest = re.sub(r'^B\d+cxx11', '', rest[end:])
        if rest.startswith('I'):  # a template's arguments
            break
    return path if path[:1] == ['keystonemail'] else []


def is_public(symbol, words):
    path = path_of(symbol)
    for depth in range(len(path), 0, -1):
        known = words.get('::'.join(path[:depth]))
        if known is not None:
            return depth < len(path) and all(name in known for name in path[depth:])
    return False


def defined(nm, files, *options):
    out = subprocess.run([nm, '--defined-only', '--format=posix', *options, *files], check=True, capture_output=True, text=True).stdout
    lines = (line.split() for line in out.splitlines())
    return {words[0] for words in lines if len(words) > 1 and words[1] in 'BDRTVWu'}


def main():
    include, output, nm, *archives = sys.argv[1:]
    words = namespaces(pathlib.Path(include))
    names = sorted(name for name in defined(nm, archives) if is_public(name, words))
    lines = ['{', '  global:', *(f'    {name};' for name in names), '  local:', '    *;', '};', '']
    pathlib.Path(output).write_text('\n'.join(lines))


if __name__ == '__main__':
    main()
