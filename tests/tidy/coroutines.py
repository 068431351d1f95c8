#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Finds temporaries that g++ 12 destroys twice: aggregates and lambdas with something to free, made inside a co_await expression.

A text cannot know types. What is told of are braces, and captures by value, with std::move, std::string and the like in them. lib/docs/decisions/coroutine-aggregates.md says what to write instead.
"""
import re

OPEN, CLOSE = '([{', ')]}'
OWNING = re.compile(r'std::(move|string|vector|make_shared|make_unique|shared_ptr|unique_ptr)\b|"s\b')


def blank(text):
    """`text` with the inside of its literals and its comments blanked, as long as before."""
    token = r'"(?:\\.|[^"\\\n])*"' r"|'(?:\\.|[^'\\\n])'" r'|//[^\n]*|/\*.*?\*/'

    def fill(match):
        word = match[0]
        return word[0] + '_' * (len(word) - 2) + word[-1] if word[0] in '"\'' else re.sub(r'[^\n]', ' ', word)
    return re.sub(token, fill, text, flags=re.S)


def closing(text, at):
    """Where the bracket opened at `at` ends."""
    depth = 0
    for i in range(at, len(text)):
        depth += text[i] in OPEN
        depth -= text[i] in CLOSE
        if depth == 0:
            return i
    return len(text)


def end_of_operand(text, at):
    while at < len(text) and text[at] not in ';,)]}':
        at = closing(text, at) + 1 if text[at] in OPEN else at + 1
    return at


def owned(text, begin, end):
    """Offsets of braces and captures in the expression that own something; bodies of lambdas are code of their own."""
    at = begin
    while at < end:
        if text[at] == '[' and text[at - 1] in '(, \n{':
            stop = closing(text, at)
            if any('=' in capture or '&' not in capture and OWNING.search(capture) for capture in text[at + 1:stop].split(',')) \
               and OWNING.search(text[at:stop]):
                yield at
            body = text.find('{', stop)
            at = closing(text, body) if body != -1 else end
        elif text[at] == '{':
            stop = closing(text, at)
            if OWNING.search(text[at:stop]):
                yield at
            at = stop
        at += 1


def findings(text):
    """Line numbers of offending expressions."""
    code = blank(text)
    for match in re.finditer(r'\bco_await\b', code):
        for at in owned(code, match.end(), end_of_operand(code, match.end())):
            yield code.count('\n', 0, at) + 1


def check_coroutine_arguments(root, names):
    for name in names:
        for line in findings((root / name).read_text(errors='replace')):
            yield f'{name}:{line}: made inside a co_await expression and owns something: name it first'
