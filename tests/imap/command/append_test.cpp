// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "imap/session_driver.hpp"

using namespace keystonemail::imap;
using Start = SessionDriver::Start;

TEST_CASE("imap append: a message streams through, asked for only once accepted") {
  SessionDriver driver(Start::authenticated);
  CHECK(driver.reply("A003 APPEND saved-messages (\\Seen) {11}\r\n") == "+ OK\r\n");
  driver.send("hello");
  CHECK(driver.reply(" world\r\n") == "A003 OK appended\r\n");
  CHECK(driver.trace == "append saved-messages 11 index 0 flags 1\nmessage <hello world>\nappend end\n");
  CHECK(driver.session->memory_octets() < 4096);
}

TEST_CASE("imap append: several messages in one command (RFC 3502), literal8, UTF8") {
  using namespace std::string_view_literals;
  SessionDriver driver(Start::authenticated);
  driver.send("a APPEND x {3+}\r\nabc (\\Seen $F) \"17-Jul-1996 02:44:25 -0700\" ~{3+}\r\nd\0f\r\n"sv);
  CHECK(driver.trace == "append x 3 index 0 flags 0\nmessage <abc>\nappend  3 index 1 binary flags 1\nmessage <d\0f>\nappend end\n"sv);
  driver.trace.clear();
  CHECK(driver.reply("b APPEND x UTF8 (~{3+}\r\nabc)\r\n").starts_with("b BAD"));  // not enabled: drained
  driver.send("e ENABLE UTF8=ACCEPT\r\nc APPEND x UTF8 (~{3}\r\nabc)\r\n");
  CHECK(driver.trace.ends_with("append x 3 index 0 binary utf8 flags 0\nmessage <abc>\nappend end\n"));
}

TEST_CASE("imap append: a refused message is not asked for, or drained when it is on its way") {
  SessionDriver driver(Start::authenticated);
  driver.refuse_append = true;
  CHECK(driver.reply("a APPEND x {9}\r\n") == "a NO [TRYCREATE] No such mailbox\r\n");
  CHECK(driver.reply("b APPEND x {9+}\r\n1 NOOP\r\n\n {8+}\r\n2 NOOP\r\n\r\nc NOOP\r\n") ==
        "b NO [TRYCREATE] No such mailbox\r\nc OK done\r\n");
  CHECK(driver.trace.find("aborted") == std::string::npos);
}

TEST_CASE("imap append: the mailbox may be a literal") {
  SessionDriver driver(Start::authenticated);
  driver.send("a APPEND {5}\r\nSa ve () {3}\r\nabc\r\n");
  CHECK(driver.trace == "append Sa ve 3 index 0 flags 0\nmessage <abc>\nappend end\n");
}

TEST_CASE("imap append: too big, empty, and broken ones end cleanly") {
  ServerOptions options;
  options.append_octets_max = 100;
  SessionDriver driver(Start::authenticated, options);
  CHECK(driver.reply("a APPEND x {101}\r\nn NOOP\r\n") == "a NO [TOOBIG] Message too large\r\nn OK done\r\n");
  CHECK(driver.reply("a APPEND x {0}\r\n").starts_with("a NO"));
  CHECK(driver.reply("a APPEND x {1+}\r\nA {200+}\r\n" + std::string(200, 'x') + "\r\nn NOOP\r\n") ==
        "a NO [TOOBIG] Message too large\r\nn OK done\r\n");
  CHECK(driver.trace.ends_with("append aborted\ncommand 0 tag n\n"));
  CHECK(driver.reply("a APPEND x {1+}\r\nA garbage\r\n").starts_with("a BAD"));
  CHECK(driver.trace.ends_with("append aborted\n"));
  for (const auto* line : {"APPEND x", "APPEND x (\\Seen", "APPEND x abc", "APPEND"}) CHECK(driver.refused(line));
}

TEST_CASE("imap append: giving up half way drains the rest") {
  SessionDriver driver(Start::authenticated);
  driver.send("a APPEND x {10}\r\nabc");
  driver.session->refuse_append(Code::over_quota, "Full", driver.now);
  driver.send("defghij {5+}\r\n12345\r\nn NOOP\r\n");
  CHECK(driver.output().ends_with("a NO [OVERQUOTA] Full\r\nn OK done\r\n"));
}

TEST_CASE("imap append: a peer that goes away aborts it") {
  SessionDriver driver(Start::authenticated);
  driver.send("a APPEND x {10}\r\nabc");
  driver.session->receive_end(driver.now);
  driver.handle_events();
  CHECK(driver.trace.ends_with("append aborted\nclosed 1\n"));
}
