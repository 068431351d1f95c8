// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// APPEND, MULTIAPPEND, COPY, MOVE, EXPUNGE, CLOSE, SEARCH as commands.
#include "service/imap/fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::service::imap;
using namespace keystonemail::service::imap::testing;

namespace {

struct Commands : ImapFixture {
  Client& c = open();
  void fill(int count) {
    for (int i = 1; i <= count; ++i) REQUIRE(has(c.append("Subject: number " + std::to_string(i) + "\r\n\r\n"), "a OK"));
  }
};

}  // namespace

TEST_CASE_FIXTURE(Commands, "imap append: to a mailbox that is not there is TRYCREATE, and nothing is read as a command") {
  CHECK(has(c.say("1 APPEND nowhere {3}\r\n"), "1 NO [TRYCREATE]"));
  const std::string answer = c.say("2 APPEND nowhere {14+}\r\n3 LOGOUT\r\n1234\r\n4 NOOP\r\n");
  CHECK_MESSAGE(has(answer, "2 NO [TRYCREATE]"), answer);
  CHECK_FALSE(has(answer, "BYE"));
  CHECK(has(answer, "4 OK"));
}

TEST_CASE_FIXTURE(Commands, "imap append: several messages in one command are there all or none") {  // RFC 3502
  const std::string answer = c.say("1 APPEND INBOX (\\Seen) {5+}\r\na: b\n (x) {5+}\r\nc: d\n\r\n");
  CHECK_MESSAGE(has(answer, "* 2 EXISTS\r\n"), answer);
  CHECK_MESSAGE(has(answer, " 1:2]"), answer);
  REQUIRE(executor.run(mail->set_quota(mailstore::AccountId{1}, {.octets_limit = 14}, context)));
  CHECK(has(c.say("2 APPEND INBOX {3+}\r\nabc {3+}\r\ndef\r\n"), "2 NO [OVERQUOTA]"));
  CHECK(has(c.say("3 STATUS INBOX (MESSAGES)\r\n"), "MESSAGES 2"));
}

TEST_CASE_FIXTURE(Commands, "B1: what one APPEND may hold before it is committed has a ceiling, and nothing of more stays") {
  std::string many = "1 APPEND INBOX";
  for (int i = 0; i < 5000; ++i) many += " {5+}\r\na: b\n";
  CHECK(has(c.say(many + "\r\n"), "1 OK [APPENDUID"));
  many[0] = '2';
  const std::string refused = c.say(many + " {5+}\r\na: b\n\r\n3 NOOP\r\n");
  CHECK_MESSAGE(has(refused, "2 NO [LIMIT]"), refused);
  CHECK(has(refused, "3 OK"));

  const std::string large = "a: b\r\n\r\n" + std::string(5 << 20, 'x');
  const std::string literal = " {" + std::to_string(large.size()) + "+}\r\n" + large;
  std::string heavy = "4 APPEND INBOX";
  for (int i = 0; i < 7; ++i) heavy += literal;
  CHECK(has(c.say(heavy + "\r\n"), "4 NO [LIMIT]"));
  CHECK(has(c.say("5 APPEND INBOX {41943040+}\r\n" + std::string(41'943'040, 'x') + "\r\n"), "5 OK"));  // alone it may be long
  CHECK(has(c.say("6 STATUS INBOX (MESSAGES)\r\n"), "MESSAGES 5001"));
}

TEST_CASE_FIXTURE(Commands, "imap copy: COPYUID names both, flags go along, the source stays") {  // RFC 4315
  fill(3);
  (void)c.say("1 STORE 2 FLAGS (\\Flagged work)\r\n");
  const std::string copied = c.say("2 COPY 2:3 Archive\r\n");
  CHECK_MESSAGE(has(copied, "2 OK [COPYUID "), copied);
  CHECK_MESSAGE(has(copied, " 2:3 1:2]"), copied);
  CHECK(has(c.say("3 COPY 1 nowhere\r\n"), "3 NO [TRYCREATE]"));
  c.select("Archive");
  CHECK(has(c.say("4 FETCH 1 FLAGS\r\n"), "\\Flagged work"));
}

TEST_CASE_FIXTURE(Commands, "imap move: COPYUID comes first, then EXPUNGE, then OK") {  // RFC 6851
  fill(3);
  const std::string moved = c.say("1 MOVE 1,3 Trash\r\n");
  CHECK_MESSAGE(moved.starts_with("* OK [COPYUID "), moved);
  CHECK_MESSAGE(moved.ends_with("* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n1 OK MOVE completed\r\n"), moved);
  CHECK(has(c.say("2 STATUS Trash (MESSAGES)\r\n"), "MESSAGES 2"));
}

TEST_CASE_FIXTURE(Commands, "imap expunge: UID EXPUNGE takes only what it names, CLOSE says nothing") {
  fill(3);
  (void)c.say("1 STORE 1:3 +FLAGS.SILENT (\\Deleted)\r\n");
  CHECK(c.say("2 UID EXPUNGE 2\r\n") == "* 2 EXPUNGE\r\n2 OK EXPUNGE completed\r\n");
  CHECK(c.say("3 CLOSE\r\n") == "3 OK CLOSE completed\r\n");
  CHECK(has(c.say("4 STATUS INBOX (MESSAGES)\r\n"), "MESSAGES 0"));
}

TEST_CASE_FIXTURE(Commands, "imap: a mailbox opened by EXAMINE is not changed") {
  fill(1);
  (void)c.say("1 STORE 1 +FLAGS (\\Deleted)\r\n");
  CHECK(has(c.say("2 EXAMINE INBOX\r\n"), "2 OK [READ-ONLY]"));
  for (const std::string command : {"STORE 1 +FLAGS (\\Seen)", "EXPUNGE", "MOVE 1 Trash"}) {
    CHECK(has(c.say("x " + command + "\r\n"), "x NO"));
  }
  CHECK(has(c.say("3 CLOSE\r\n"), "3 OK"));
  CHECK(has(c.say("4 STATUS INBOX (MESSAGES)\r\n"), "MESSAGES 1"));
}

TEST_CASE_FIXTURE(Commands, "imap search: numbers, UIDs, results saved and used") {  // RFC 9051 §6.4.4
  fill(5);
  (void)c.say("1 STORE 1 +FLAGS.SILENT (\\Deleted)\r\n");
  (void)c.say("2 EXPUNGE\r\n");
  CHECK(has(c.say("3 SEARCH SUBJECT \"number\"\r\n"), "* SEARCH 1 2 3 4\r\n"));
  CHECK(has(c.say("4 UID SEARCH OR SUBJECT \"number 2\" SUBJECT \"NUMBER 5\"\r\n"), "* SEARCH 2 5\r\n"));
  CHECK(has(c.say("5 SEARCH RETURN (MIN MAX COUNT ALL) UNSEEN\r\n"), "MIN 1 MAX 4 ALL 1:4 COUNT 4"));
  CHECK(c.say("6 UID SEARCH RETURN (SAVE) UID 3:4\r\n") == "6 OK SEARCH completed\r\n");
  CHECK(has(c.say("7 STORE $ +FLAGS (\\Flagged)\r\n"), "* 2 FETCH (FLAGS (\\Flagged))\r\n* 3 FETCH (FLAGS (\\Flagged))\r\n"));
  CHECK(has(c.say("8 SEARCH NOT FLAGGED NOT $\r\n"), "* SEARCH 1 4\r\n"));
  CHECK(has(c.say("9 SEARCH KEYWORD nosuch\r\n"), "9 OK"));
  CHECK(has(c.say("10 SEARCH 9\r\n"), "10 BAD"));
  CHECK(has(c.say("11 SEARCH MODSEQ 1\r\n"), "(MODSEQ "));
}

TEST_CASE_FIXTURE(Commands, "imap search: Message-ID and other fields, bodies in any charset") {
  (void)c.append("Message-ID: <Abc@x>\r\nX-Tag: blue\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\ngr\xfc\xdf");
  CHECK(has(c.say("1 SEARCH HEADER Message-ID \"<abc@X>\"\r\n"), "* SEARCH 1\r\n"));
  CHECK(has(c.say("2 SEARCH HEADER X-Tag BLUE\r\n"), "* SEARCH 1\r\n"));
  CHECK(has(c.say("3 SEARCH HEADER X-Tag \"\" BODY {5+}\r\nGR\xc3\x9c" "S\r\n"), "3 OK"));
  CHECK(has(c.say("4 SEARCH CHARSET UTF-8 BODY {4+}\r\ngr\xc3\xbc\r\n"), "* SEARCH 1\r\n"));
  CHECK_FALSE(has(c.say("5 SEARCH BODY blue\r\n"), "* SEARCH 1\r\n"));
  CHECK(has(c.say("6 SEARCH TEXT blue\r\n"), "* SEARCH 1\r\n"));
}
