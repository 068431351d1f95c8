#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""`keystone-mail reload`: routes, relay, queue, forwarding and MTA-STS of a running server change without dropping a connection or a
message; what needs a restart is named. Argument: keystone-mail."""
import json
import pathlib
import signal
import smtplib
import ssl
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402
from sink import Sink, wait_for  # noqa: E402

PASSWORD = 'a long enough password'
LISTENERS = [('submission', 'none', True), ('smtp', 'none', False), ('https', 'implicit', False)]
check = Checks()


def sections(host, route='', relay='', queue='', forwarding='', more=''):
    return f'''
[relay]
host = "{host}"
tls = "none"
{relay}
[queue]
retry = ["1h"]
{queue}
[forwarding]
{forwarding}
{f'[[route]]{chr(10)}domains = ["routed.test"]{chr(10)}host = "{route}"{chr(10)}tls = "none"' if route else ''}
{more}
'''


first, second, third = Sink(), Sink(), Sink()
with Server(sys.argv[1], listeners=LISTENERS, extra=sections(first.place)) as server:
    server.add_account('alice@example.test', PASSWORD)
    server.run('alias', 'add', 'away@example.test', 'forwarded@elsewhere.test')
    server.start()

    def configure(*arguments, **words):
        text = server.config.read_text()
        server.config.write_text(text[:text.index('[relay]')] + sections(*arguments, **words))
        return server.run('reload')

    def waiting():
        return json.loads(server.run('queue', 'list', '--json').stdout)

    def retry_all():
        for entry in waiting():
            server.run('queue', 'retry', entry['id'])
        return not waiting()

    client = smtplib.SMTP('127.0.0.1', server.port('submission'))  # stays over every reload
    client.login('alice@example.test', PASSWORD)

    def submit(recipient):
        client.sendmail('alice@example.test', [recipient], 'From: alice@example.test\r\nSubject: x\r\n\r\nhi\r\n')

    submit('one@plain.test')
    check('mail goes to the smarthost', wait_for(lambda: first.to('one@plain.test')), server.log())

    # Another [relay] and a [[route]].
    done = configure(second.place, route=third.place)
    check('reload takes another [relay] and a [[route]]', done.returncode == 0, done)
    submit('two@plain.test')
    submit('two@routed.test')
    check('mail goes to the new smarthost', wait_for(lambda: second.to('two@plain.test')) and not first.to('two@plain.test'), server.log())
    check('and by the new route', wait_for(lambda: third.to('two@routed.test')) and not second.to('two@routed.test'), server.log())

    # What waits goes the new way.
    second.is_away = True
    submit('three@plain.test')
    check('mail waits for a smarthost that is away',
          wait_for(lambda: any('421' in server.run('queue', 'show', entry['id']).stdout for entry in waiting())), server.run('queue', 'list'))
    done = configure(first.place, route=second.place)
    retry_all()
    check('after a reload it goes to the other one', done.returncode == 0 and wait_for(lambda: first.to('three@plain.test')), server.log())
    done = configure(first.place)
    submit('four@routed.test')
    check('a [[route]] that is gone leads nowhere', done.returncode == 0 and wait_for(lambda: first.to('four@routed.test')), server.log())

    # [queue], [forwarding], [mta_sts].
    with smtplib.SMTP('127.0.0.1', server.port('smtp')) as stranger:
        stranger.sendmail('writer@sender.test', ['away@example.test'], 'From: writer@sender.test\r\n\r\nx\r\n')
    check('mail that is passed on has a sender of ours', wait_for(lambda: any(m[0].startswith('SRS0=') for m in first.messages)), first.messages)
    done = configure(first.place, forwarding='rewrite = false', queue='messages_per_account = 1')
    check('reload takes [forwarding] and [queue]', done.returncode == 0, done)
    with smtplib.SMTP('127.0.0.1', server.port('smtp')) as stranger:
        stranger.sendmail('writer2@sender.test', ['away@example.test'], 'From: writer2@sender.test\r\n\r\nx\r\n')
    check('mail that is passed on keeps its sender now', wait_for(lambda: any(m[0] == 'writer2@sender.test' for m in first.messages)), first.messages)
    first.is_away = True
    submit('five@plain.test')
    refused = None
    try:
        submit('six@plain.test')
    except smtplib.SMTPException as error:
        refused = error
    check('an account has no more waiting than [queue] says now', refused is not None and '4.3.1' in str(refused), refused)
    first.is_away = False

    def policy():
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        request = urllib.request.Request(f'https://127.0.0.1:{server.port("https")}/.well-known/mta-sts.txt', headers={'Host': 'mta-sts.example.test'})
        with urllib.request.urlopen(request, context=context, timeout=20) as answer:
            return answer.read().decode()

    before = policy()
    done = configure(first.place, more='[mta_sts]\nmode = "testing"\n')
    check('reload takes [mta_sts]', done.returncode == 0 and 'mode: enforce' in before and 'mode: testing' in policy(), (done, before))

    # What needs a restart is named, and the rest is taken.
    done = configure(second.place, relay='mta_sts = false', more='[reports]\nenabled = false\n[resolver]\nservers = ["127.0.0.1:53"]\n')
    check('what needs a restart is said by its name', done.returncode == 1 and
          'this needs a restart: [relay] mta_sts, [resolver], [reports]' in done.stderr, done)
    second.is_away = False
    submit('seven@plain.test')
    check('the rest has been taken', wait_for(lambda: second.to('seven@plain.test')), server.log())
    done = configure(first.place, relay='mta_sts = false')
    check('it is said until the restart', done.returncode == 1 and 'needs a restart: [relay] mta_sts\n' in done.stderr, done)

    text = server.config.read_text()
    server.config.write_text(text.replace('protocol = "smtp"\n', 'protocol = "smtp"\nproxy_trusted = ["192.0.2.0/24"]\n', 1))
    done = server.run('reload')
    check('whose PROXY headers count is one of those', done.returncode == 1 and '[[listener]]' in done.stderr, done)
    server.config.write_text(text)

    # A secret that cannot be read any more is not dropped, and not silently kept.
    secret = server.folder / 'secret'
    secret.write_text('a secret\n')
    hook = f'[[webhook]]\nurl = "http://127.0.0.1:9/"\nsecret = "{secret}"\n'
    done = configure(first.place, more=hook)
    check('reload takes a [[webhook]]', done.returncode == 0, done)
    secret.unlink()
    done = configure(first.place, more=hook)
    check('a secret that is gone is kept, and the log says so', done.returncode == 0 and
          server.logged('config.secret_kept', str(secret)) and 'a secret' not in server.log(), (done, server.log()))

    # A bad one changes nothing.
    done = configure('not a host', forwarding='rewrite = false')
    check('a route that is none is refused', done.returncode == 1 and 'not a host' in done.stderr, done)
    submit('eight@plain.test')
    check('and changes nothing', wait_for(lambda: first.to('eight@plain.test')), server.log())
    text = server.config.read_text()
    server.config.write_text(text[:text.index('[relay]')] + sections(third.place))
    server.process.send_signal(signal.SIGHUP)
    check('SIGHUP does the same', wait_for(lambda: (submit('nine@plain.test'), time.sleep(0.3), third.to('nine@plain.test'))[-1]), server.log())
    client.quit()
    check('nothing is left in the queue', wait_for(retry_all), server.run('queue', 'list'))
    check('the server ends well', server.stop() == 0)
sys.exit(check.finish())
