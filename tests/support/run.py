#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Builds each configuration and runs its tests. Called by tests/run, which has installed what is needed.

Configurations: `release` (hardened, as shipped), `asan` (every unit test under the address and undefined-behaviour sanitizers, and
each fuzz target for KEYSTONEMAIL_FUZZ_SECONDS). By hand, with `--only`: `gcc-asan` (the same tests as g++ compiles them, for what it does
to coroutines) and `tsan` (what has threads). A test is a program that prints either doctest's summary or `N passed, N failed`, and
`skipped: what and why` for what this machine cannot show. Those of the suite `root` run by sudo where we are not root.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / 'build'
FUZZ_SECONDS = int(os.environ.get('KEYSTONEMAIL_FUZZ_SECONDS', '1'))
COLOUR = sys.stdout.isatty()

# Each target is compiled as one file: from nothing that takes a third of the time, and a compiler cache keeps what has not changed.
UNITY = ['-Dunity=on', '-Dunity_size=1000']
SANITIZED = ['-Ddebug=false', '-Doptimization=0', '-Db_lundef=false', '-Dprograms=false', *UNITY]

CONFIGURATIONS = {
    'release': dict(options=['-Dbuildtype=release', '-Doptimization=2', *UNITY], suites=None),
    # Without optimization: it would take five times as long to compile, and more of what is wrong would be gone.
    'asan': dict(options=[*SANITIZED, '-Db_sanitize=address,undefined', '-Dfuzzing=true'], suites={'unit', 'fuzz'},
                 compiler='clang++-19'),
    'gcc-asan': dict(options=[*SANITIZED, '-Db_sanitize=address,undefined'], suites={'unit'}, compiler='g++',
                     by_hand=True),
    'tsan': dict(options=[*SANITIZED, '-Db_sanitize=thread'], suites={'threads'}, compiler='clang++-19', by_hand=True),
}

# A clone in another folder finds what this one has compiled: files compiled as one name their parts by absolute paths.
CACHE_ENVIRONMENT = {'CCACHE_NOHASHDIR': '1', 'CCACHE_BASEDIR': str(ROOT)}

SANITIZER_ENVIRONMENT = {
    'ASAN_OPTIONS': 'detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1',
    'UBSAN_OPTIONS': 'halt_on_error=1:print_stacktrace=1',
    'TSAN_OPTIONS': 'halt_on_error=1:second_deadlock_stack=1',
}


class Tally:
    """What came of each test, told as it ends. Any thread."""

    def __init__(self):
        self.lock = threading.Lock()
        self.passed = self.failed = 0
        self.failures = []
        self.skipped = []

    def add(self, name, passed, failed, seconds, output=''):
        mark = paint('32', 'ok  ') if failed == 0 else paint('31', 'FAIL')
        with self.lock:
            self.skipped += [f'{name}: {words}' for words in re.findall(r'^skipped: (.*)', output, re.M)]
            self.passed += passed
            self.failed += failed
            print(f'{mark} {name:<44} {passed:>6} passed {failed:>4} failed {seconds:>8.1f} s', flush=True)
            if failed:
                self.failures.append(name)
                print('\n'.join(output.splitlines()[-60:]), flush=True)


class Lanes:
    """Where tests run: a few at once, since many wait more than they compute, and beside them, one after the other, those that
    want one of the machine's programs for themselves."""

    def __init__(self):
        self.shared = concurrent.futures.ThreadPoolExecutor(os.cpu_count() + 2)
        self.alone = concurrent.futures.ThreadPoolExecutor(1)
        self.running = []

    def submit(self, test, *arguments):
        lane = self.shared if test.get('is_parallel', True) else self.alone
        self.running.append(lane.submit(*arguments))

    def join(self):
        for test in self.running:
            test.result()  # a fault of this program is not passed over


def paint(code, text):
    return f'\x1b[{code}m{text}\x1b[0m' if COLOUR else text


def run(command, cwd=ROOT, **options):
    return subprocess.run(command, cwd=cwd, text=True, errors='replace', stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)


def counts(output, code):
    """(passed, failed) from a test's output. A program that ends badly, or counts and skips nothing, has failed."""
    passed = failed = 0
    for match in re.finditer(r'\[doctest\] test cases: +(\d+) \| +(\d+) passed \| +(\d+) failed', output):
        passed, failed = passed + int(match[2]), failed + int(match[3])
    for match in re.finditer(r'^(\d+) passed, (\d+) failed', output, re.M):
        passed, failed = passed + int(match[1]), failed + int(match[2])
    skipped = re.search(r'^skipped: ', output, re.M)
    if (code != 0 and failed == 0) or (passed + failed == 0 and not skipped):
        failed += 1
    return passed, failed


def configure(name, settings):
    directory = BUILD / f'test-{name}'
    if (directory / 'build.ninja').exists():
        return directory, None
    environment = dict(os.environ, **CACHE_ENVIRONMENT)
    if 'compiler' in settings:
        environment['CXX'] = f'ccache {settings["compiler"]}'
    if 'clang' in settings.get('compiler', ''):
        environment['CXX_LD'] = 'lld'  # a quarter of the time, for a hundred programs
    result = run(['meson', 'setup', str(directory), *settings['options']], env=environment)
    return directory, result if result.returncode else None


def wanted(name, words):
    return not words or any(word in name for word in words)


def suites_of(test):
    return {suite.split(':')[-1] for suite in test['suite']}


def tests_of(directory, settings):
    introspected = json.loads(run(['meson', 'introspect', '--tests', str(directory)]).stdout)
    for test in introspected:
        suites = suites_of(test)
        if all(':' not in suite for suite in test['suite']):
            suites.add('unit')  # a test that names no suite is a module's unit test
        if settings['suites'] is None:
            if 'fuzz' not in suites:
                yield test
        elif suites & settings['suites']:
            yield test


def run_configuration(name, settings, configured, words, tally, lanes):
    """Builds, then leaves the tests to the lanes: the next configuration is built while they run."""
    directory, failure = configured
    if failure:
        tally.add(f'{name}: configure', 0, 1, 0, failure.stdout)
        return
    run(['ninja', '-C', str(directory), 'build.ninja'])  # renews the list of tests
    tests = [test for test in tests_of(directory, settings) if wanted(test['name'], words)]
    if not tests:
        return
    started = time.monotonic()
    targets = [] if name == 'release' and not words else sorted({target for test in tests for target in target_names(directory, test)})
    politely = ['nice', '-n', '10']  # towards the tests that run
    built = run([*politely, 'ninja', '-C', str(directory), *targets], env=dict(os.environ, **CACHE_ENVIRONMENT))
    print(f'     {name}: built in {time.monotonic() - started:.0f} s', flush=True)
    if built.returncode:
        tally.add(f'{name}: build', 0, 1, time.monotonic() - started, built.stdout)
        return
    patience = 1 if name == 'release' else 4
    for test in sorted(tests, key=lambda test: -(test.get('timeout') or 0)):  # the long ones first, so that none is alone at the end
        lanes.submit(test, run_test, test, directory, patience, f'{name}: {test["name"]}', tally)


def target_names(directory, test):
    """The ninja targets a test's command needs."""
    rules = (directory / 'build.ninja').read_text()
    names = []
    for word in test['cmd']:
        path = pathlib.Path(word)
        name = path.relative_to(directory).as_posix() if path.is_absolute() and directory in path.parents else word
        if f'build {name}:' in rules:  # not a folder that the test fills
            names.append(name)
    return names


def by_sudo(seconds, environment):
    """What runs a command as root where we are not, if no password is asked; it ends in time by itself, since we could not end it."""
    if os.geteuid() == 0 or run(['sudo', '-n', 'true']).returncode != 0:
        return []
    return ['sudo', '-n', 'timeout', '--kill-after=5', str(seconds), 'env', *(f'{name}={value}' for name, value in environment.items())]


def run_test(test, directory, patience, name, tally):
    settings = dict(SANITIZER_ENVIRONMENT, **test.get('env', {}), KEYSTONEMAIL_FUZZ_SECONDS=str(FUZZ_SECONDS))
    seconds = patience * (test.get('timeout') or 600)
    command = [*(by_sudo(seconds, settings) if 'root' in suites_of(test) else []), *test['cmd']]
    started = time.monotonic()
    try:
        result = run(command, cwd=directory, env=dict(os.environ, **settings), timeout=seconds + 10)
        passed, failed = counts(result.stdout, result.returncode)
        output = result.stdout
    except subprocess.TimeoutExpired as late:
        passed, failed, output = 0, 1, f'{late.stdout or ""}\nran longer than {late.timeout} s'
    tally.add(name, passed, failed, time.monotonic() - started, output)


def main():
    words = [word for word in sys.argv[1:] if not word.startswith('-')]
    tally = Tally()
    if '--list' in sys.argv:
        directory, _ = configure('release', CONFIGURATIONS['release'])
        for test in tests_of(directory, CONFIGURATIONS['release']):
            print(test['name'])
        return 0
    chosen = [word.removeprefix('--only=') for word in sys.argv[1:] if word.startswith('--only=')]
    configurations = {name: settings for name, settings in CONFIGURATIONS.items()
                      if (name in chosen if chosen else not settings.get('by_hand'))}
    lanes = Lanes()
    with concurrent.futures.ThreadPoolExecutor() as pool:  # each takes one processor for a quarter of a minute
        configured = pool.map(configure, configurations, configurations.values())
        for (name, settings), result in zip(configurations.items(), configured):
            run_configuration(name, settings, result, words, tally, lanes)
    lanes.join()
    if words and tally.passed + tally.failed == 0:
        print(f'no group is called {" or ".join(words)}; tests/run --list shows them')
        tally.failed += 1
    for words in tally.skipped:
        print(f'skipped: {words}')
    for name in tally.failures:
        print(f'failed: {name}')
    print(f'{tally.passed} passed, {tally.failed} failed')
    return 1 if tally.failed else 0


if __name__ == '__main__':
    sys.exit(main())
