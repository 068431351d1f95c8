#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""The program's exit codes, output and life: argv[1] is keystone-mail."""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

program = os.path.abspath(sys.argv[1])
failures = []


def run(*arguments, text=""):
    done = subprocess.run([program, *arguments], input=text, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def check(claim, holds, seen=""):
    print(("ok    " if holds else "FAIL  ") + claim)
    if not holds:
        print("      ", seen)
        failures.append(claim)


def read_ready(server):
    """The ready line as {protocol: (host, port)}."""
    while True:
        line = server.stderr.readline()
        if not line:
            return {}
        if "ready" in line:
            return {p: a.rsplit(":", 1) for p, a in (word.split("=", 1) for word in line.split() if "=" in word)}


with tempfile.TemporaryDirectory() as directory:
    config, data = directory + "/mail.toml", directory + "/data"
    init = ["init", "--config", config, "--hostname", "mail.example.test", "--domain", "example.test", "--data", data]

    code, out, _ = run("--help")
    check("--help ends with 0 and names the commands", code == 0 and "serve" in out and "account" in out, out)
    code, out, _ = run("help", "config")
    check("help config lists the keys", code == 0 and "message_size" in out, out)
    for usage in (["frobnicate"], [], ["init"], ["account"], ["account", "add"], ["serve", "--bogus"]):
        code, out, err = run(*usage)
        check(f"wrong usage {usage} ends with 2", code == 2, (code, out, err))

    code, out, err = run(*init, "--self-signed")
    check("init ends with 0", code == 0, (out, err))
    check("the data directory and the key are the owner's alone",
          os.stat(data).st_mode & 0o777 == 0o700 and os.stat(data + "/tls/key.pem").st_mode & 0o777 == 0o600)
    before = open(config).read()
    code, _, err = run(*init, "--self-signed")
    check("init overwrites nothing and ends with 1", code == 1 and open(config).read() == before, err)
    code, out, err = run("--config", config, "check", "--json")
    check("check finds the new configuration good", code == 0 and json.loads(out)["ok"], (out, err))
    with open(directory + "/bad.toml", "w") as bad:
        bad.write(before + "\n[limits]\nmesage_size = 3\n")
    code, _, err = run("--config", directory + "/bad.toml", "check")
    check("check names file, line and the key that was meant, and ends with 1",
          code == 1 and "did you mean message_size" in err and "bad.toml:" in err, err)
    code, _, err = run("--config", directory + "/absent.toml", "check")
    check("a configuration that is not there ends with 1", code == 1, err)

    with open(config, "a") as more:
        for protocol, tls in (("smtp", "starttls"), ("submission", "starttls"), ("submissions", "implicit"), ("imap", "starttls"),
                              ("imaps", "implicit")):
            more.write(f'\n[[listener]]\nprotocol = "{protocol}"\naddress = "127.0.0.1:0"\ntls = "{tls}"\n')
    code, out, err = run("--config", config, "account", "add", "alice@example.test", "--password-stdin", text="correct horse battery\n")
    check("account add ends with 0", code == 0, (out, err))
    code, out, err = run("--config", config, "account", "add", "alice@example.test", "--password-stdin", text="x y z\n")
    check("the same account again ends with 1", code == 1, (out, err))
    code, out, err = run("--config", config, "account", "list", "--json")
    check("account list --json has it", code == 0 and json.loads(out)[0]["login"] == "alice@example.test", (out, err))
    code, out, err = run("--config", config, "queue", "list", "--json")
    check("queue list --json is an empty list", code == 0 and json.loads(out) == [], (out, err))

    server = subprocess.Popen([program, "--config", config, "serve"], stderr=subprocess.PIPE, text=True)
    listeners = read_ready(server)
    check("the ready line names every listener with its port",
          sorted(listeners) == ["imap", "imaps", "smtp", "submission", "submissions"] and all(int(p) > 0 for _, p in listeners.values()),
          listeners)
    for protocol, greeting in (("smtp", b"220 "), ("imap", b"* OK")):
        with socket.create_connection(listeners[protocol], timeout=20) as client:
            check(f"{protocol} greets", client.recv(1000).startswith(greeting))
    server.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    check("SIGHUP does not end it", server.poll() is None)
    idle = socket.create_connection(listeners["imap"], timeout=20)
    idle.recv(1000)
    server.send_signal(signal.SIGTERM)
    try:
        code = server.wait(40)
    except subprocess.TimeoutExpired:
        server.kill()
        code = "still running"
    check("SIGTERM ends it with 0 although a client is idle", code == 0, (code, server.stderr.read()[-2000:]))
    idle.close()

sys.exit(1 if failures else 0)
