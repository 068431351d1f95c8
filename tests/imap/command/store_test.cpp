// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// STORE, COPY, MOVE, EXPUNGE, STATUS and the sets they name.
#include "imap/session_driver.hpp"

using namespace keystonemail::imap;

TEST_CASE("imap store: actions, flags and UNCHANGEDSINCE") {
  SessionDriver driver;
  auto store = driver.parse<Store>("STORE 2:4 +FLAGS (\\Deleted $Junk $junk)");
  REQUIRE(store);
  CHECK(store->action == StoreAction::add);
  CHECK(store->flags.has(SystemFlag::deleted));
  CHECK(store->flags.keywords == std::vector<std::string>{"$Junk"});
  store = driver.parse<Store>("UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) -FLAGS.SILENT \\Seen \\Flagged");
  REQUIRE(store);
  CHECK(store->unchanged_since == 12121230045);
  CHECK(store->silent);
  CHECK(store->numbers == NumberKind::uid);
  CHECK(store->action == StoreAction::remove);
  CHECK(driver.parse<Store>("STORE 1 FLAGS ()")->flags.empty());
  CHECK(driver.parse<Store>("STORE 1 FLAGS (\\Recent \\Nosuch)")->flags.empty());
  for (const auto* line : {"STORE 1 FLAGS", "STORE 1 *FLAGS ()", "STORE 1 FLAGS (\\*)", "STORE 1 FLAGS (\\)",
                           "STORE 1 FLAGS (a b", "STORE 1 (UNCHANGEDSINCE 1 UNCHANGEDSINCE 2) FLAGS ()", "STORE $1 FLAGS ()"}) {
    CAPTURE(line);
    CHECK(driver.refused(line));
  }
}

TEST_CASE("imap copy, move, expunge: sets and mailboxes") {
  SessionDriver driver;
  CHECK(driver.parse<Copy>("COPY 2:4 MEETING")->mailbox == "MEETING");
  CHECK(driver.parse<Move>("UID MOVE 42:69 foo")->numbers == NumberKind::uid);
  CHECK(driver.parse<Copy>("COPY $ \"Other Messages\"")->set.saved_result);
  CHECK_FALSE(driver.parse<Expunge>("EXPUNGE")->uids);
  CHECK(driver.parse<Expunge>("UID EXPUNGE 3000:3002")->uids->ranges[0].last == 3002);
  CHECK(driver.refused("EXPUNGE 1"));
  CHECK(driver.refused("UID EXPUNGE"));
  CHECK(driver.refused("UID NOOP"));
}

TEST_CASE("imap status: every item, and none unknown") {
  SessionDriver driver;
  const auto status = driver.parse<Status>(
      "STATUS x (MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE RECENT APPENDLIMIT MAILBOXID DELETED-STORAGE)");
  REQUIRE(status);
  CHECK(status->items.bits == (2047 & ~static_cast<int>(StatusItem::highest_modseq)));
  CHECK_FALSE(driver.session->features().condstore);
  CHECK(driver.parse<Status>("STATUS x (HIGHESTMODSEQ)"));
  CHECK(driver.session->features().condstore);
  CHECK(driver.refused("STATUS x ()"));
  CHECK(driver.refused("STATUS x (NOSUCH)"));
}

TEST_CASE("imap sequence set: resolved to ascending, disjoint ranges") {
  const SequenceSet set{{{2, 2}, {4, 7}, {9, 9}, {12, largest_number}, {6, 5}, {10, 10}}, false};
  CHECK(set.resolve(15) == std::vector<NumberRange>{{2, 2}, {4, 7}, {9, 10}, {12, 15}});
  CHECK(SequenceSet{{{3291, largest_number}}, false}.resolve(5) == std::vector<NumberRange>{{5, 3291}});
  CHECK(SequenceSet{{{largest_number, largest_number}}, false}.resolve(0).empty());
  CHECK(SequenceSet{{{1, UINT32_MAX}, {7, 8}}, false}.resolve(9) == std::vector<NumberRange>{{1, UINT32_MAX}});
  const std::vector<std::uint32_t> numbers{1, 2, 3, 7, 9, 10};
  std::string text;
  append_ranges(text, to_ranges(numbers));
  CHECK(text == "1:3,7,9:10");
  CHECK(contains(to_ranges(numbers), 9));
  CHECK_FALSE(contains(to_ranges(numbers), 8));
}
