// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::service::imap;
using namespace keystonemail::service::imap::testing;

TEST_CASE_FIXTURE(ImapFixture, "imap: a message goes in by APPEND and comes out by FETCH") {
  auto& client = connect();
  CHECK(has(client.heard(), "* OK"));
  CHECK(has(client.say("1 LOGIN alice@example.test \"secret of alice\"\r\n"), "1 OK"));
  const std::string selected = client.say("2 SELECT inbox\r\n");
  CHECK(has(selected, "* 0 EXISTS\r\n"));
  CHECK(has(selected, "[UIDVALIDITY "));
  CHECK(has(selected, "2 OK [READ-WRITE]"));
  const std::string message = "From: a@example.test\r\nSubject: hello\r\n\r\nbody\r\n";
  const std::string appended = client.append(message, "(\\Flagged) ");
  CHECK(has(appended, "* 1 EXISTS\r\n"));
  CHECK(has(appended, "a OK [APPENDUID "));
  const std::string fetched = client.say("3 FETCH 1 (UID FLAGS RFC822.SIZE BODY[])\r\n");
  CHECK_MESSAGE(has(fetched, "BODY[] {" + std::to_string(message.size()) + "}\r\n" + message), fetched);
  CHECK_MESSAGE(has(fetched, "\\Flagged"), fetched);
  CHECK_MESSAGE(has(fetched, "\\Seen"), fetched);
  CHECK(has(fetched, "3 OK"));
  CHECK(has(client.say("4 STORE 1 +FLAGS (\\Deleted todo)\r\n"), "todo"));
  CHECK(has(client.say("5 EXPUNGE\r\n"), "* 1 EXPUNGE\r\n5 OK"));
  CHECK(has(client.say("6 LOGOUT\r\n"), "* BYE"));
  executor.run_until_idle();
  CHECK(client.over());
}
