// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "imap/session_driver.hpp"

using namespace keystonemail::imap;

TEST_CASE("imap list: plain, extended and LSUB") {
  SessionDriver driver(SessionDriver::Start::authenticated);
  auto list = driver.parse<List>("LIST \"\" %");
  REQUIRE(list);
  CHECK_FALSE(list->extended);
  CHECK(list->patterns == std::vector<std::string>{"%"});
  list = driver.parse<List>("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (\"INBOX\" Sent/%) RETURN (CHILDREN STATUS (MESSAGES SIZE))");
  REQUIRE(list);
  CHECK(list->extended);
  CHECK(list->select.recursive_match);
  CHECK(list->patterns.size() == 2);
  CHECK(list->give.children);
  CHECK(list->give.status->has(StatusItem::size));
  CHECK(driver.parse<List>("LIST (SPECIAL-USE) \"\" * RETURN (SPECIAL-USE SUBSCRIBED)")->give.special_use);
  CHECK(driver.parse<List>("LSUB \"\" *")->lsub);
  CHECK(driver.parse<List>("LIST () \"\" (%)")->extended);
}

TEST_CASE("imap list: what RFC 5258 §6 does not allow is BAD") {
  SessionDriver driver(SessionDriver::Start::authenticated);
  for (const auto* line : {"LIST (RECURSIVEMATCH) \"\" %", "LIST (REMOTE RECURSIVEMATCH) \"\" %", "LIST \"\"", "LIST \"\" ()",
                           "LIST \"\" % RETURN", "LIST \"\" % RETURN (NOSUCH)", "LIST \"\" % RETURN (STATUS ())", "LIST \"\" % X"}) {
    CAPTURE(line);
    CHECK(driver.refused(line));
  }
}
