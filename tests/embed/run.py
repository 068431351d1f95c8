#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Builds a consumer of the library in each way that others use: installed (shared and static, by pkg-config) and as a
Meson subproject. Also looks at what the shared library shows. Argument: the build folder."""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONSUMER = ROOT / 'tests' / 'embed' / 'consumer.cpp'
BUILD = pathlib.Path(sys.argv[1])
COMPILER = [*(['ccache'] if shutil.which('ccache') else []), 'g++']
check = Checks()


def run(*command, **options):
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


@contextlib.contextmanager
def empty_folder(path):
    """Of the same name in each run, so that a compiler cache finds what it had then."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    yield path
    shutil.rmtree(path)


def build(source, program, flags, libraries):
    """In two steps, of which a compiler cache keeps the first."""
    out = run(*COMPILER, *flags, '-c', str(source), '-o', f'{program}.o')
    return out if out.returncode else run('g++', f'{program}.o', '-o', str(program), *libraries)


with empty_folder(BUILD / 'embed') as scratch:
    prefix = scratch / 'installed'
    out = run('meson', 'install', '-C', str(BUILD), '--no-rebuild', '--destdir', str(prefix))
    check('meson install', out.returncode == 0, out.stdout)
    pc = next(prefix.rglob('keystonemail.pc'), None)
    check('keystonemail.pc is installed', pc is not None)
    headers = next(prefix.rglob('include/keystonemail/mime/message.hpp'), None)
    check('headers are installed', headers is not None)
    if pc and headers:
        root = str(prefix) + re.search(r'^prefix=(.*)$', pc.read_text(), re.M)[1]
        environment = dict(os.environ, PKG_CONFIG_PATH=str(pc.parent))
        for kind in ('shared', 'static'):
            flags, libraries = (run('pkg-config', f'--define-variable=prefix={root}', *(['--static'] if kind == 'static' else []), option,
                                    'keystonemail', env=environment).stdout.split() for option in ('--cflags', '--libs'))
            if kind == 'static':
                libraries = [str(next(prefix.rglob('libkeystonemail.a'))) if flag == '-lkeystonemail' else flag for flag in libraries]
            program = scratch / f'consumer-{kind}'
            out = build(CONSUMER, program, flags, libraries)
            check(f'a consumer links the {kind} library', out.returncode == 0, out.stdout)
            if out.returncode == 0:
                library = str(next(prefix.rglob('libkeystonemail.so')).parent)
                out = run(str(program), env=dict(os.environ, LD_LIBRARY_PATH=library))
                check(f'and runs with it ({kind})', out.stdout == 'embedded\n', out.stdout)
        flags, libraries = (run('pkg-config', f'--define-variable=prefix={root}', option, 'keystonemail', env=environment).stdout.split()
                            for option in ('--cflags', '--libs'))
        for example in ('embed_server', 'unit_test_mailbox', 'custom_policy'):
            source = ROOT / 'examples' / example / f'{example}.cpp'
            out = build(source, scratch / example, [*flags, '-Wall', '-Wextra', '-Wpedantic', '-Werror'], libraries)
            check(f'{example} is built elsewhere, with the shared library and without a warning', out.returncode == 0, out.stdout)
        shared = next(prefix.rglob('libkeystonemail.so'))
        names = [line.split()[-1] for line in run('nm', '-D', '--defined-only', str(shared)).stdout.splitlines()]
        foreign = [name for name in names if 'keystonemail' not in name and name not in ('_init', '_fini')]
        check('the shared library shows its own names only', names and not foreign, '\n'.join(foreign[:20]))
        said = {word for header in (ROOT / 'include').rglob('*.h*') for word in re.findall(r'[A-Za-z_]\w*', header.read_text())}
        shown = [line.split(maxsplit=2)[2] for line in run('nm', '-DC', '--defined-only', str(shared)).stdout.splitlines()]
        internal = [name for name in shown for path in re.findall(r'\bkeystonemail(?:::~?[A-Za-z_]\w*)+', name)[:1]
                    if not said.issuperset(re.findall(r'\w+', path))]
        internal += [name for name in shown if 'lmdb::Environment' in name or 'tls::use_certificate' in name or 'BanRows' in name]
        check('and of those only what public headers name', shown and not internal, '\n'.join(internal[:20]))

    project = scratch / 'project'
    (project / 'subprojects').mkdir(parents=True)
    (project / 'subprojects' / 'keystone-mail').symlink_to(ROOT)
    shutil.copy(CONSUMER, project / 'consumer.cpp')
    (project / 'meson.build').write_text('''project('consumer', 'cpp')
cxx = meson.get_compiler('cpp')
subproject('keystone-mail', default_options: ['tests=false', 'programs=false', 'default_library=static'])
keystonemail = [dependency('keystonemail-mime'), dependency('keystonemail-smtp'), dependency('keystonemail-memory')]
executable('consumer', 'consumer.cpp', dependencies: keystonemail,
           cpp_args: cxx.first_supported_argument('-std=c++23', '-std=c++2b'))
''')
    out = run('meson', 'setup', '--buildtype=plain', '-Dunity=on', '-Dunity_size=1000', str(project / 'build'), str(project), env=dict(os.environ, CCACHE_NOHASHDIR='1', PKG_CONFIG_PATH=''))
    check('a project with ours as a subproject is configured', out.returncode == 0, out.stdout)
    out = run('ninja', '-C', str(project / 'build'), 'consumer', env=dict(os.environ, CCACHE_NOHASHDIR='1'))
    check('and built', out.returncode == 0, out.stdout)
    out = run(str(project / 'build' / 'consumer'))
    check('and runs', out.stdout == 'embedded\n', out.stdout)

sys.exit(check.finish())
