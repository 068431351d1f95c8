// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// CREATE, DELETE, RENAME, SUBSCRIBE, ID, ENABLE, QUOTA and the commands without arguments.
#include "imap/session_driver.hpp"

using namespace keystonemail::imap;

TEST_CASE("imap create: special uses (RFC 6154 §5.3)") {
  SessionDriver driver(SessionDriver::Start::authenticated);
  CHECK(driver.parse<Create>("CREATE foo/bar")->mailbox == "foo/bar");
  CHECK(driver.parse<Create>("CREATE MySpecial (USE (\\Drafts \\Sent))")->special_uses ==
        std::vector{SpecialUse::drafts, SpecialUse::sent});
  CHECK(driver.reply("c CREATE x (USE (\\Nosuch))\r\n").starts_with("c NO [USEATTR]"));
  CHECK(driver.parse<Rename>("RENAME INBOX \"old mail\"")->to == "old mail");
  CHECK(driver.parse<Delete>("DELETE blurdybloop"));
  CHECK(driver.parse<Subscribe>("SUBSCRIBE #news.comp.mail.mime")->mailbox == "#news.comp.mail.mime");
  CHECK(driver.parse<Unsubscribe>("UNSUBSCRIBE {3}\r\na b")->mailbox == "a b");
  CHECK(driver.refused("CREATE"));
  CHECK(driver.refused("CREATE a b"));
  CHECK(driver.refused("RENAME a"));
}

TEST_CASE("imap id: pairs, NIL and limits (RFC 2971)") {
  SessionDriver driver(SessionDriver::Start::secure);
  const auto id = driver.parse<Id>("ID (\"name\" \"sodr\" \"version\" NIL)");
  REQUIRE(id);
  CHECK(id->fields.size() == 2);
  CHECK_FALSE(id->fields[1].second);
  CHECK(driver.parse<Id>("ID NIL")->fields.empty());
  CHECK(driver.refused("ID (\"name\")"));
  CHECK(driver.refused("ID"));
}

TEST_CASE("imap enable: tells what is new, and changes the syntax") {
  SessionDriver driver(SessionDriver::Start::authenticated);
  CHECK(driver.reply("a ENABLE CONDSTORE X-GOOD\r\n") == "* ENABLED CONDSTORE\r\na OK done\r\n");
  CHECK(driver.reply("a ENABLE CONDSTORE\r\n") == "* ENABLED\r\na OK done\r\n");
  CHECK(driver.reply("a ENABLE QRESYNC IMAP4rev2 UTF8=ACCEPT\r\n") ==
        "* ENABLED IMAP4rev2 UTF8=ACCEPT QRESYNC\r\na OK done\r\n");
  CHECK(driver.refused("ENABLE"));
}

TEST_CASE("imap quota and compress: only when offered") {
  SessionDriver without(SessionDriver::Start::authenticated);
  CHECK(without.refused("GETQUOTA \"\""));
  CHECK(without.refused("COMPRESS DEFLATE"));
  ServerOptions options;
  options.quota = options.compress = true;
  SessionDriver driver(SessionDriver::Start::authenticated, options);
  CHECK(driver.parse<GetQuota>("GETQUOTA \"\"")->root.empty());
  CHECK(driver.parse<GetQuotaRoot>("GETQUOTAROOT INBOX")->mailbox == "INBOX");
  CHECK(driver.parse<Compress>("COMPRESS DEFLATE"));
  CHECK(driver.refused("COMPRESS LZ4"));
}
