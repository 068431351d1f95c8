#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""I3: a server that was started as root keeps nothing of it, and can open what root has made for it. Argument: the program."""
import os
import pathlib
import pwd
import re
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402

check = Checks()


def fields(pid):
    return [dict(re.findall(r'^(\w+):[ \t]*(.*)$', (task / 'status').read_text(), re.M))
            for task in pathlib.Path(f'/proc/{pid}/task').iterdir()]


root = os.geteuid() == 0
with tempfile.TemporaryDirectory(dir=os.environ.get('KEYSTONEMAIL_TEST_DIR', '/var/tmp')) as folder:
    os.chmod(folder, 0o755)  # the user it becomes has to reach the data
    with Server(sys.argv[1], folder=folder) as server:
        if root:
            server.config.write_text('user = "nobody"\n' + server.config.read_text())
        server.start()
        tasks = fields(server.process.pid)
        check('I3: no thread has an effective capability', all(int(task['CapEff'], 16) == 0 for task in tasks), tasks)
        check('I3: no thread is root', all('0' not in task['Uid'].split() for task in tasks) or not root, tasks)
        check('I3: no thread can gain privileges', all(task['NoNewPrivs'] == '1' for task in tasks), tasks)
        check('I3: no group of root is left', all(task['Groups'].split() == [] for task in tasks) or not root, tasks)


def owners(folder):
    return {path.name: path.lstat().st_uid for path in [folder, *folder.rglob('*')] if path.lstat().st_uid != nobody}


if root:
    nobody = pwd.getpwnam('nobody').pw_uid
    with tempfile.TemporaryDirectory(dir=os.environ.get('KEYSTONEMAIL_TEST_DIR', '/var/tmp')) as folder:
        os.chmod(folder, 0o755)
        kept = pathlib.Path(folder) / 'of-root'
        kept.write_text('secret')
        with Server(sys.argv[1], folder=folder) as server:
            server.config.write_text('user = "nobody"\n' + server.config.read_text())
            server.add_account('alice@example.test', 'a long and winding passphrase')
            check('what a command of root makes belongs to the user of the configuration', owners(server.data) == {}, owners(server.data))
            (server.data / 'link').symlink_to(kept)
            os.chown(server.data / 'link', 0, 0, follow_symlinks=False)
            os.link(kept, server.data / 'name')
            server.start()
            check('a server that is not root opens it', server.port('imap') > 0)
            server.stop()
            check('what links lead to stays root\'s', kept.stat().st_uid == 0)
            (server.data / 'link').unlink()
            (server.data / 'name').unlink()
            backups = pathlib.Path(folder) / 'backups'
            for words in (['backup', str(backups)], ['restore', '--force', str(backups)], ['account', 'list']):
                done = server.run(*words)
                check(f'{words[0]} as root leaves all to the user', done.returncode == 0 and owners(server.data) == {},
                      (done.stderr, owners(server.data)))
            lost = pathlib.Path(folder) / 'lost'
            server.data.rename(lost)
            done = server.run('restore', str(backups))
            check('so does a restore where nothing was', done.returncode == 0 and owners(server.data) == {}, (done.stderr, owners(server.data)))
            check('with its certificate', all((server.data / 'tls' / name).read_bytes() == (lost / 'tls' / name).read_bytes()
                                              for name in os.listdir(lost / 'tls')))
            server.start()
            check('and the server opens it', server.port('imap') > 0)

sys.exit(check.finish())
