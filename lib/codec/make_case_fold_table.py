#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Writes case_fold_table.hpp from this Python's Unicode data: for every code point whose folded form differs from it,
that form in UTF-8. Run it by hand when a new Unicode version is wanted, and commit the result."""
import sys
import unicodedata

BLOCK = 64


def folded(character):
    """RFC 5051 §2: upper case, then decompose by compatibility, until nothing changes. Full case mappings are taken
    where RFC 5051 has simple ones, so that "Straße" is found by "STRASSE"."""
    text = character
    while True:
        following = unicodedata.normalize('NFKD', unicodedata.normalize('NFKD', text).casefold().upper())
        if following == text:
            return text
        text = following


def main():
    forms = {}
    for code in range(0x80, 0x110000):
        if 0xd800 <= code <= 0xdfff or 0xac00 <= code <= 0xd7a3:  # surrogates; Hangul is done by arithmetic
            continue
        character = chr(code)
        if folded(character) != character:
            forms[code] = folded(character).encode()
    pool, places = bytearray(b'\0'), {b'': 0}
    for form in forms.values():
        if form not in places:
            places[form] = len(pool)
            pool += bytes([len(form)]) + form
    assert len(pool) < 65536
    blocks, block_numbers, index = [], {}, []
    for first in range(0, max(forms) + 1, BLOCK):
        block = tuple(places[forms[code]] if code in forms else 0 for code in range(first, first + BLOCK))
        if block not in block_numbers:
            block_numbers[block] = len(blocks)
            blocks.append(block)
        index.append(block_numbers[block])
    growth = max(len(form) / len(chr(code).encode()) for code, form in forms.items())
    write(index, blocks, pool, growth)


def write(index, blocks, pool, growth):
    out = sys.stdout
    out.write('// SPDX-License-Identifier: Apache-2.0\n// Copyright the Keystone Mail authors\n//\n')
    out.write(f'// Unicode {unicodedata.unidata_version}; written by make_case_fold_table.py, not by hand. '
              f'Greatest growth in octets: {growth:.1f}.\n')
    out.write('#pragma once\n\n#include <cstdint>\n\nnamespace keystonemail::codec::case_fold_table {\n\n')
    out.write(f'inline constexpr unsigned block_size = {BLOCK};\n')
    rows('std::uint16_t index', index, out)
    rows('std::uint16_t blocks', [place for block in blocks for place in block], out)
    rows('std::uint8_t pool', pool, out)
    out.write('\n}  // namespace keystonemail::codec::case_fold_table\n')


def rows(declaration, values, out):
    out.write(f'inline constexpr {declaration}[] = {{')
    line = ''
    for value in values:
        word = f'{value},'
        if len(line) + len(word) > 117:
            out.write(f'\n  {line}')
            line = ''
        line += word
    out.write(f'\n  {line}}};\n')


main()
