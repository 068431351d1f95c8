#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""The program's exit codes, output and life: argv[1] is keystone-mail."""
import imaplib
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks  # noqa: E402

program = os.path.abspath(sys.argv[1])
check = Checks()


def run(*arguments, text=""):
    done = subprocess.run([program, *arguments], input=text, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


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
    for command, choices in ((["export"], ("maildir", "mbox")), (["dns"], ("json", "table", "zone"))):
        code, out, err = run(*command, "--help")
        check(f"{command[0]} --help names its formats, in letters", code == 0 and all(word in out for word in choices) and "\0" not in out and
              all(c.isprintable() or c == "\n" for c in out), ascii(out))
        code, out, err = run(*command, *(["a@example.test", "x"] if command == ["export"] else []), "--format", "foo")
        check(f"{command[0]} --format foo says which there are", code == 2 and all(word in err for word in choices) and err.isascii() and "\0" not in err, ascii(err))
    for typed, said in ((["frobnicate"], "no command frobnicate"), (["serv"], "mean serve?"), (["account", "lst"], "mean list?"),
                        (["account", "add", "a@b.test", "--password", "x"], "mean --password-stdin?"), (["serve", "--bogus"], "no option --bogus")):
        code, out, err = run(*typed)
        check(f"{' '.join(typed)}: what is not known is named, and what is like it", code == 2 and said in err and out == "", (code, out, err))
    for words in (["export", "--help"], ["dns", "--help"], ["export", "a@b.test", "x", "--format", "foo"]):
        code, out, err = run(*words)
        check(f"{' '.join(words)} prints text, whole", (out + err).isprintable() or all(c.isprintable() or c == "\n" for c in out + err), (out, err))
    check("a format that is none is told which there are", "maildir" in err and "mbox" in err and code == 2, err)
    for usage in (["frobnicate"], [], ["init"], ["account"], ["account", "add"], ["serve", "--bogus"]):
        code, out, err = run(*usage)
        check(f"wrong usage {usage} ends with 2", code == 2, (code, out, err))

    code, out, err = run("--config", config, "account", "list")
    check("without a configuration it says how to come by one", code == 1 and "keystone-mail init" in err, (code, out, err))
    new = lambda place, folder="new": ["init", "--config", f"{place}/{folder}/conf/mail.toml", "--hostname", "mail.example.test", "--domain", "example.test",
                                       "--data", f"{place}/{folder}/lib/data", "--self-signed"]
    code, out, err = run(*new(directory))
    check("init makes the folders of the configuration and of the data",
          code == 0 and os.stat(f"{directory}/new/conf").st_mode & 0o777 == 0o755 and os.stat(f"{directory}/new/lib/data").st_mode & 0o777 == 0o700, (out, err))
    os.makedirs(f"{directory}/half/lib/data/tls")
    pathlib.Path(f"{directory}/half/lib/data/tls/certificate.pem").write_text("mine")
    code, out, err = run(*new(directory, "half"))
    left = sorted(str(path.relative_to(f"{directory}/half")) for path in pathlib.Path(f"{directory}/half").rglob("*"))
    check("init takes back what it made when it fails, and nothing else", code == 1 and left == ["lib", "lib/data", "lib/data/tls", "lib/data/tls/certificate.pem"], (left, err))
    pathlib.Path(directory + "/file").write_text("")
    code, out, err = run("init", "--config", directory + "/file/mail.toml", "--hostname", "mail.example.test", "--domain", "example.test", "--data", directory + "/never")
    check("init leaves no data directory behind when the configuration cannot be written", code == 1 and not os.path.exists(directory + "/never"), err)
    code, out, err = run("init", "--config", directory + "/post.toml", "--hostname", "post.bücher.example", "--domain", "bücher.example", "--data",
                         directory + "/post", "--self-signed")
    check("init --self-signed takes internationalised names", code == 0, (out, err))
    code, out, err = run("--config", directory + "/post.toml", "check")
    check("and check finds them in the certificate", code == 0 and "no certificate names" not in err, (out, err))
    code, out, err = run("init", "--config", directory + "/wrong.toml", "--hostname", "mail.example.test", "--domain", "-wrong-.example", "--data",
                         directory + "/wrong", "--self-signed")
    check("what is no name is said", code == 2 and "-wrong-.example" in err and not os.path.exists(directory + "/wrong"), (code, err))
    code, out, err = run(*init, "--self-signed")
    check("init ends with 0", code == 0, (out, err))
    fresh = [*init[:1], "--config", directory + "/new/etc/mail.toml", *init[3:-1]]
    code, out, err = run(*fresh, directory + "/data2")
    check("init makes the folder of the configuration", code == 0 and os.path.exists(directory + "/new/etc/mail.toml"), (out, err))
    code, out, err = run(*init[:1], "--config", program + "/mail.toml", *init[3:-1], directory + "/data3")
    check("where the configuration cannot be written it says so and makes nothing", code == 1 and "cannot write" in err and not os.path.exists(directory + "/data3"),
          (code, out, err))
    code, out, err = run("init", "--config", directory + "/idn.toml", "--hostname", "post.bücher.example", "--domain", "bücher.example", "--data",
                         directory + "/data4", "--self-signed")
    check("init --self-signed takes names in U-labels", code == 0, (code, out, err))
    certificate = ssl._ssl._test_decode_cert(directory + "/data4/tls/certificate.pem") if code == 0 else {}
    check("and their certificate has A-labels", ("DNS", "post.xn--bcher-kva.example") in certificate.get("subjectAltName", ()) and
          ("DNS", "mta-sts.xn--bcher-kva.example") in certificate["subjectAltName"], certificate)
    check("the data directory and the key are the owner's alone",
          os.stat(data).st_mode & 0o777 == 0o700 and os.stat(data + "/tls/key.pem").st_mode & 0o777 == 0o600)
    before = open(config).read()
    code, _, err = run(*init, "--self-signed")
    check("init overwrites nothing and ends with 1", code == 1 and open(config).read() == before and "edit it" in err, err)
    code, out, err = run("--config", config, "check", "--json")
    check("check finds the new configuration good", code == 0 and json.loads(out)["ok"], (out, err))
    with open(directory + "/bad.toml", "w") as bad:
        bad.write(before + "\n[limits]\nmesage_size = 3\n")
    code, _, err = run("--config", directory + "/bad.toml", "check")
    check("check names file, line and the key that was meant, and ends with 1",
          code == 1 and "did you mean message_size" in err and "bad.toml:" in err, err)
    code, _, err = run("--config", directory + "/absent.toml", "check")
    check("a configuration that is not there ends with 1", code == 1, err)

    with open(directory + "/twice.toml", "w") as bad:
        bad.write(before + '\n[[listener]]\nprotocol = "smtp"\naddress = "[::]:2525"\n\n[[listener]]\nprotocol = "imap"\naddress = "[::]:2525"\n')
    code, _, err = run("--config", directory + "/twice.toml", "check")
    check("check finds two listeners at one address", code == 1 and "[::]:2525 is that of the listener at line" in err, err)
    with open(directory + "/twice.toml", "w") as bad:
        bad.write(before + '\n[[listener]]\nprotocol = "smtp"\naddress = "[::]:2525"\n\n[[listener]]\nprotocol = "smtp"\naddress = "127.0.0.1:2525"\n')
    code, _, err = run("--config", directory + "/twice.toml", "check")
    check("and warns of one that another takes too", code == 0 and "127.0.0.1:2525 is among what [::]:2525 takes already" in err, err)
    for what, lines, said in (("a route for what is no domain", '[relay]\nroutes = { "x test" = "host:25" }', '"x test" is no domain'),
                              ("a rate for what is no domain", '[relay]\nrates = { "x test" = "5" }', '"x test" is no domain'),
                              ("authorities that are not there", '[relay]\nauthorities = "/nowhere/ca.pem"', '/nowhere/ca.pem'),
                              ("a trust anchor that is none", '[resolver]\ntrust_anchors = ["garbage"]', "[resolver] ")):
        with open(directory + "/outgoing.toml", "w") as file:
            file.write(open(config).read() + f"\n{lines}\n")
        code, out, err = run("--config", directory + "/outgoing.toml", "check")
        check(f"check finds {what}, which serve would not take", code == 1 and said in err, (code, out, err))
    with open(directory + "/outgoing.toml", "w") as file:
        file.write(open(config).read() + '\n[relay]\nsource_address4 = "203.0.113.9"\n')
    code, _, err = run("--config", directory + "/outgoing.toml", "check")
    check("and warns of a source address that this machine has not", code == 0 and "203.0.113.9 is no address of this machine" in err, (code, err))
    with open(config, "a") as more:
        for protocol, tls in (("smtp", "starttls"), ("submission", "starttls"), ("submissions", "implicit"), ("imap", "starttls"),
                              ("imaps", "implicit")):
            more.write(f'\n[[listener]]\nprotocol = "{protocol}"\naddress = "127.0.0.1:0"\ntls = "{tls}"\n')
    code, out, err = run("--config", config, "account", "add", "alice@example.test", "--password-stdin", text="correct horse battery\n")
    check("account add ends with 0", code == 0, (out, err))
    code, out, err = run("--config", config, "account", "add", "alice@example.test", "--password-stdin", text="x y z\n")
    check("the same account again ends with 1", code == 1, (out, err))
    code, _, err = run("--config", config, "account", "add", "weak@example.test", "--password-stdin", text="short\n")
    check("a weak password is taken with a warning", code == 0 and "warning: this password is weak" in err, err)
    code, out, err = run("--config", config, "account", "list", "--json")
    check("account list --json has it", code == 0 and json.loads(out)[0]["login"] == "alice@example.test", (out, err))

    def quota(*options):
        code, out, err = run("--config", config, "account", "quota", "alice@example.test", *options, "--json")
        return code, json.loads(out) if out else None, err

    code, seen, err = quota()
    check("account quota shows that there is none, and the use", code == 0 and (seen["quota_octets"], seen["octets_used"]) == (0, 0), (seen, err))
    code, seen, err = quota("--octets", "500M", "--messages", "2")
    check("account quota sets both", code == 0 and (seen["quota_octets"], seen["quota_messages"]) == (500 << 20, 2), (seen, err))
    code, seen, err = quota("--octets=3k")
    check("account quota leaves alone what is not named", code == 0 and (seen["quota_octets"], seen["quota_messages"]) == (3072, 2), (seen, err))
    for wrong in (("--octets", "many"), ("--octets", "0"), ("--octets", "5X"), ("--octets", "99999999T"), ("--messages", "-1"), ("--none", "--octets", "1M")):
        code, seen, err = quota(*wrong)
        check(f"account quota {' '.join(wrong)} is wrong usage", code == 2, (code, seen, err))
    code, out, err = run("--config", config, "account", "list")
    check("account list shows it", "alice@example.test, 0 octets of 3.0 KiB, 0 messages of 2\n" in out, out)
    code, out, err = run("--config", config, "account", "quota", "nobody@example.test", "--none")
    check("account quota of nobody ends with 1", code == 1 and "no account" in err, (out, err))
    for words in (["--json", "--config", config, "queue", "list"], ["--config", config, "--json", "queue", "list"], ["--config", config, "queue", "--json", "list"]):
        code, out, err = run(*words)
        check("--json may stand anywhere", code == 0 and out == "[]\n", (words, code, out, err))
    code, out, err = run("--json", "--config", directory + "/absent.toml", "serve")
    check("serve --json says in JSON why it does not start", code == 1 and not json.loads(out)["ok"], (out, err))
    code, out, err = run("--config", config, "alias", "add", "lonely@example.test")
    check("alias add without a target says what it needs", code == 2 and "where it leads" in err, (code, err))
    for words, said in ((["sales@example.test", "nobody@example.test", "alice@example.test"], "there is no nobody@example.test here"),
                        (["a@example.test", "b@example.test"], "there is no b@example.test here"),
                        (["b", "C@Example.TEST"], "there is no C@Example.TEST here"),
                        (["c@example.test", "a@example.test"], "c@example.test -> a@example.test -> b@example.test -> c@example.test is a circle"),
                        (["self@example.test", "self@example.test"], "self@example.test -> self@example.test is a circle"),
                        (["d@example.test", "a@example.test"], "a@example.test leads nowhere itself")):
        code, out, err = run("--config", config, "alias", "add", *words)
        check(f"alias add {' '.join(words)} is done with a warning", code == 0 and said in err, (code, out, err))
    code, out, err = run("--config", config, "alias", "list", "--json")
    check("all of them are there", len(json.loads(out)) == 6, out)
    for words in (["fine@example.test", "alice@example.test", "somebody@elsewhere.test"], ["also@example.test", "fine@example.test"], ["@example.test", "alice@example.test"],
                  ["now-there@example.test", "anything@example.test"]):
        code, out, err = run("--config", config, "alias", "add", *words)
        check(f"alias add {' '.join(words)} has nothing to warn of", code == 0 and err == "", (code, out, err))
    for one in json.loads(run("--config", config, "alias", "list", "--json")[1]):
        run("--config", config, "alias", "remove", one["address"])
    code, out, err = run("--config", config, "account")
    check("a command that needs another says which there are", code == 2 and "after account:" in err and "password" in err and "subcommand" not in err, (code, err))
    code, out, err = run()
    check("so does the program", code == 2 and "serve" in err and "subcommand" not in err, (code, err))
    code, out, err = run("--config", directory + "/absent.toml", "serve")
    check("serve says why it does not start without the name of an error's kind", code == 1 and "not_found" not in err and "there is no" in err, (code, err))
    taken = socket.create_server(("127.0.0.1", 0))
    with open(directory + "/taken.toml", "w") as other:
        other.write(before.replace(data, directory + "/taken") + f'\n[[listener]]\nprotocol = "smtp"\naddress = "127.0.0.1:{taken.getsockname()[1]}"\ntls = "none"\n')
    with open(directory + "/taken.toml") as other:
        text_of_it = other.read().replace(directory + "/taken/tls", data + "/tls")
    with open(directory + "/taken.toml", "w") as other:
        other.write(text_of_it)
    code, out, err = run("--config", directory + "/taken.toml", "serve")
    check("so it does of an address that is taken", code == 1 and err.startswith("keystone-mail: cannot listen at 127.0.0.1:"), (code, err))
    taken.close()
    code, out, err = run("--config", config, "export", "alice@example.test", directory + "/exported")
    again, out, err = run("--config", config, "export", "alice@example.test", directory + "/exported")
    check("export onto what is there says what to do", code == 0 and again == 1 and "name another directory" in err, (code, again, err))
    code, out, err = run("--config", config, "queue", "list", "--json")
    check("queue list --json is an empty list", code == 0 and json.loads(out) == [], (out, err))

    other_config = directory + "/new/conf/mail.toml"
    with open(other_config, "a") as more:
        more.write('\n[[listener]]\nprotocol = "smtp"\naddress = "127.0.0.1:0"\n')
    server = subprocess.Popen([program, "--config", config, "serve"], stderr=subprocess.PIPE, text=True)
    listeners = read_ready(server)
    check("the ready line names every listener with its port",
          sorted(listeners) == ["imap", "imaps", "smtp", "submission", "submissions"] and all(int(p) > 0 for _, p in listeners.values()),
          listeners)
    for protocol, greeting in (("smtp", b"220 "), ("imap", b"* OK")):
        with socket.create_connection(listeners[protocol], timeout=20) as client:
            check(f"{protocol} greets", client.recv(1000).startswith(greeting))
    # Commands while the server runs go through its control socket.
    socket_path = data + "/control.sock"
    check("the control socket is the owner's alone", os.stat(socket_path).st_mode & 0o777 == 0o600)
    code, out, err = run("--config", config, "account", "add", "bob@example.test", "--password-stdin", text="another horse battery\n")
    check("an account is added while the server runs", code == 0 and "added bob@example.test" in out, (out, err))
    code, out, err = run("--config", config, "account", "add", "bob@example.test", "--password-stdin", text="another horse battery\n")
    check("adding it again ends with 1", code == 1 and err, (out, err))
    code, out, err = run("--config", config, "account", "password", "bob@example.test", "--password-stdin", text="weak\n")
    check("a weak password is warned of through the socket too", code == 0 and "warning" in err, err)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def log_in(password):
        try:
            with imaplib.IMAP4_SSL(*listeners["imaps"], ssl_context=context) as client:
                return client.login("bob@example.test", password)[0] == "OK"
        except imaplib.IMAP4.error:
            return False

    check("and can log in by IMAP at once", log_in("weak") and not log_in("another horse battery"))
    with imaplib.IMAP4_SSL(*listeners["imaps"], ssl_context=context) as client:
        client.login("alice@example.test", "correct horse battery")
        check("IMAP tells of a quota that was set while no server ran", b"STORAGE 0 3 MESSAGE 0 2" in client.getquotaroot("INBOX")[1][1][0])
        check("and heeds it", client.append("INBOX", None, None, b"Subject: x\r\n\r\n" + b"x" * 5000)[0] == "NO")
        code, seen, err = quota("--none")
        check("account quota --none while the server runs", code == 0 and (seen["quota_octets"], seen["quota_messages"]) == (0, 0), (seen, err))
        check("holds for sessions that are open", client.append("INBOX", None, None, b"Subject: x\r\n\r\n" + b"x" * 5000)[0] == "OK")
        code, seen, err = quota("--octets", "1K")
        check("account quota warns when there is more already", code == 0 and seen["messages_used"] == 1 and "warning" in err, (seen, err))
    code, out, err = run("--config", config, "account", "app-password", "add", "bob@example.test", "--name", "phone")
    device = out.split()[-1] if out else ""
    check("an app password is made and works", code == 0 and log_in(device), (out, err))
    code, out, err = run("--config", config, "account", "app-password", "list", "bob@example.test", "--json")
    check("it is listed", code == 0 and [one["name"] for one in json.loads(out)] == ["phone"], (out, err))
    code, out, err = run("--config", config, "account", "app-password", "remove", "bob@example.test", "--name", "phone")
    check("and useless once removed", code == 0 and not log_in(device), (out, err))
    code, out, err = run("--config", config, "reload")
    check("reload has the server read its configuration", code == 0, (out, err))
    with open(config) as file:
        good = file.read()
    with open(config, "w") as file:
        file.write(good.replace('hostname = "mail.example.test"', 'hostname = "other.example.test"'))
    code, out, err = run("--config", config, "reload")
    check("reload says what needs a restart and ends with 1", code == 1 and "restart" in err, (out, err))
    with open(config, "w") as file:
        file.write(good)
    code, out, err = run("--config", config, "unban", "192.0.2.1", "--json")
    check("unban answers in JSON", code == 0 and json.loads(out)["lifted"] == 0, (out, err))
    code, out, err = run("--config", config, "unban", "nobody")
    check("unban of what is no address ends with 2", code == 2, (out, err))

    def raw_control(octets, end=True):
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(20)
            control.connect(socket_path)
            control.sendall(octets)
            if end:
                control.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := control.recv(65536):
                answer += piece
            return json.loads(answer[4:]) if answer else None

    def framed(text):
        return len(text).to_bytes(4, "big") + text

    for name, octets in (("a length beyond the limit", b"\xff\xff\xff\xff"), ("what is no JSON", framed(b"hello")),
                         ("JSON nested deeply", framed(b"[" * 100_000)), ("half a request", framed(b"{}")[:3]),
                         ("arguments that are no texts", framed(b'{"noun":"account","verb":"add","arguments":[1]}'))):
        answer = raw_control(octets)
        check(f"control: {name} is refused", answer and answer["status"] == 1 and answer["error"], answer)
    for request in (b'{"noun":"account","verb":"add","arguments":[]}', b'{"noun":"x","verb":"y","arguments":[]}'):
        answer = raw_control(framed(request))
        check("control: a request that makes no sense has status 2", answer and answer["status"] == 2, answer)
    raw = framed(b'{"noun":"domain","verb":"list","arguments":[]}')
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(socket_path)
        for octet in raw:
            control.sendall(bytes([octet]))
            time.sleep(0.001)
        control.settimeout(20)
        check("control: a request may come octet by octet", b"example.test" in control.recv(65536))
    json_server = subprocess.Popen([program, "--config", other_config, "serve", "--json"], stderr=subprocess.PIPE, text=True)
    read_ready(json_server)
    json_server.send_signal(signal.SIGHUP)
    lines = iter(json_server.stderr.readline, "")
    reloaded = next((line for line in lines if "config.reloaded" in line), "")
    json_server.terminate()
    check("serve --json logs in JSON, after a reload too", reloaded and json.loads(reloaded) and json_server.wait(30) == 0, reloaded)
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
    check("the control socket is gone with the server", not os.path.exists(socket_path))
    check("SIGTERM ends it with 0 although a client is idle", code == 0, (code, server.stderr.read()[-2000:]))
    idle.close()
    code, out, err = run("--config", config, "account", "list")
    check("what was done through the socket is there when no server runs", code == 0 and "bob@example.test" in out, (out, err))
    code, out, err = run("--config", config, "reload")
    check("reload without a server ends with 1", code == 1 and "no server" in err, (out, err))

    # Sockets that the service manager opened (sd_listen_fds(3)).
    def activated(sockets, names, listeners, seconds=20):
        """How `serve` goes with these: (exit code or None, what it said)."""
        with open(config) as file:
            text = re.sub(r"(?ms)^\[\[listener\]\].*?(?=^\[|\Z)", "", file.read())
        given = f"{directory}/activated.toml"
        with open(given, "w") as file:
            file.write(text + "".join(f'\n[[listener]]\nprotocol = "{p}"\naddress = "{a}"\n' for p, a in listeners) + "\n[relay]\nenabled = false\n")

        def place():
            for at, one in enumerate(sockets):
                os.dup2(os.dup(one.fileno()), 3 + at)
        serving = subprocess.Popen(["sh", "-c", 'LISTEN_PID=$$ exec "$0" "$@"', program, "--config", given, "serve"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=place, close_fds=False,
                                   env=dict(os.environ, LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=":".join(names)))
        said, limit = "", time.monotonic() + seconds
        for line in serving.stderr:
            said += line
            if "ready" in line or time.monotonic() > limit:
                break
        code = serving.poll() if "ready" in said else serving.wait(seconds)
        banner = b""
        if code is None:
            with socket.create_connection(sockets[0].getsockname()[:2], timeout=seconds) as client:
                banner = client.recv(100)
            serving.terminate()
            serving.wait(40)
        serving.stderr.close()
        return code, said, banner

    def listening(family=socket.AF_INET, address=("127.0.0.1", 0), kind=socket.SOCK_STREAM):
        one = socket.socket(family, kind)
        one.bind(address)
        if kind == socket.SOCK_STREAM:
            one.listen(10)
        return one

    with listening() as first, listening() as second, listening(socket.AF_UNIX, f"{directory}/lmtp.sock") as unix, \
            listening(kind=socket.SOCK_DGRAM) as datagram:
        at = [f"127.0.0.1:{one.getsockname()[1]}" for one in (first, second, datagram)]
        code, said, banner = activated([first], ["x"], [("smtp", at[0])])
        check("a passed socket with a listener's address is served", code is None and banner.startswith(b"220"), (code, said))
        code, said, banner = activated([first], ["smtp"], [("smtp", "127.0.0.1:0")])
        check("so is one with its protocol's name", code is None and banner.startswith(b"220") and at[0] in said, (code, said))
        for other, name, shown in ((second, "typo.socket", at[1]), (unix, "x", f"{directory}/lmtp.sock"), (datagram, "x", at[2]), (second, "smtp", at[1])):
            code, said, _ = activated([first, other], ["smtp", name], [("smtp", at[0])])
            check(f"a passed socket that no listener serves ({name}) keeps it from starting, and it says which and what to write",
                  code == 1 and shown in said and at[0] not in said.replace(shown, "") and "[[listener]]" in said, (code, said))

sys.exit(check.finish())
