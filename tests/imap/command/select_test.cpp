// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "imap/session_driver.hpp"

using namespace keystonemail::imap;

TEST_CASE("imap select: mailbox, mode and CONDSTORE") {
  SessionDriver driver(SessionDriver::Start::authenticated);
  const auto select = driver.parse<Select>("SELECT inbox (CONDSTORE)");
  REQUIRE(select);
  CHECK(select->mailbox == "INBOX");
  CHECK(select->condstore);
  CHECK(driver.session->features().condstore);
  CHECK(driver.parse<Select>("EXAMINE blurdybloop")->access == AccessMode::read_only);
  CHECK(driver.refused("SELECT INBOX (NOSUCH)"));
  CHECK(driver.refused("SELECT INBOX ()"));
  CHECK(driver.refused("SELECT INBOX "));
}

TEST_CASE("imap select: QRESYNC and its parameters (RFC 7162 §3.2.5)") {
  SessionDriver driver(SessionDriver::Start::authenticated);
  CHECK(driver.refused("SELECT INBOX (QRESYNC (67890007 20050715194045000))"));
  driver.send("e ENABLE QRESYNC\r\n");
  auto select = driver.parse<Select>("SELECT INBOX (QRESYNC (67890007 90060115194045000 41:211,214:541))");
  REQUIRE(select);
  REQUIRE(select->resync);
  CHECK(select->resync->uid_validity == 67890007);
  CHECK(select->resync->modseq == 90060115194045000);
  CHECK(select->resync->known_uids->ranges.size() == 2);
  select = driver.parse<Select>("SELECT INBOX (QRESYNC (67890007 90060115194045000 41:211 (1:29997,60000 5:29999,80000)))");
  REQUIRE(select);
  CHECK(select->resync->known_pairs->second.ranges.size() == 2);
  CHECK(driver.parse<Select>("SELECT INBOX (QRESYNC (1 2 (1 1)))")->resync->known_pairs);
  CHECK(driver.refused("SELECT INBOX (QRESYNC (1 2 1:*))"));
  CHECK(driver.refused("SELECT INBOX (QRESYNC (0 2))"));
  CHECK(driver.refused("SELECT INBOX (QRESYNC (1 9223372036854775808))"));
}

TEST_CASE("imap select: names are modified UTF-7 until UTF-8 is enabled") {
  SessionDriver driver(SessionDriver::Start::authenticated);
  CHECK(driver.parse<Select>("SELECT Entw&APw-rfe")->mailbox == "Entw\xc3\xbcrfe");
  CHECK(driver.refused("SELECT a&b"));
  CHECK(driver.refused("SELECT \"Entw\xc3\xbcrfe\""));
  driver.send("e ENABLE IMAP4rev2\r\n");
  CHECK(driver.parse<Select>("SELECT \"Entw\xc3\xbcrfe\"")->mailbox == "Entw\xc3\xbcrfe");
  CHECK(driver.parse<Select>("SELECT a&b")->mailbox == "a&b");
  CHECK(driver.refused("SELECT \"\xff\""));
}
