#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""T19: the store's files flipped, zeroed, overwritten and cut short at random places. verify must not be hurt by any of it, must
say so whenever mail is missing or cannot be read, and no message may be served as something else. verify --repair must then leave
a store without findings, with all mail that was not hit.

    damage.py PROGRAM [PLACES] [SEED]      the long form: damage.py build/test-release/host/keystone-mail 1000
"""
import hashlib
import json
import pathlib
import random
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402

PROGRAM = sys.argv[1]
PLACES = int(sys.argv[2]) if len(sys.argv) > 2 else 30
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 19
PASSWORD = 'correct horse battery staple'
LOGIN = 'alice@example.test'
MESSAGES = 150
check = Checks()
chance = random.Random(SEED)


def message(number):
    size = chance.choice([300, 300, 900, 2_000, 12_000, 60_000])
    text = '\n'.join(chance.randbytes(35).hex() for _ in range(size // 71))
    return f'From a@b Thu Jan  1 00:00:01 2026\nSubject: number {number}\nMessage-ID: <{number}@damage.test>\n\n{text}\n\n'


def exported(server, folder):
    """{Message-ID: digest of the whole message} of what can be exported."""
    shutil.rmtree(folder, ignore_errors=True)
    done = server.run('export', LOGIN, folder, '--format', 'maildir', '--json')
    found = {}
    for file in folder.rglob('cur/*'):
        octets = file.read_bytes()
        name = octets.split(b'Message-ID: ', 1)[1].split(b'\n', 1)[0] if b'Message-ID: ' in octets else b''
        found[name] = hashlib.sha256(octets).hexdigest()
    for file in folder.rglob('new/*'):
        octets = file.read_bytes()
        name = octets.split(b'Message-ID: ', 1)[1].split(b'\n', 1)[0] if b'Message-ID: ' in octets else b''
        found[name] = hashlib.sha256(octets).hexdigest()
    return done, found


def damage(files):
    """Damages one place, the larger files more often; says what it did."""
    file = chance.choices(files, weights=[f.stat().st_size for f in files])[0]
    octets = bytearray(file.read_bytes())
    at = chance.randrange(len(octets))
    kind = chance.choices(['flip', 'zero', 'page', 'noise', 'cut'], weights=[5, 2, 2, 2, 1])[0]
    if kind == 'flip':
        octets[at] ^= 1 << chance.randrange(8)
    elif kind == 'zero':
        octets[at:at + 512] = bytes(len(octets[at:at + 512]))
    elif kind == 'page':
        at = at // 4096 * 4096
        octets[at:at + 4096] = bytes(len(octets[at:at + 4096]))
    elif kind == 'noise':
        octets[at:at + 64] = chance.randbytes(len(octets[at:at + 64]))
    else:
        del octets[at:]
    file.write_bytes(octets)
    return f'{kind} at {at} of {file.name}'


def report_of(done):
    try:
        return json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return {}


def main():
    problems, found, unharmed, kept, least = [], 0, 0, 0, MESSAGES
    with Server(PROGRAM, [('imap', 'none', True)]) as server:
        server.add_account(LOGIN, PASSWORD)
        mbox = server.folder / 'mail.mbox'
        mbox.write_text(''.join(message(number) for number in range(MESSAGES)))
        done = server.run('import', LOGIN, mbox, '--mailbox', 'INBOX')
        sound, store = server.folder / 'sound', server.data
        _, everything = exported(server, server.folder / 'out')
        check(f'T19: {len(everything)} messages to be damaged', done.returncode == 0 and len(everything) == MESSAGES, done)
        shutil.copytree(store, sound, ignore=shutil.ignore_patterns('control.sock'))
        for place in range(PLACES):
            shutil.rmtree(store)
            shutil.copytree(sound, store)
            what = f'place {place}: {damage([store / "data.mdb", *sorted((store / "blobs").glob("*.segment"))])}'
            verified = server.run('verify', '--json')
            report = report_of(verified)
            if verified.returncode not in (0, 1) or 'signal' in verified.stdout + verified.stderr or not report:
                problems.append(f'{what}: verify ended with {verified.returncode}: {verified.stdout[-200:]}{verified.stderr[-200:]}')
                continue
            is_well = verified.returncode == 0
            found, unharmed = found + (not is_well), unharmed + is_well
            if is_well:  # then everything must be there
                _, there = exported(server, server.folder / 'out')
                if there != everything:
                    problems.append(f'{what}: verify finds nothing, and {len(set(everything) - set(there))} messages are gone or changed')
                continue
            repaired = server.run('verify', '--repair', '--json')
            if repaired.returncode not in (0, 1) or 'signal' in repaired.stdout + repaired.stderr:
                problems.append(f'{what}: repair ended with {repaired.returncode}: {repaired.stdout[-200:]}{repaired.stderr[-200:]}')
                continue
            _, there = exported(server, server.folder / 'out')
            wrong = [name for name, digest in there.items() if everything.get(name) != digest]
            if wrong:
                problems.append(f'{what}: after repair {wrong[:3]} are served as something else')
            kept, least = kept + len(there), min(least, len(there))
            if place % 50 == 49:
                print(f'{place + 1} places, {found} found, {len(problems)} problems', flush=True)
    print(f'{PLACES} places: {found} found by verify, {unharmed} where it harmed nothing; after repair {kept} of {found * MESSAGES} '
          f'messages were there, {least} of {MESSAGES} at least')
    check(f'T19: {PLACES} places damaged: nobody is hurt by it, nothing missing goes unnoticed, nothing is served wrongly', not problems,
          '\n'.join(problems[:20]))
    check('T19: damage was done', found > PLACES // 4, found)
    check('T19: repair keeps what was not hit', kept >= found * MESSAGES * 0.95, f'{kept} of {found * MESSAGES}')
    return check.finish()


if __name__ == '__main__':
    sys.exit(main())
