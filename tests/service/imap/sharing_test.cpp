// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Two sessions on one mailbox: what each is told of the other's changes, and when.
#include "service/imap/fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::service::imap;
using namespace keystonemail::service::imap::testing;

namespace {

constexpr std::string_view message = "Subject: x\r\n\r\ny\r\n";

std::string after(const std::string& text, const std::string& mark) {
  const auto at = text.find(mark);
  REQUIRE_MESSAGE(at != std::string::npos, text);
  return text.substr(at + mark.size(), text.find(']', at) - at - mark.size());
}

}  // namespace

TEST_CASE_FIXTURE(ImapFixture, "imap: arrivals, flags and expunges of one session reach the other with its next command") {
  auto& a = open();
  auto& b = open();
  for (int i = 0; i < 3; ++i) (void)a.append(message);
  CHECK(has(b.say("1 NOOP\r\n"), "* 3 EXISTS\r\n"));
  (void)a.say("2 STORE 2 +FLAGS (\\Deleted)\r\n");
  CHECK(b.say("3 NOOP\r\n") == "* 2 FETCH (FLAGS (\\Deleted))\r\n3 OK NOOP completed\r\n");
  CHECK(has(a.say("4 EXPUNGE\r\n"), "* 2 EXPUNGE\r\n"));
  CHECK(b.say("5 NOOP\r\n") == "* 2 EXPUNGE\r\n5 OK NOOP completed\r\n");
  CHECK(b.say("6 NOOP\r\n") == "6 OK NOOP completed\r\n");
}

TEST_CASE_FIXTURE(ImapFixture, "imap: no EXPUNGE while FETCH, STORE or SEARCH by number is answered") {  // RFC 9051 §7.5.1
  auto& a = open();
  auto& b = open();
  for (int i = 0; i < 3; ++i) (void)a.append(message);
  (void)b.say("0 NOOP\r\n");
  (void)a.say("1 STORE 1 +FLAGS.SILENT (\\Deleted)\r\n");
  (void)a.say("2 EXPUNGE\r\n");
  CHECK_FALSE(has(b.say("3 FETCH 2:3 (FLAGS)\r\n"), "EXPUNGE"));
  CHECK_FALSE(has(b.say("4 SEARCH ALL\r\n"), "EXPUNGE"));
  CHECK_FALSE(has(b.say("5 STORE 3 +FLAGS (\\Seen)\r\n"), "EXPUNGE"));
  CHECK(has(b.say("6 FETCH 1 (FLAGS)\r\n"), "6 NO [EXPUNGEISSUED]"));
  CHECK(has(b.say("7 UID FETCH 2:3 (FLAGS)\r\n"), "* 1 EXPUNGE\r\n7 OK"));
  CHECK(has(b.say("8 FETCH 1 (UID)\r\n"), "* 1 FETCH (UID 2)"));
}

TEST_CASE_FIXTURE(ImapFixture, "imap: IDLE pushes what another session does, and DONE ends it") {
  auto& a = open();
  auto& b = open();
  CHECK(has(b.say("1 IDLE\r\n"), "+ "));
  (void)a.append(message);
  CHECK(b.heard() == "* 1 EXISTS\r\n");
  (void)a.say("2 STORE 1 +FLAGS (\\Deleted)\r\n");
  CHECK(b.heard() == "* 1 FETCH (FLAGS (\\Deleted))\r\n");
  (void)a.say("3 EXPUNGE\r\n");
  CHECK(b.heard() == "* 1 EXPUNGE\r\n");
  CHECK(b.say("DONE\r\n") == "1 OK IDLE completed\r\n");
  CHECK(b.say("4 NOOP\r\n") == "4 OK NOOP completed\r\n");
}

TEST_CASE_FIXTURE(ImapFixture, "B9: changes that come while an idle client does not read are told as one") {
  pipe_octets = 256;
  auto& b = open();
  pipe_octets = 64 * 1024;
  auto& a = open();
  (void)b.say("1 IDLE\r\n");
  (void)a.append(message);
  (void)b.heard();
  for (int i = 0; i < 300; ++i) {
    (void)a.say("2 STORE 1 FLAGS.SILENT (" + std::string(i % 2 == 0 ? "\\Seen" : "\\Flagged") + ")\r\n");
  }
  const std::string told = b.heard();
  CHECK(told.size() < 300 * 20);
  CHECK(told.ends_with("* 1 FETCH (FLAGS (\\Flagged))\r\n"));
}

TEST_CASE_FIXTURE(ImapFixture, "imap: the session's own STORE is told once, and with .SILENT not at all") {
  auto& a = open();
  (void)a.append(message);
  CHECK(a.say("1 STORE 1 +FLAGS (\\Seen)\r\n") == "* 1 FETCH (FLAGS (\\Seen))\r\n1 OK STORE completed\r\n");
  CHECK(a.say("2 STORE 1 -FLAGS.SILENT (\\Seen)\r\n") == "2 OK STORE completed\r\n");
  CHECK(a.say("3 STORE 1 -FLAGS (\\Seen)\r\n") == "* 1 FETCH (FLAGS ())\r\n3 OK STORE completed\r\n");  // no change
  CHECK(a.say("4 NOOP\r\n") == "4 OK NOOP completed\r\n");
}

TEST_CASE_FIXTURE(ImapFixture, "imap: UNCHANGEDSINCE refuses what another session has changed") {  // RFC 7162 §3.1.3
  auto& a = open();
  auto& b = open();
  for (int i = 0; i < 2; ++i) (void)a.append(message);
  const std::string seen = b.say("1 FETCH 1:2 (MODSEQ)\r\n");
  const std::string status = b.say("2 STATUS INBOX (HIGHESTMODSEQ)\r\n");
  const std::string modseq = status.substr(status.find("HIGHESTMODSEQ ") + 14, status.find(')') - status.find("HIGHESTMODSEQ ") - 14);
  (void)a.say("3 STORE 2 +FLAGS (\\Answered)\r\n");
  const std::string stored = b.say("4 STORE 1:2 (UNCHANGEDSINCE " + modseq + ") +FLAGS (\\Answered \\Flagged)\r\n");
  CHECK_MESSAGE(has(stored, "4 OK [MODIFIED 2]"), stored);
  CHECK_MESSAGE(has(stored, "* 1 FETCH (UID 1 FLAGS (\\Answered \\Flagged) MODSEQ ("), stored);
}

TEST_CASE_FIXTURE(ImapFixture, "imap: QRESYNC tells what went and what changed while the client was away") {  // RFC 7162 §3.2.5
  auto& a = open();
  for (int i = 0; i < 4; ++i) (void)a.append(message);
  auto& b = connect();
  (void)b.heard();
  b.log_in();
  CHECK(has(b.say("1 ENABLE QRESYNC\r\n"), "* ENABLED"));
  const std::string first = b.say("2 SELECT INBOX\r\n");
  const std::string validity = after(first, "[UIDVALIDITY ");
  const std::string modseq = after(first, "[HIGHESTMODSEQ ");
  (void)b.say("3 UNSELECT\r\n");
  (void)a.say("4 STORE 2 +FLAGS.SILENT (\\Deleted)\r\n");
  (void)a.say("5 EXPUNGE\r\n");
  (void)a.say("6 UID STORE 3 +FLAGS.SILENT (\\Seen)\r\n");
  const std::string again = b.say("7 SELECT INBOX (QRESYNC (" + validity + " " + modseq + "))\r\n");
  CHECK_MESSAGE(has(again, "* VANISHED (EARLIER) 2\r\n"), again);
  CHECK_MESSAGE(has(again, "* 2 FETCH (UID 3 FLAGS (\\Seen) MODSEQ ("), again);
  CHECK_FALSE(has(again, "UID 4"));
  const std::string fetched = b.say("8 UID FETCH 1:* (FLAGS) (CHANGEDSINCE " + modseq + " VANISHED)\r\n");
  CHECK_MESSAGE(has(fetched, "* VANISHED (EARLIER) 2\r\n"), fetched);
  CHECK_MESSAGE(has(fetched, "* 2 FETCH (UID 3 "), fetched);
  (void)a.say("9 UID STORE 4 +FLAGS.SILENT (\\Deleted)\r\n");
  (void)a.say("10 EXPUNGE\r\n");
  const std::string gone = b.say("11 NOOP\r\n");
  CHECK_MESSAGE(has(gone, "* VANISHED 4\r\n"), gone);
  CHECK_FALSE(has(gone, "EXPUNGE"));
}

TEST_CASE_FIXTURE(ImapFixture, "imap: a mailbox deleted by another session ends this one with BYE") {
  auto& a = open();
  auto& b = connect();
  (void)b.heard();
  (void)a.say("1 CREATE doomed\r\n");
  b.log_in().select("doomed");
  CHECK(has(a.say("2 DELETE doomed\r\n"), "2 OK"));
  CHECK(has(b.say("3 NOOP\r\n"), "* BYE"));
  executor.run_until_idle();
  CHECK(b.over());
}
