#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""The demo shows itself working, keeps its accounts, and prints command lines that work. argv[1] is keystone-mail."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks  # noqa: E402

program = os.path.abspath(sys.argv[1])
check = Checks()


def demo(*arguments):
    done = subprocess.run([program, "demo", *arguments], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def shell(line):
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


def stays_up(data):
    """Starts the demo, gives the process and what it has printed once it says that it stays up."""
    process = subprocess.Popen([program, "demo", "--data", data], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines, up = [], threading.Event()

    def read():
        for line in process.stdout:
            lines.append(line)
            if "stays up" in line:
                up.set()

    threading.Thread(target=read, daemon=True).start()
    up.wait(60)
    return process, lines


code, out = demo("--ephemeral", "--check")
check("demo --ephemeral --check ends with 0", code == 0 and "All is well" in out, out)
check("each step has its time, and no colour when it is no terminal", len(re.findall(r"ok +[0-9.]+ ms  ", out)) >= 10 and "\x1b" not in out, out)
for said in ("SCRAM-SHA-256-PLUS", "STARTTLS: TLS 1.3", "IDLE tells Bob", "octet for octet"):
    check(f"it shows {said}", said in out, out)

with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
    data = scratch + "/demo"
    code, out = demo("--data", data, "--check")
    check("demo --data --check ends with 0", code == 0 and "his INBOX has 0 messages" in out, out)
    before = open(data + "/demo-accounts").read()
    check("what it keeps is its owner's alone", all(os.stat(path).st_mode & 0o077 == 0 for path in
                                                    (data, data + "/demo-accounts", data + "/tls/key.pem")))
    code, out = demo("--data", data, "--check")
    check("a second run finds accounts, passwords and mail of the first", code == 0 and "earlier run" in out and "his INBOX has 1 messages" in out and
          open(data + "/demo-accounts").read() == before, out)
    os.remove(data + "/demo-accounts")
    code, out = demo("--data", data, "--check")
    check("passwords that were forgotten are made anew", code == 0 and open(data + "/demo-accounts").read() != before, out)
    code, out = demo("--data", "/proc/no-such-place", "--check")
    check("a directory that cannot be made ends with 1", code == 1 and "FAIL" in out, out)

    process, lines = stays_up(data)
    text = "".join(lines)
    check("without --check it stays up and prints settings", process.poll() is None and "For a mail client" in text, text)
    for tool in ("swaks", "curl"):
        for number, line in enumerate(re.findall(rf"^  ((?:printf .*\| )?{tool} .*)$", text, re.M)):
            if shutil.which(tool):
                code, out = shell(line)
                wanted = "Subject: " if "imap://" in line else ""
                check(f"the printed {tool} line {number + 1} works as it stands", code == 0 and wanted in out, line + "\n" + out)
    line = re.search(r"^  (keystone-mail --config .*)$", text, re.M)[1]
    code, out = shell(line.replace("keystone-mail", program, 1))
    check("the printed administrator's line works while it runs", code == 0 and "bob@demo.test" in out, out)
    process.send_signal(signal.SIGINT)
    try:
        code = process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        code = "still running"
    check("Ctrl-C ends it with 0", code == 0, (code, "".join(lines)[-500:]))

sys.exit(check.finish())
