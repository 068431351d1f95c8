// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// CREATE, DELETE, RENAME, SUBSCRIBE, LIST, LSUB, STATUS, NAMESPACE, quota.
#include "service/imap/fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::service::imap;
using namespace keystonemail::service::imap::testing;

namespace {

struct Mailboxes : ImapFixture {
  Client& c = open();
};

}  // namespace

TEST_CASE_FIXTURE(Mailboxes, "imap create: a mailbox is there afterwards, with its parents, and not twice") {
  CHECK(has(c.say("1 CREATE fruit/apple/\r\n"), "1 OK [MAILBOXID (F"));
  CHECK(has(c.say("2 LIST \"\" fruit*\r\n"), "* LIST (\\HasChildren) \"/\" fruit\r\n* LIST (\\HasNoChildren) \"/\" fruit/apple\r\n"));
  CHECK(has(c.say("3 CREATE fruit/apple\r\n"), "3 NO [ALREADYEXISTS]"));
  CHECK(has(c.say("4 CREATE inbox\r\n"), "4 NO"));
  CHECK(has(c.say("5 CREATE mine (USE (\\Sent))\r\n"), "5 NO [USEATTR]"));
}

TEST_CASE_FIXTURE(Mailboxes, "imap delete: not the inbox, not with children, not what is not there") {
  (void)c.say("1 CREATE a/b\r\n");
  CHECK(has(c.say("2 DELETE INBOX\r\n"), "2 NO [CANNOT]"));
  CHECK(has(c.say("3 DELETE a\r\n"), "3 NO [HASCHILDREN]"));
  CHECK(has(c.say("4 DELETE nowhere\r\n"), "4 NO [NONEXISTENT]"));
  CHECK(has(c.say("5 DELETE a/b\r\n"), "5 OK"));
  CHECK(has(c.say("6 DELETE a\r\n"), "6 OK"));
  CHECK(c.say("7 LIST \"\" a*\r\n") == "7 OK LIST completed\r\n");
}

TEST_CASE_FIXTURE(Mailboxes, "imap delete: of the mailbox selected goes back to the authenticated state") {
  (void)c.say("1 CREATE a\r\n");
  c.select("a");
  CHECK(has(c.say("2 DELETE a\r\n"), "2 OK"));
  CHECK(has(c.say("3 FETCH 1 FLAGS\r\n"), "3 BAD"));
  CHECK(has(c.say("4 NOOP\r\n"), "4 OK"));
}

TEST_CASE_FIXTURE(Mailboxes, "imap rename: children go along, and renaming the inbox moves its messages") {
  (void)c.say("1 CREATE a/b\r\n");
  CHECK(has(c.say("2 RENAME a z\r\n"), "2 OK"));
  CHECK(has(c.say("3 LIST \"\" z*\r\n"), "\"/\" z/b\r\n"));
  (void)c.append("Subject: x\r\n\r\n");
  CHECK(has(c.say("4 RENAME INBOX old\r\n"), "* 1 EXPUNGE\r\n4 OK"));
  CHECK(has(c.say("5 STATUS old (MESSAGES)\r\n"), "* STATUS old (MESSAGES 1)\r\n"));
  CHECK(has(c.say("6 RENAME old Sent\r\n"), "6 NO [ALREADYEXISTS]"));
}

TEST_CASE_FIXTURE(Mailboxes, "imap list: what lies below the inbox is found in whatever case INBOX is written (RFC 9051 §5.1)") {
  CHECK(has(c.say("1 CREATE inbox/sub\r\n"), "1 OK"));
  for (const char* pattern : {"INBOX/*", "inbox/%", "Inbox/sub"}) {
    CHECK(has(c.say(std::string("2 LIST \"\" ") + pattern + "\r\n"), "\"/\" INBOX/sub\r\n"));
  }
  CHECK(has(c.say("3 LIST inbox/ %\r\n"), "\"/\" INBOX/sub\r\n"));
  CHECK(has(c.say("4 STATUS InBox/sub (MESSAGES)\r\n"), "* STATUS INBOX/sub (MESSAGES 0)\r\n"));
}

TEST_CASE_FIXTURE(Mailboxes, "imap list: special uses, subscriptions, status and the separator") {
  CHECK(has(c.say("1 LIST \"\" \"\"\r\n"), "* LIST (\\Noselect) \"/\" \"\"\r\n"));
  const std::string special = c.say("2 LIST (SPECIAL-USE) \"\" *\r\n");
  CHECK_MESSAGE(has(special, "\\Sent"), special);
  CHECK_FALSE(has(special, "INBOX"));
  (void)c.say("3 UNSUBSCRIBE Junk\r\n");
  const std::string subscribed = c.say("4 LIST (SUBSCRIBED) \"\" (Junk Trash)\r\n");
  CHECK_MESSAGE(has(subscribed, "\\Subscribed"), subscribed);
  CHECK_FALSE(has(subscribed, "\"/\" Junk"));
  CHECK(has(c.say("5 LIST \"\" INBOX RETURN (STATUS (MESSAGES UNSEEN))\r\n"), "* STATUS INBOX (MESSAGES 0 UNSEEN 0)\r\n"));
  CHECK_FALSE(has(c.say("6 LSUB \"\" *\r\n"), "Junk"));
}

TEST_CASE_FIXTURE(Mailboxes, "imap list: CHILDINFO for a parent of what is subscribed") {  // RFC 5258 §3.5
  (void)c.say("1 CREATE p/q\r\n");
  (void)c.say("2 UNSUBSCRIBE p\r\n");
  const std::string listed = c.say("3 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" p\r\n");
  CHECK_MESSAGE(has(listed, "(\"CHILDINFO\" (\"SUBSCRIBED\"))"), listed);
}

TEST_CASE_FIXTURE(Mailboxes, "imap status: every item") {
  (void)c.append("Subject: x\r\n\r\n");
  const std::string status =
      c.say("1 STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ APPENDLIMIT MAILBOXID)\r\n");
  for (const char* part : {"MESSAGES 1", "UIDNEXT 2", "UIDVALIDITY ", "UNSEEN 1", "DELETED 0", "SIZE 14", "HIGHESTMODSEQ ",
                           "APPENDLIMIT 52428800", "MAILBOXID (F"}) {
    CHECK_MESSAGE(has(status, part), status);
  }
  CHECK(has(c.say("2 STATUS nowhere (MESSAGES)\r\n"), "2 NO [NONEXISTENT]"));
}

TEST_CASE_FIXTURE(Mailboxes, "imap: namespace, id and quota") {
  CHECK(has(c.say("1 NAMESPACE\r\n"), "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"));
  CHECK(has(c.say("2 ID NIL\r\n"), "\"Keystone Mail\""));
  CHECK(has(c.say("3 GETQUOTAROOT INBOX\r\n"), "* QUOTAROOT INBOX\r\n3 OK"));  // no limit, no root (RFC 9208 §7)
  CHECK(has(c.say("3 GETQUOTA \"\"\r\n"), "3 NO [NONEXISTENT]"));
  REQUIRE(executor.run(mail->set_quota(mailstore::AccountId{1}, {.octets_limit = 2048, .messages_limit = 5}, context)));
  const std::string quota = c.say("3 GETQUOTAROOT INBOX\r\n");
  CHECK_MESSAGE(has(quota, "STORAGE 0 2"), quota);
  CHECK_MESSAGE(has(quota, "MESSAGE 0 5"), quota);
  const std::string over = c.append(std::string(4096, 'x'));
  CHECK_MESSAGE(has(over, "a NO [OVERQUOTA]"), over);
}

TEST_CASE_FIXTURE(Mailboxes, "B4: another account's mailboxes and mailboxes that are not there read the same") {
  (void)c.say("1 CREATE private\r\n");
  auto& other = connect();
  (void)other.heard();
  other.log_in("bob@example.test", "secret of bob");
  for (const std::string command : {"SELECT", "EXAMINE", "DELETE", "SUBSCRIBE", "UNSUBSCRIBE", "GETQUOTAROOT"}) {
    CHECK(other.say("x " + command + " private\r\n") == other.say("x " + command + " nothing\r\n"));
  }
  CHECK(other.say("x STATUS private (MESSAGES)\r\n") == other.say("x STATUS nothing (MESSAGES)\r\n"));
  CHECK(other.say("x RENAME private mine\r\n") == other.say("x RENAME nothing mine\r\n"));
  CHECK_FALSE(has(other.say("x LIST \"\" *\r\n"), "private"));
}
