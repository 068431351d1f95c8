#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""queue move, trace, and what a sender may ask for at submission, by the real program: argv[1] is keystone-mail."""
import datetime
import datetime
import imaplib
import json
import pathlib
import re
import smtplib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402
from sink import Sink  # noqa: E402

PASSWORD = 'a long enough password'
LISTENERS = [('imap', 'starttls', True), ('submission', 'none', True), ('smtp', 'none', False)]
check = Checks()


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def inbox(server):
    with imaplib.IMAP4('127.0.0.1', server.port('imap')) as client:
        client.login('alice@example.test', PASSWORD)
        client.select('INBOX', readonly=True)
        numbers = client.search(None, 'ALL')[1][0].split()
        return [client.fetch(number.decode(), '(BODY.PEEK[HEADER.FIELDS (SUBJECT)])')[1][0][1].decode().partition(': ')[2].strip() for number in numbers]


def entries(server):
    return json.loads(server.run('queue', 'list', '--json').stdout)


sink = Sink()
shut = free_port()
extra = f'\n[relay]\nroutes = {{ "elsewhere.test" = "127.0.0.1:{shut}", "sink.test" = "{sink.place}" }}\n'
with Server(sys.argv[1], listeners=LISTENERS, extra=extra) as server:
    server.add_account('alice@example.test', PASSWORD)
    server.start()

    def submit(subject, to='bob@elsewhere.test', options=()):
        with smtplib.SMTP('127.0.0.1', server.port('submission')) as client:
            client.login('alice@example.test', PASSWORD)
            message = f'From: alice@example.test\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@example.test>\r\n\r\nhi\r\n'
            client.sendmail('alice@example.test', [to], message, mail_options=list(options))

    submit('moved')
    check('what cannot be reached is tried and kept', wait_for(lambda: 'deferred' in server.run('trace', 'moved@example.test').stdout), server.log())
    entry = entries(server)[0]['id']
    shown = server.run('queue', 'show', entry).stdout
    check('show tells all that is kept', all(word in shown for word in ('message id: <moved@', 'session: ', 'login: alice@', 'arrived: ', 'expires: ')), shown)
    told = json.loads(server.run('queue', 'show', entry, '--json').stdout)[0]
    check('and so it does in JSON, each recipient included', told == entries(server)[0] and told['login'] == 'alice@example.test' and told['arrived'] in shown
          and told['expires'] in shown and told['session'] in shown and told['sender'] == 'alice@example.test' and not told['held'] and told['moved_to'] == ''
          and told['held_until'] is None, told)
    recipient = told['recipients'][0]
    check('why it waits, how often it was tried and when it is tried next', len(told['recipients']) == 1 and recipient['address'] == 'bob@elsewhere.test'
          and recipient['state'] == 'waits' and recipient['attempts'] >= 1 and recipient['reply'] and recipient['reply'] in shown
          and recipient['next_attempt'] in shown, (recipient, shown))
    done = server.run('queue', 'move', entry, 'not a place:x')
    check('a place that is none is refused', done.returncode == 2, done)
    done = server.run('queue', 'move', entry, sink.place)
    check('moved to another host, it goes there at once', done.returncode == 0 and wait_for(lambda: 'moved' in sink.subjects and not entries(server)), (done, server.log()))
    text = server.run('trace', '<moved@example.test>').stdout
    steps = json.loads(server.run('trace', entry, '--json').stdout)
    check('the trace of an entry that is gone has every step', [s['what'] for s in steps] == ['connected', 'sender', 'recipient', 'accepted', 'deferred', 'moved', 'delivered'], steps)
    check('with who said what', steps[-1]['text'].find('taken by the sink') >= 0 and 'session' in steps[0]['text'] and steps[3]['recipient'] == '<moved@example.test>', steps)
    check('its session is that of the log', server.logged(re.search(r'session (\S+?),', steps[0]['text'])[1]), steps)
    check('the columns are aligned', len({line.index(s['recipient'] or s['text']) for line, s in zip(text.splitlines()[1:], steps) if s['recipient']}) == 1, text)
    check('a message that nobody knows is not found', server.run('trace', 'nobody@example.test').returncode == 1)

    with smtplib.SMTP('127.0.0.1', server.port('submission')) as client:
        client.ehlo()
        offered = set(client.esmtp_features)
    with smtplib.SMTP('127.0.0.1', server.port('smtp')) as client:
        client.ehlo()
        outside = set(client.esmtp_features)
    wanted = {'futurerelease', 'deliverby', 'mt-priority'}
    check('the extensions are offered at submission, and there alone', wanted <= offered and not wanted & outside, (offered, outside))

    submit('later', 'x@sink.test', ['HOLDFOR=2'])
    began = time.monotonic()
    check('mail held back for a while waits', 'held back until' in server.run('queue', 'show', entries(server)[-1]['id']).stdout and 'later' not in sink.subjects)
    check('and goes when it is time', wait_for(lambda: 'later' in sink.subjects) and time.monotonic() - began > 1.0, sink.subjects)
    submit('later here', 'alice@example.test', ['HOLDFOR=2'])
    check('so does mail for a mailbox here', 'later here' not in inbox(server) and wait_for(lambda: 'later here' in inbox(server)), server.log()[-2000:])
    until = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=60)).strftime('%Y-%m-%dT%H:%M:%SZ')
    for options, to, what in ((['HOLDUNTIL=' + until], 'x@sink.test', 'later than is offered'), (['BY=0;R'], 'x@sink.test', 'a time that has passed')):
        try:
            submit('refused', to, options)
            check(f'refused: {what}', False)
        except (smtplib.SMTPSenderRefused, smtplib.SMTPRecipientsRefused) as error:
            check(f'refused: {what}', ' 5.5.4' in str(error) or '5.5.4 ' in str(error), error)

    submit('deadline', 'y@elsewhere.test', ['BY=1;N'])
    deadline = entries(server)[-1]['id']
    check('the deadline is kept', 'to be delivered by' in server.run('queue', 'show', deadline).stdout)
    report = lambda: 'relay.reported' in server.log()  # noqa: E731
    time.sleep(1.1)
    server.run('queue', 'retry', deadline)
    check('when it has passed, the sender hears of it', wait_for(report), server.log()[-2000:])
    server.run('queue', 'cancel', deadline)
    check('a cancelled entry says so', json.loads(server.run('trace', deadline, '--json').stdout)[-1]['what'] == 'cancelled')

    for priority in (-5, 0, 9):
        submit(f'urgent{priority}', 'z@sink.test', [f'MT-PRIORITY={priority}', 'HOLDFOR=1'])
        check(f'priority {priority} is kept', (f'priority: {priority}' in server.run('queue', 'show', entries(server)[-1]['id']).stdout) == (priority != 0))
    check('all of them go', wait_for(lambda: sum(s.startswith('urgent') for s in sink.subjects) == 3), sink.subjects)
    code = server.stop()
    check('the server ends well', code == 0, code)
    check('traces outlive it', 'delivered' in server.run('trace', 'later@example.test').stdout)
sys.exit(check.finish())
