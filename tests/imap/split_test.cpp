// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Split invariance: sessions cut into random pieces go as whole ones do. KEYSTONEMAIL_SPLITS says how many splits there are;
// the long form is 100,000.
#include "imap/session_driver.hpp"
#include "support/splits.hpp"

using namespace keystonemail;
using namespace keystonemail::imap;
using namespace std::string_view_literals;

namespace {

const std::string_view sessions[] = {
    "a LOGIN {1}\r\nu {3+}\r\np w\r\nb SELECT INBOX\r\nc UID SEARCH CHARSET UTF-8 TEXT {2}\r\n\xc3\xa4 SEEN\r\nd LOGOUT\r\n"sv,
    "a AUTHENTICATE PLAIN\r\nAGEAYg==\r\nb APPEND x (\\Seen) {5+}\r\nhello ~{3}\r\nx\0y\r\nc IDLE\r\nDONE\r\nd BOGUS {4+}\r\nabcd\r\ne NOOP\r\n"sv,
    "a NOOP\nb NOOP\r\n\r\nc FOO {3}\r\nd LOGIN \"a\0b\" c\r\ne AUTHENTICATE PLAIN\r\n*\r\nf LOGIN a b\r\ng APPEND x {2+}\r\nhi bad\r\n"sv,
    "a LOGIN a b\r\nb SELECT \"a \\\"b\\\\\"\r\nc FETCH 1:*,5 (FLAGS BODY.PEEK[HEADER.FIELDS (To {2+}\r\nCc)]<0.5>)\r\nd UID STORE 1:4 +FLAGS.SILENT (\\Seen $x)\r\n"
    "e UID MOVE 3 {5}\r\nTrash\r\nf LIST (SUBSCRIBED) \"\" (% \"a*\") RETURN (STATUS (MESSAGES))\r\ng CLOSE\r\nh LOGOUT\r\n"sv,
    "a AUTHENTICATE PLAIN AGEAYg==\r\nb ENABLE IMAP4rev2 UTF8=ACCEPT\r\nc CREATE \"\xc3\xbc\" (USE (\\Sent))\r\nd APPEND INBOX UTF8 (~{4+}\r\nabcd)\r\n"
    "e APPEND INBOX \"01-Jan-2020 00:00:00 +0000\" {3+}\r\nabc {2+}\r\nxy {0+}\r\n\r\nf SEARCH RETURN (MIN) OR (NOT SEEN) HEADER X {0+}\r\n\r\n"sv,
};

std::string replay(std::string_view session, SeededRandom* random) {
  SessionDriver driver(SessionDriver::Start::secure);
  auto cuts = random == nullptr ? std::vector<std::size_t>() : test::random_cuts(*random, session.size());
  cuts.push_back(session.size());
  std::size_t from = 0;
  for (const std::size_t cut : cuts) {
    driver.send(session.substr(from, cut - from));
    from = cut;
  }
  return driver.trace + driver.output();
}

}  // namespace

TEST_CASE("split: an IMAP session is the same in any pieces") {
  SeededRandom random(1);
  std::vector<std::string> whole;
  for (const auto session : sessions) whole.push_back(replay(session, nullptr));
  for (std::uint64_t i = 0; i < test::splits_wanted(); ++i) {
    CAPTURE(i);
    const std::size_t chosen = i % std::size(sessions);
    REQUIRE(replay(sessions[chosen], &random) == whole[chosen]);
  }
}
