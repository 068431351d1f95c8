#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""What a reader relies on, checked: layers, self-contained public headers, RFC references, no dead files, top level.

Prints one line a check and ends with `N passed, N failed`.
"""
import concurrent.futures
import configparser
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import coroutines
import layers

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALLOWED_TOP = {'meson.build', 'meson_options.txt', 'README.md', 'LICENSE', 'lib', 'include', 'host', 'examples', 'subprojects', 'tests'}


def tracked():
    out = subprocess.run(['git', 'ls-files', '--cached', '--others', '--exclude-standard'], cwd=ROOT, text=True, capture_output=True)
    if out.returncode == 0:
        return [line for line in out.stdout.splitlines() if (ROOT / line).is_file()]
    return [p.relative_to(ROOT).as_posix() for p in ROOT.rglob('*') if p.is_file() and 'build' not in p.parts[:1]]


def sources(*endings):
    return [f for f in tracked() if f.endswith(endings)]


def text(name):
    return (ROOT / name).read_text(errors='replace')


def check_layers():
    yield from layers.check_layers(ROOT)


def check_third_party_headers():
    yield from layers.check_third_party(ROOT)


def check_coroutine_arguments():
    if list(coroutines.findings('co_await f({.a = std::move(x)});\nco_await f([x = std::move(x)] {});\nco_await f({.n = 1});')) != [1, 2]:
        yield 'tests/tidy/coroutines.py: does not find what it is for'
    yield from coroutines.check_coroutine_arguments(ROOT, sources('.hpp', '.cpp'))


def check_top_level():
    for name in {f.split('/')[0] for f in tracked()}:
        if name not in ALLOWED_TOP and not name.startswith('.'):
            yield f'{name}: not among the top-level entries'


def compile_alone(header, folder):
    """As an object, not its syntax alone, because a compiler cache then keeps the answer."""
    name = header.removeprefix('include/')
    source = folder / (name.replace('/', '-') + '.cpp')
    source.write_text(f'#include "{name}"\n')
    out = subprocess.run([*(['ccache'] if shutil.which('ccache') else []), 'g++', '-std=c++23', '-Wall', '-Wextra', '-Wpedantic',
                          '-Iinclude', '-c', source.name, '-o', source.name + '.o'],
                         cwd=folder, text=True, capture_output=True, env=dict(os.environ, CCACHE_NOHASHDIR='1'))
    return '' if out.returncode == 0 else f'{header}: does not compile alone:\n{out.stderr[:400]}'


def check_public_headers_compile_alone():
    headers = [f for f in sources('.hpp', '.h') if f.startswith('include/')]
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        pathlib.Path(folder, 'include').symlink_to(ROOT / 'include')  # no path of this clone in what is compiled, for the cache
        yield from filter(None, pool.map(lambda header: compile_alone(header, pathlib.Path(folder)), headers))


def check_public_headers_have_no_macros():
    for header in (f for f in sources('.hpp') if f.startswith('include/')):
        for number, line in enumerate(text(header).splitlines(), 1):
            if re.match(r'\s*#\s*(define|if|ifdef|ifndef)\b', line):
                yield f'{header}:{number}: a macro or #if in a public header'


def check_rfc_references():
    rows = {line.split('\t')[0] for line in text('lib/docs/rfc.tsv').splitlines() if line and not line.startswith('#')}
    for name in sources('.hpp', '.cpp'):
        if name.split('/')[0] not in ('lib', 'include', 'host'):
            continue
        for number, line in enumerate(text(name).splitlines(), 1):
            for rfc in re.findall(r'\bRFC (\d{3,5})\b', line):
                if rfc not in rows:
                    yield f'{name}:{number}: RFC {rfc} has no row in lib/docs/rfc.tsv'


def check_no_dead_source():
    listed = ''.join(text(f) for f in sources('meson.build'))
    scripts = ''.join(text(f) for f in tracked() if f.startswith('tests/') and f.endswith(('.py', '.sh', 'run')))
    for name in sources('.cpp'):
        parts = name.split('/')
        built = any(f"{'/'.join(parts[i:])}" in listed or f"{'/'.join(parts[i:])[:-4]}'" in listed for i in range(1, len(parts)))
        if not built and name not in scripts and f"'{parts[-1]}'" not in scripts:
            yield f'{name}: no meson.build builds it'


def check_licence_headers():
    for name in sources('.hpp', '.cpp', '.py'):
        if 'SPDX-License-Identifier: Apache-2.0' not in text(name)[:300]:
            yield f'{name}: lacks the SPDX line'


def check_todo_form():
    for name in sources('.hpp', '.cpp'):
        for number, line in enumerate(text(name).splitlines(), 1):
            if re.search(r'\b(TODO|FIXME|XXX|HACK)\b', line) and not re.search(r'TODO\(§', line):
                yield f'{name}:{number}: the only form is TODO(§section)'


def check_no_shell():
    """A11: no way from mail to a shell exists."""
    for name in sources('.hpp', '.cpp'):
        if name.split('/')[0] not in ('lib', 'include', 'host'):
            continue
        for number, line in enumerate(text(name).splitlines(), 1):
            if re.search(r'(?<![\w.>:])(system|popen|execve?|execvp?|posix_spawnp?|fork|vfork|wordexp)\s*\(', line.split('//')[0]):
                yield f'{name}:{number}: runs a program'


def check_attacks_have_tests():
    """Each attack of the list has a test that bears its id, and a line in lib/docs/attacks.md that names a test there is."""
    ids = [f'{letter}{n}' for letter, last in (('A', 14), ('B', 5), ('C', 9), ('I', 3)) for n in range(1, last + 1)]
    titles = '\n'.join(line for name in tracked() if name.startswith('tests/') and name.endswith(('.cpp', '.py'))
                       for line in text(name).splitlines() if re.search(r'TEST_CASE|SUBCASE|\bcheck\(|"""', line))
    rows = [line.split('|') for line in text('lib/docs/attacks.md').splitlines() if line.startswith('| ')]
    answered = {row[1].strip(): row[3] for row in rows if len(row) > 3}
    for attack in ids:
        if not re.search(rf'\b{attack}\b', titles):
            yield f'{attack}: no test bears this id'
        if attack not in answered:
            yield f'lib/docs/attacks.md: no line for {attack}'
    for attack, shown in answered.items():
        for path in re.findall(r'`(tests/[^`]+)`', shown):
            if not (ROOT / path).exists():
                yield f'lib/docs/attacks.md: {attack} names {path}, which is not there'
            elif not re.search(rf'\b{attack}\b', text(path)):
                yield f'lib/docs/attacks.md: {path} does not name {attack}'


def check_manuals_are_complete():
    """Every command and every key of the configuration is in its manual page."""
    pages = {page: text(f'host/man/{page}').replace('\\-', '-') for page in ('keystone-mail.8', 'keystone-mail.toml.5')}
    for name in sources('.cpp'):
        if not name.startswith('host/'):
            continue
        for word in re.findall(r'(?:command\([^;]*?\ball, |add_subcommand\()"([a-z-]+)"', text(name)):
            if not re.search(rf'^\.B.*\b{word}\b', pages['keystone-mail.8'], re.M):
                yield f'host/man/keystone-mail.8: no {word}, which is a command of {name}'
        for key in re.findall(r'\bKey\{"[a-z.]*", "(\w+)"', text(name)):
            if not re.search(rf'^\.B {key}$', pages['keystone-mail.toml.5'], re.M):
                yield f'host/man/keystone-mail.toml.5: no {key}, which is a key of {name}'


def plain(name):
    return re.sub(r'[^a-z0-9]', '', name.lower().replace('++', 'plusplus'))


def check_wraps():
    """Each wrap is one that Meson reads, pins what it takes, provides what a meson.build asks for, and is in the table of lib/docs."""
    asked = set(re.findall(r"\bdependency\('([\w.+-]+)'", ''.join(text(f) for f in sources('meson.build'))))
    documented = text('lib/docs/decisions/third-party.md')
    for name in (f for f in tracked() if f.startswith('subprojects/') and f.endswith('.wrap')):
        wrap = configparser.ConfigParser(interpolation=None)
        wrap.read(ROOT / name)
        kinds = [section for section in wrap.sections() if section.startswith('wrap-')]
        if len(kinds) != 1 or set(wrap.sections()) != {*kinds, 'provide'}:
            yield f'{name}: has other sections than one wrap-... and provide'
            continue
        source, provided = wrap[kinds[0]], wrap['provide']
        needed = {'wrap-git': ('url', 'revision'), 'wrap-file': ('source_url', 'source_filename', 'source_hash')}.get(kinds[0], ('?',))
        for key in needed:
            if not source.get(key):
                yield f'{name}: lacks {key}'
        if not re.search(r'\d', source.get('revision', source.get('source_hash', ''))):
            yield f'{name}: is not pinned to a release or a commit'
        names = {one.strip() for one in provided.get('dependency_names', '').split(',')} | {key for key in provided if key != 'dependency_names'}
        planned = f'{pathlib.Path(name).stem} is there for what is planned' in documented
        if not planned and not {one.lower() for one in names} & {one.lower() for one in asked}:
            yield f'{name}: provides {", ".join(sorted(names))}, which no meson.build asks for'
        if plain(pathlib.Path(name).stem) not in plain(documented):
            yield f'{name}: is not in lib/docs/decisions/third-party.md'


def standards_table():
    """The table of README.md, from lib/docs/rfc.tsv: what is there, without mere references."""
    lines = ['| Standard | | Module | Note |', '|---|---|---|---|']
    for line in text('lib/docs/rfc.tsv').splitlines():
        rfc, status, module, *note = line.split('\t')
        if status in ('full', 'partial'):
            lines.append(f'| RFC {rfc} | {status} | {module.removeprefix("lib/")} | {note[0] if note else ""} |')
    return '\n'.join(lines) + '\n'


def check_readme_table():
    if standards_table() not in text('README.md'):
        yield 'README.md: its table of standards is not that of lib/docs/rfc.tsv: tests/tidy/run.py --table prints it'


def check_readme_example():
    """The code in README.md stands in an example, which is built and run."""
    examples = [text(name) for name in sources('.cpp') if name.startswith('examples/')]
    blocks = re.findall(r'```cpp\n(.*?)```', text('README.md'), re.S)
    if not blocks:
        yield 'README.md: shows no example'
    for block in blocks:
        if not any(block in example for example in examples):
            yield f'README.md: this is in no example: {block[:60]!r}'


def main():
    if sys.argv[1:] == ['--table']:
        print(standards_table(), end='')
        return 0
    passed = failed = 0
    for name, check in list(globals().items()):
        if not name.startswith('check_'):
            continue
        problems = list(check())
        title = name.removeprefix('check_').replace('_', ' ')
        print(f'{"FAIL" if problems else "ok":<5} {title}')
        for problem in problems[:40]:
            print(f'      {problem}')
        if problems:
            failed += 1
        else:
            passed += 1
    print(f'{passed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    sys.exit(main())
