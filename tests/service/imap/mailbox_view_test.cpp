// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/mailbox_view.hpp"

#include <doctest/doctest.h>

#include "service/imap/fake_store.hpp"

using namespace keystonemail;
using namespace keystonemail::service::imap;
using testing::FakeStore;

namespace {

constexpr mailstore::AccountId view_account{1};

struct ViewFixture {
  RunLoop loop;
  Context context{&loop};
  FakeStore store{loop, [](std::string_view) { return std::string("s"); }};
  MailboxView view;

  ViewFixture() {
    REQUIRE(loop.run_until(store.create_account(view_account, {}, context)));
    view.id = loop.run_until(store.find_mailbox(view_account, "INBOX", context))->id;
  }
  void add(int count) {
    std::vector<mailstore::NewMessage> fresh;
    for (int i = 0; i < count; ++i) {
      auto writer = *store.create_message();
      fresh.push_back({*loop.run_until(writer->finish(context))});
    }
    REQUIRE(loop.run_until(store.append(view_account, view.id, fresh, context)));
  }
  void open() {
    REQUIRE(loop.run_until(load(store, view_account, view, context)));
  }
  mailstore::ModSeq flag(std::vector<Uid> uids, bool deleted = false) {
    mailstore::FlagChange change;
    change.keywords.set(mailstore::SystemKeyword::flagged);
    change.deleted = deleted;
    return loop.run_until(store.change_flags(view_account, view.id, uids, change, context))->modseq;
  }
  void expunge() { REQUIRE(loop.run_until(store.expunge(view_account, view.id, mailstore::AllMessages{}, context))); }
  ViewUpdate look(Expunges expunges = Expunges::show) {
    auto update = loop.run_until(pull(store, view_account, view, expunges, context));
    REQUIRE(update);
    return *std::move(update);
  }
};

}  // namespace

TEST_CASE_FIXTURE(ViewFixture, "view: nothing new costs one call") {
  add(3);
  open();
  const std::size_t before = store.calls;
  CHECK(look().empty());
  CHECK(store.calls == before + 1);
}

TEST_CASE_FIXTURE(ViewFixture, "view: arrivals, changed flags and expunges are told once") {
  add(4);
  open();
  add(2);
  flag({1, 6});
  flag({2}, true);
  expunge();
  const ViewUpdate update = look();
  CHECK(update.vanished == std::vector<Uid>{2});
  CHECK(update.expunged == std::vector<Sequence>{2});
  CHECK(update.arrived);
  REQUIRE(update.changed.size() == 1);  // 6 is new, and fetched with its flags
  CHECK(update.changed[0].uid == 1);
  CHECK(view.uids.size() == 5);
  CHECK(look().empty());
}

TEST_CASE_FIXTURE(ViewFixture, "view: expunges held back keep their sequence numbers until they may be shown") {
  add(3);
  open();
  flag({1}, true);
  expunge();
  const ViewUpdate held = look(Expunges::hold_back);
  CHECK(held.vanished.empty());
  CHECK(view.holds_back);
  CHECK(view.uids.size() == 3);
  flag({3});
  CHECK(look(Expunges::hold_back).changed.size() == 1);
  CHECK(view.told() < view.changes_told);  // RFC 7162 §3.2: a client that takes the flags for all there is would miss the expunge
  CHECK(view.uids.sequence_of(2) == 2U);
  const std::size_t before = store.calls;
  CHECK(look(Expunges::hold_back).empty());
  CHECK(store.calls == before + 1);  // what is held back is not read again by each command that holds it back
  CHECK(look().expunged == std::vector<Sequence>{1});
  CHECK_FALSE(view.holds_back);
  CHECK(view.told() == view.changes_told);
  CHECK(view.uids.sequence_of(2) == 1U);
}

TEST_CASE_FIXTURE(ViewFixture, "view: a message that came and went between two looks is never shown") {
  add(1);
  open();
  add(1);
  flag({2}, true);
  expunge();
  CHECK(look().empty());
  CHECK(view.uids.size() == 1);
}

TEST_CASE_FIXTURE(ViewFixture, "view: the session's own change is not told again, another's to the same message is") {
  add(2);
  open();
  view.own_changes.push_back(flag({1}));
  CHECK(look().empty());
  CHECK(view.own_changes.empty());
  view.own_changes.push_back(flag({2}));
  flag({2}, true);
  CHECK(look().changed.size() == 1);
}

TEST_CASE_FIXTURE(ViewFixture, "view: after a change of its own that nothing came before nothing is read again") {
  add(2);
  open();
  const ModSeq before = view.changes_told;
  view.took(flag({1}), before);
  const std::size_t calls = store.calls;
  CHECK(look().empty());
  CHECK(store.calls == calls + 1);
  // Where another was in between, it is told.
  const ModSeq known = view.changes_told;
  const ModSeq others = flag({2});
  view.took(flag({1}, true), others);
  CHECK(view.changes_told == known);
  const ViewUpdate update = look();
  REQUIRE(update.changed.size() == 1);
  CHECK(update.changed.front().uid == 2);
}

TEST_CASE_FIXTURE(ViewFixture, "view: without tombstones what is left tells what went") {
  add(5);
  open();
  flag({2, 4}, true);
  expunge();
  store.tombstones_gone = 1'000'000;
  CHECK(look().vanished == std::vector<Uid>{2, 4});
}

TEST_CASE_FIXTURE(ViewFixture, "view: a mailbox that is gone is an error") {
  view.id = loop.run_until(store.find_mailbox(view_account, "Archive", context))->id;
  open();
  REQUIRE(loop.run_until(store.remove_mailbox(view_account, view.id, context)));
  const auto update = loop.run_until(pull(store, view_account, view, Expunges::show, context));
  REQUIRE(!update);
  CHECK(update.error().kind() == ErrorKind::not_found);
}
