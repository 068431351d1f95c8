# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Reads an Authentication-Results field as RFC 8601 section 2.2 has it, and nothing beyond: no lenience, no obsolete forms.

UTF-8 may stand where RFC 6532 lets it, but for C1 controls. Lines end in LF or CRLF.
"""
import re

FOLD = re.compile(r'[ \t]*(?:\r?\n[ \t]+(?=[^\s]))?[ \t]*')  # at most one line end, and something behind it
TOKEN = re.compile(r'[!#$%&\'*+\-.0-9A-Z^_`a-z{|}~]+')
KEYWORD = re.compile(r'[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?')
BEYOND = '\u00a0-\U0010ffff'
ATOM = f"[!#$%&'*+\\-/0-9=?A-Z^_`a-z{{|}}~{BEYOND}]+"
LABEL = f'[A-Za-z0-9{BEYOND}](?:[A-Za-z0-9{BEYOND}-]*[A-Za-z0-9{BEYOND}])?'
QUOTED = f'"(?:[ \\t!#-\\[\\]-~{BEYOND}]|\\\\[ \\t!-~{BEYOND}])*"'
VALUES = [re.compile(f'{QUOTED}|{TOKEN.pattern}'),                                               # value
          re.compile(f'(?:(?:{ATOM}(?:\\.{ATOM})*|{QUOTED})?@)?{LABEL}(?:\\.{LABEL})*')]         # [[local-part] "@"] domain-name
COMMENT_TEXT = re.compile(f'[!-\'*-\\[\\]-~{BEYOND}]|\\\\[ \\t!-~{BEYOND}]')


class Reader:
    def __init__(self, text):
        self.text, self.at = text, 0

    def fail(self, what):
        raise ValueError(f'{what} at {self.text[self.at:self.at + 40]!r}')

    def take(self, pattern):
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found and found[0]

    def literal(self, text):
        if not self.text.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def comment(self):
        if not self.literal('('):
            return False
        while not self.literal(')'):
            if not (self.take(FOLD) or self.comment() or self.take(COMMENT_TEXT)):
                self.fail('bad comment')
        return True

    def space(self):
        """[CFWS]. Whether there was some."""
        begin = self.at
        self.take(FOLD)
        while self.comment():
            self.take(FOLD)
        return self.at > begin

    def need(self, pattern, what):
        found = self.take(pattern)
        if not found:
            self.fail('no ' + what)
        return found

    def assign(self):
        self.space()
        if not self.literal('='):
            self.fail('no =')
        self.space()

    def value(self):
        """pvalue: of the two forms the one that goes further."""
        found = max((pattern.match(self.text, self.at) for pattern in VALUES), key=lambda one: one.end() if one else -1)
        if not found:
            self.fail('no value')
        self.at = found.end()
        return found[0]


def read(octets):
    """(authserv-id, [(method, result, reason or None, [(property, value)])]). Raises ValueError."""
    if any(len(line) > 998 for line in octets.splitlines()):
        raise ValueError('a line is too long')
    reader = Reader(octets.decode())
    if not reader.literal('Authentication-Results:'):
        reader.fail('no name')
    reader.space()
    authserv_id = reader.need(VALUES[0], 'authserv-id')
    if reader.space():
        reader.take(re.compile('[0-9]+'))
        reader.space()
    results = []
    while reader.literal(';'):
        reader.space()
        method = reader.need(KEYWORD, 'method')
        reader.assign()
        result, reason, properties = reader.need(KEYWORD, 'result'), None, []
        spaced = reader.space()
        while reader.at < len(reader.text) and reader.text[reader.at] not in ';\r\n':
            if not spaced:
                reader.fail('no blank')
            word = reader.need(KEYWORD, 'property type')
            if word == 'reason' and not properties and reason is None and not reader.text.startswith('.', reader.at):
                reader.assign()
                reason = reader.need(VALUES[0], 'reason')
            else:
                if not reader.literal('.'):
                    reader.fail('no dot')
                name = f'{word}.{reader.need(KEYWORD, "property")}'
                reader.assign()
                properties.append((name, reader.value()))
            spaced = reader.space()
        results.append((method, result, reason, properties))
    if not re.fullmatch(r'\r?\n', reader.text[reader.at:]) or not results:
        reader.fail('no end')
    return authserv_id, results
