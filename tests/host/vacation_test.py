#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright the Keystone Mail authors
"""Automatic answers of people who are absent, through the real program (attack E4): argv[1] is keystone-mail."""
import email
import email.policy
import imaplib
import json
import pathlib
import re
import smtplib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
from keystone import Checks, Server  # noqa: E402
from name_server import NameServer  # noqa: E402
from sink import Sink, wait_for  # noqa: E402

PASSWORD = 'a long enough password'
LISTENERS = [('submission', 'none', True), ('smtp', 'none', False), ('imap', 'none', True), ('lmtp', 'none', False)]
check = Checks()
sink = Sink()
ROUTES = f'\n[relay]\nenabled = true\n[[route]]\ndomains = ["sink.test", "sender.test", "liar.test", "victim.test"]\nhost = "{sink.place}"\ntls = "none"\n'


class Site:
    """A running server, with what people do at it."""

    def __init__(self, server):
        self.server, self.count = server, 0

    def letter(self, to, sender='carol@sender.test', fields='', author=None, named=None, subject='Lunch?'):
        self.count += 1
        author = author or sender or 'carol@sender.test'
        message_id = f'<{self.count}@{author.rsplit("@")[-1]}>'
        named = named if named is not None else f'To: {to}\r\n'
        return message_id, f'{fields}From: {author}\r\n{named}Subject: {subject}\r\nMessage-ID: {message_id}\r\nDate: Mon, 30 Nov 2026 10:00:00 +0000\r\n\r\nhello\r\n'.encode()

    def receive(self, to, sender='carol@sender.test', port='smtp', given=None, **words):
        """A message from outside; its Message-ID."""
        message_id, text = self.letter(to, sender, **words)
        connect = smtplib.LMTP if port == 'lmtp' else smtplib.SMTP
        with connect('127.0.0.1', self.server.port(port)) as client:
            client.sendmail(sender, given or [to], text)
        return message_id

    def submit(self, login, to, **words):
        message_id, text = self.letter(to, login, **words)
        with smtplib.SMTP('127.0.0.1', self.server.port('submission')) as client:
            client.login(login, PASSWORD)
            client.sendmail(login, [to], text)
        return message_id

    def inbox(self, login):
        with imaplib.IMAP4('127.0.0.1', self.server.port('imap')) as client:
            client.login(login, PASSWORD)
            client.select('INBOX', readonly=True)
            numbers = client.search(None, 'ALL')[1][0].split()
            return [client.fetch(number, '(BODY.PEEK[])')[1][0][1].decode() for number in numbers]

    def steps(self, message_id):
        out = self.server.run('trace', message_id, '--json')
        return json.loads(out.stdout) if out.returncode == 0 else []

    def reason(self, message_id):
        """Why a message was not answered, as its trace tells; None where it was."""
        steps = self.steps(message_id)
        told = [step['text'] for step in steps if step['what'] == 'not answered']
        answered = any(step['what'] == 'answered' for step in steps)
        return None if answered and not told else (told or ['nothing is told'])[0]


def answers(to):
    return [data for sender, recipients, data in list(sink.messages) if to in recipients and b'Auto-Submitted: auto-replied' in data]


def vacation(server, login, *words, stdin=None):
    return server.run('account', 'vacation', login, *words, stdin=stdin)


def commands(server):
    done = vacation(server, 'alice@example.test', '--show', '--json')
    check('nobody is absent to begin with', done.returncode == 0 and json.loads(done.stdout)['standing'] == 'off', done)
    done = vacation(server, 'alice@example.test', '--text-file', '-', '--from', '2020-01-02', '--until', '2999-12-31', '--json', stdin='Ich bin verreist.\nViele Grüße\n')
    expected = {'login': 'alice@example.test', 'enabled': True, 'standing': 'on', 'from': '2020-01-02T00:00:00Z', 'until': '3000-01-01T00:00:00Z', 'subject': '',
                'text': 'Ich bin verreist.\nViele Grüße\n', 'as': '', 'days': 7}
    check('an absence, its last day included, offline', done.returncode == 0 and json.loads(done.stdout) == expected, done)
    check('is shown', json.loads(vacation(server, 'alice@example.test', '--json').stdout) == expected)
    for wrong in (['--until', 'tomorrow'], ['--from', '2026-13-01'], ['--days', '0'], ['--days', '99'], ['--from', '2026-12-02', '--until', '2026-12-01'],
                  ['--subject', 'x' * 600], ['--off', '--on'], ['--off', '--subject', 'x'], ['--as', 'nonsense']):
        done = vacation(server, 'alice@example.test', *wrong)
        check(f'usage: {" ".join(wrong)[:40]}', done.returncode == 2 and done.stderr, done)
    done = vacation(server, 'alice@example.test', '--text-file', '-', stdin='x' * 9000)
    check('E4: a text that is no short one is refused', done.returncode == 2 and '8192' in done.stderr, done)
    check('another\'s address is refused', vacation(server, 'alice@example.test', '--as', 'bob@example.test').returncode == 1)
    check('no such account', vacation(server, 'nobody@example.test', '--on').returncode == 1)
    check('what was wrong has changed nothing', json.loads(vacation(server, 'alice@example.test', '--json').stdout) == expected)


def one_answer(site):
    server = site.server
    message_id = site.receive('alice@example.test')
    got = sink.wait('carol@sender.test')
    if not check('E4: a letter is answered', got is not None, server.log()):
        return
    sender, recipients, data = got
    check('E4: from the null sender', sender == '' and recipients == ['carol@sender.test'], got)
    answer = email.message_from_bytes(data, policy=email.policy.default)
    check('by the fields of RFC 3834', (answer['From'], answer['To'], answer['Subject'], answer['Auto-Submitted'], answer['In-Reply-To'], answer['References']) ==
          ('alice@example.test', 'carol@sender.test', 'Auto: Lunch?', 'auto-replied', message_id, message_id), data)
    check('with a date and an id of its own', answer['Date'] and answer['Message-ID'].endswith('@mail.example.test>'), data)
    check('and the text that was given', answer.get_content().replace('\r\n', '\n') == 'Ich bin verreist.\nViele Grüße\n', data)
    check('E4: nothing of the letter but its subject', b'hello' not in data and len(data) < 4000, data)
    check('signed as other mail of the domain', data.count(b'DKIM-Signature: ') == 2 and b'd=example.test' in data, data)
    check('the trace tells', wait_for(lambda: [step['what'] for step in site.steps(message_id)].count('delivered') == 2) and site.reason(message_id) is None, site.steps(message_id))
    check('the log as well', any('smtp.answered' in line and 'to=carol@sender.test' in line for line in server.lines), server.log())
    check('the letter is in the mailbox', sum(message_id in one for one in site.inbox('alice@example.test')) == 1)


def again(site):
    server = site.server

    def flood(count):
        with smtplib.SMTP('127.0.0.1', server.port('smtp')) as client:
            for _ in range(count):
                client.sendmail('carol@sender.test', ['alice@example.test'], site.letter('alice@example.test')[1])

    threads = [threading.Thread(target=flood, args=(249,)) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    flood(3)
    check('E4: 1,000 messages of one sender have one answer', len(answers('carol@sender.test')) == 1, len(answers('carol@sender.test')))
    check('the trace says why', site.reason(site.receive('alice@example.test')) == 'its sender was answered lately')
    check('with a detail, or a tag, it is the same person', [site.reason(site.receive('alice@example.test', sender=f'{local}@sender.test')) for local in
          ('CAROL', 'carol+x', 'prvs=12345678ab=carol')] == ['its sender was answered lately'] * 3)
    site.server.kill()
    site.server.start()
    check('E4: nor one more after the server was killed', site.reason(site.receive('alice@example.test')) == 'its sender was answered lately')
    check('and it has not been sent twice', len(answers('carol@sender.test')) == 1)


def at_once(site):
    """Of several that come in the same moment one is answered, and all are delivered."""
    before = len(site.inbox('alice@example.test'))
    clients = [smtplib.SMTP('127.0.0.1', site.server.port('smtp')) for _ in range(8)]
    for client in clients:
        client.ehlo()
        client.mail('hasty@sender.test')
        client.rcpt('alice@example.test')
        client.docmd('DATA')
    for client in clients:
        client.sock.sendall(site.letter('alice@example.test', 'hasty@sender.test')[1] + b'.\r\n')
    codes = [client.getreply()[0] for client in clients]
    for client in clients:
        client.quit()
    check('E4: of eight at once one is answered', wait_for(lambda: len(answers('hasty@sender.test')) >= 1) and len(answers('hasty@sender.test')) == 1, answers('hasty@sender.test'))
    check('and each is delivered', codes == [250] * 8 and len(site.inbox('alice@example.test')) == before + 8, codes)


def silence(site):
    reason = site.reason
    check('E4: the null sender gets none', reason(site.receive('alice@example.test', sender='')) == 'it has no sender')
    for local in ('noreply', 'MAILER-DAEMON', 'owner-list', 'list-request', 'bounces+1'):
        check(f'E4: {local} gets none', reason(site.receive('alice@example.test', sender=f'{local}@sender.test')) == 'nobody reads what goes to its sender')
    for words, fields in {'it came by a mailing list': 'List-Id: <x.sender.test>', 'it is automatic, or wants no automatic answer': 'Auto-Submitted: auto-generated',
                          'it was sent to many': 'Precedence: bulk', 'it is held to be spam': 'X-Spam-Flag: YES'}.items():
        check(f'E4: {fields} gets none', reason(site.receive('alice@example.test', sender='dave@sender.test', fields=fields + '\r\n')) == words)
    check('E4: who is not named does not answer', reason(site.receive('alice@example.test', sender='dave@sender.test', named='To: undisclosed-recipients:;\r\n')) ==
          'it does not name the account in To, Cc or Bcc')
    site.server.run('alias', 'add-list', 'team@example.test', 'alice', 'bob')
    check('E4: a post to a list of ours gets none', reason(site.receive('team@example.test', sender='dave@sender.test', named='To: team@example.test, alice@example.test\r\n')) ==
          'it came by a mailing list')
    check('E4: oneself gets none', reason(site.submit('alice@example.test', 'alice@example.test')) == 'it is from the account itself')
    check('nor does anybody hear of the others', not answers('dave@sender.test') and not answers('noreply@sender.test'))


def addresses(site):
    """An alias, a catch-all, a detail, several people behind one address."""
    run = site.server.run
    run('domain', 'add', 'other.test')
    run('alias', 'add', 'a.smith@example.test', 'alice@example.test')
    run('alias', 'add', 'sales@example.test', 'alice@example.test', 'bob@example.test')
    run('alias', 'add', '@other.test', 'alice@example.test')

    def answer(to, sender, **words):
        site.receive(to, sender=sender, **words)
        got = sink.wait(sender, 5)
        return got and email.message_from_bytes(got[2], policy=email.policy.default)['From']

    check('an alias answers by its own name', answer('a.smith@example.test', 'one@sender.test') == 'a.smith@example.test')
    check('so does an address of a catch-all', answer('whatever@other.test', 'two@sender.test') == 'whatever@other.test')
    check('and one with a detail', answer('alice+shop@example.test', 'three@sender.test') == 'alice+shop@example.test')
    check('LMTP answers as SMTP does', answer('alice@example.test', 'four@sender.test', port='lmtp') == 'alice@example.test')
    message_id = site.receive('sales@example.test', sender='five@sender.test')
    check('an address of several people does not, as it is nobody\'s own', site.reason(message_id) == 'it does not name the account in To, Cc or Bcc')
    vacation(site.server, 'alice@example.test', '--as', 'a.smith@example.test', '--subject', 'Fort – bis Montag')
    check('an address in From of one\'s own', answer('alice@example.test', 'six@sender.test') == 'a.smith@example.test')
    got = email.message_from_bytes(sink.to('six@sender.test')[2], policy=email.policy.default)
    check('and a subject of one\'s own', got['Subject'] == 'Fort – bis Montag', got['Subject'])


def two_absent(site):
    """Both are away, and write to each other."""
    vacation(site.server, 'bob@example.test', '--text-file', '-', stdin='Bob is away.\n')
    vacation(site.server, 'alice@example.test', '--on')
    site.submit('alice@example.test', 'bob@example.test', subject='to bob')
    site.submit('bob@example.test', 'alice@example.test', subject='to alice')

    def automatic(login):
        return [one for one in site.inbox(login) if 'Auto-Submitted: auto-replied' in one]

    check('E4: two who are away have one answer of each other', wait_for(lambda: len(automatic('alice@example.test')) >= 1 and len(automatic('bob@example.test')) >= 1), site.server.log())
    for _ in range(3):
        site.submit('alice@example.test', 'bob@example.test')
        site.submit('bob@example.test', 'alice@example.test')
    counts = len(automatic('alice@example.test')), len(automatic('bob@example.test'))
    check('E4: and no more than that', counts == (1, 1), counts)
    check('it is in the mailbox at once, from the null sender', automatic('alice@example.test')[0].startswith('Return-Path: <>\r\n'), automatic('alice@example.test'))


def undeliverable(site):
    """Nobody hears of an answer that cannot be delivered."""
    before = site.inbox('alice@example.test')
    message_id = site.receive('alice@example.test', sender=Sink.refused)
    check('E4: an answer that is refused ends there', wait_for(lambda: any(step['what'] == 'failed' for step in site.steps(message_id))), site.steps(message_id))
    after = site.inbox('alice@example.test')
    check('and nobody gets a report of it', len(after) == len(before) + 1 and not any('multipart/report' in one for one in after), after[-1])
    check('nor is anything left in the queue', json.loads(site.server.run('queue', 'list', '--json').stdout) == [], site.server.run('queue', 'list').stdout)


def enough(site):
    site.server.add_account('dora@example.test', PASSWORD)
    vacation(site.server, 'dora@example.test', '--on')
    ids = []
    with smtplib.SMTP('127.0.0.1', site.server.port('smtp')) as client:
        for number in range(101):
            message_id, text = site.letter('dora@example.test', f'many{number}@sender.test')
            client.sendmail(f'many{number}@sender.test', ['dora@example.test'], text)
            ids.append(message_id)
    count = lambda: sum(len(answers(f'many{number}@sender.test')) for number in range(101))  # noqa: E731
    check('E4: 100 senders of a day are answered', wait_for(lambda: count() >= 100, 60) and count() == 100, count())
    check('E4: the 101st is not', site.reason(ids[100]) == 'the account has given as many answers as it may in a day', site.steps(ids[100]))


def ends(site):
    server = site.server
    done = vacation(server, 'alice@example.test', '--off', '--json')
    check('it ends', done.returncode == 0 and json.loads(done.stdout)['standing'] == 'off', done)
    steps = site.steps(site.receive('alice@example.test', sender='late@sender.test'))
    check('and says nothing any more', not answers('late@sender.test') and not any('answered' in step['what'] for step in steps), steps)
    done = vacation(server, 'alice@example.test', '--until', '2020-01-01', '--json')
    check('one that is over', json.loads(done.stdout)['standing'] == 'over', done)
    check('says nothing either', site.reason(site.receive('alice@example.test', sender='late@sender.test')) == 'the absence is over')
    vacation(server, 'alice@example.test', '--from', '2999-01-01')
    check('nor one to come', site.reason(site.receive('alice@example.test', sender='late@sender.test')) == 'the absence has not begun')
    check('the log does not have what people write to others', 'Bob is away' not in server.log() and 'account vacation bob@example.test --text' in server.log(), server.log())
    done = server.run('verify')
    check('verify is content', done.returncode == 0, done)
    backups = server.folder / 'backups'
    check('a backup', server.run('backup', backups).returncode == 0)
    kept = json.loads(vacation(server, 'bob@example.test', '--json').stdout)
    check('the server ends well', server.stop() == 0)
    with Server(sys.argv[1], listeners=LISTENERS, extra=ROUTES) as other:
        done = other.run('restore', backups)
        check('restore: the absences are there', done.returncode == 0 and json.loads(vacation(other, 'bob@example.test', '--json').stdout) == kept, done)
        other.start()
        site = Site(other)
        check('restore: and who was answered', site.reason(site.submit('alice@example.test', 'bob@example.test')) == 'its sender was answered lately')


def forgeries():
    """Attack E4: an answer goes to nobody who did not write."""
    names = NameServer({('sender.test', 'TXT'): ['v=spf1 ip4:127.0.0.1 -all'], ('liar.test', 'TXT'): ['v=spf1 ip4:127.0.0.1 -all'],
                        ('victim.test', 'TXT'): ['v=spf1 ip4:192.0.2.1 ~all'], ('_dmarc.victim.test', 'TXT'): ['v=DMARC1; p=none']})
    checked = f'\n[authentication]\nexempt = []\n\n[resolver]\nservers = ["127.0.0.1:{names.port}"]\n' + ROUTES
    with Server(sys.argv[1], listeners=LISTENERS, extra=checked) as server:
        server.add_account('alice@example.test', PASSWORD)
        vacation(server, 'alice@example.test', '--on')
        server.start()
        site = Site(server)
        sink.messages.clear()
        check('E4: who forges the author gets none, as DMARC fails', site.reason(site.receive('alice@example.test', sender='x@liar.test', author='x@victim.test')) == 'DMARC failed')
        message_id = site.receive('alice@example.test', sender='x@victim.test', author='y@liar.test')
        check('E4: nor does whose address is forged, whoever the author is', site.reason(message_id) == 'nobody vouches for its sender', site.steps(message_id))
        check('E4: nor a domain of which nothing is known',
              site.reason(site.receive('alice@example.test', sender='x@unknown.test')) == 'nobody vouches for its sender')
        site.receive('alice@example.test', sender='carol@sender.test')
        check('E4: whom SPF vouches for does', sink.wait('carol@sender.test') is not None, server.log())
        check('and nobody else heard of anything', len(sink.messages) == 1, sink.messages)


with Server(sys.argv[1], listeners=LISTENERS, extra=ROUTES) as server:
    for login in ('alice', 'bob'):
        server.add_account(f'{login}@example.test', PASSWORD)
    commands(server)
    server.start()
    site = Site(server)
    for test in (one_answer, again, at_once, silence, addresses, two_absent, undeliverable, enough, ends):
        test(site)
forgeries()
sys.exit(check.finish())
