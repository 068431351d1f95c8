#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Fails when a module includes what is not below it, or a third-party header stands outside its one module.

The architecture is this table: a module may include those of lower layers and, in its own layer, those named before it.
Ports (L3) see values and base only; backends (L5) see ports, values and base, and one third-party library each.
"""
import pathlib
import re
import sys

LAYERS = [
    ['base'],
    ['codec', 'json', 'xml', 'crypto', 'tls', 'dns', 'mime', 'dsn', 'autoreply'],
    ['sasl', 'smtp', 'imap', 'pop3', 'managesieve', 'sieve', 'http', 'jmap', 'acme', 'mailauth', 'milter', 'reports'],
    ['kv', 'blob', 'resolver', 'transport', 'policy', 'mailstore', 'queue', 'delivery', 'directory', 'search'],
    ['service/access', 'service/web', 'service/mailstore', 'service/queue', 'service/webhook', 'service/delivery', 'service/accounts', 'service/forwarding', 'service/autoreply', 'service/authentication',
     'service/milter', 'service/policies', 'service/reception',
     'service/submission', 'service/mta_sts', 'service/relay', 'service/reports', 'service/imap', 'service/jmap', 'service/pop3', 'service/admin', 'service/server'],
    ['backends/memory', 'backends/lmdb', 'backends/segments', 'backends/libuv', 'backends/unbound', 'backends/zone', 'backends/ldap',
     'backends/sqlite', 'backends/postgresql', 'backends/plugin'],
]
LAYER_OF = {module: depth for depth, layer in enumerate(LAYERS) for module in layer}
VISIBLE_LAYERS = {0: {0}, 1: {0, 1}, 2: {0, 1, 2}, 3: {0, 1, 3}, 4: {0, 1, 2, 3, 4}, 5: {0, 1, 3, 5}}

# Third-party headers, and the only places that may include them.
THIRD_PARTY = {
    r'fmt/': ['lib/base'],
    r'openssl/': ['lib/crypto', 'lib/tls'],
    r'lmdb\.h': ['lib/backends/lmdb'],
    r'zlib\.h': ['lib/codec'],
    r'lz4': ['lib/backends/segments', 'lib/codec'],
    r'uv\.h': ['lib/backends/libuv'],
    r'idn2\.h': ['lib/codec'],
    r'iconv\.h': ['lib/codec'],
    r'uni(norm|case|str|ctype|type|conv)\.h': ['lib/crypto', 'lib/codec'],
    r'zlib\.h': ['lib/codec'],
    r'expat': ['lib/xml'],
    r'crypt\.h': ['lib/crypto', 'lib/sasl'],
    r'toml\+\+/': ['host/config'],
    r'toml\.hpp': ['host/config'],
    r'nlohmann/': ['lib/json'],
    r'CLI/': ['host'],
    r'unbound\.h': ['lib/backends/unbound'],
    r'libpsl\.h': ['lib/mailauth'],
    r'sqlite3\.h': ['lib/backends/sqlite'],
    r'ldap\.h': ['lib/backends/ldap'],
    r'libpq-fe\.h': ['lib/backends/postgresql'],
    r'doctest': ['tests', 'examples/unit_test_mailbox'],
}

INCLUDE = re.compile(r'\s*#\s*include\s*["<](?:keystonemail/)?([^">]+)[">]')
INCLUDE_OURS = re.compile(r'\s*#\s*include\s*"(?:keystonemail/)?([^"]+)"')


def module_of(path):
    parts = path.split('/')
    nested = '/'.join(parts[:2])
    return nested if parts[0] in ('service', 'backends') else parts[0]


def may_see(module, other):
    own, depth = LAYER_OF[module], LAYER_OF[other]
    if module == other:
        return True
    if depth == own:
        return LAYERS[own].index(other) < LAYERS[own].index(module)
    return depth in VISIBLE_LAYERS[own]


def check_layers(root):
    for top in ('lib', 'include/keystonemail'):
        for path in sorted((root / top).rglob('*.[hc]pp')):
            relative = path.relative_to(root / top).as_posix()
            if '/' not in relative:
                continue  # the umbrella header
            module = module_of(relative)
            if module not in LAYER_OF:
                yield f'{top}/{relative}:1: module {module} has no place in the layers (tests/tidy/layers.py)'
                continue
            for number, line in enumerate(path.read_text(errors='replace').splitlines(), 1):
                match = INCLUDE_OURS.match(line)
                if not match or '/' not in match[1]:
                    continue
                other = module_of(match[1])
                if other in LAYER_OF and not may_see(module, other):
                    yield f'{top}/{relative}:{number}: {module} may not include {other}'


def check_third_party(root):
    for top in ('lib', 'include', 'host', 'examples', 'tests'):
        for path in sorted((root / top).rglob('*.[hc]pp')):
            relative = path.relative_to(root).as_posix()
            for number, line in enumerate(path.read_text(errors='replace').splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                for pattern, homes in THIRD_PARTY.items():
                    if re.match(pattern, match[1]) and not any(relative.startswith(home) for home in homes):
                        yield f'{relative}:{number}: <{match[1]}> belongs in {", ".join(homes)} only'


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    problems = [*check_layers(root), *check_third_party(root)]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
