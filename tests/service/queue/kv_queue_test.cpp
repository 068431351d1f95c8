// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <doctest/doctest.h>

#include "conformance/queue_conformance.hpp"
#include "service/queue/entry_row.hpp"
#include "service/queue/queue_fixture.hpp"

using namespace keystonemail;

TEST_CASE("queue: conforms on memory") { conformance::queue<test::MemoryServer>(); }

TEST_CASE("queue: entries are due by their next attempt, soonest first, and held ones never") {
  conformance::QueueDriver<test::MemoryServer> d;
  auto& queue = d.fixture.queue_;
  const auto ids = [&](queue::Due after = {}) {
    std::vector<queue::EntryId> found;
    for (const auto& due : d.must(queue.due(after, 10, d.context()))) found.push_back(due.id);
    return found;
  };
  const auto first = d.add("x", {"a@example.net", "b@example.net"});
  const auto second = d.add("y");
  CHECK(ids() == std::vector{first, second});
  const auto due = d.must(queue.due({}, 1, d.context()));
  CHECK(ids(due.at(0)) == std::vector{second});
  auto entry = d.must(queue.show(first, d.context()));
  for (auto& r : entry.recipients) r.next_attempt += std::chrono::hours(1);
  d.must(queue.update(entry, d.context()));
  CHECK(ids() == std::vector{second, first});
  entry.held = true;
  d.must(queue.update(entry, d.context()));
  CHECK(ids() == std::vector{second});
  CHECK(d.must(queue.verify(d.context())).empty());
  d.must(queue.remove(first, d.context()));
  CHECK(d.must(queue.verify(d.context())).empty());
}

TEST_CASE("queue: a settlement changes what was attempted and nothing else, and the last one takes the entry along") {
  conformance::QueueDriver<test::MemoryServer> d;
  auto& queue = d.fixture.queue_;
  const auto id = d.add("x", {"a@example.net", "b@example.net"});
  auto entry = d.must(queue.show(id, d.context()));
  entry.held = true;  // an administrator's, while the attempt was under way
  d.must(queue.update(entry, d.context()));
  queue::Settlement settlement{id, {{1, queue::RecipientState::pending, 1, entry.arrived + std::chrono::minutes(5), "451 later", "mx.test", true}}};
  d.must(queue.settle(settlement, d.context()));
  entry = d.must(queue.show(id, d.context()));
  CHECK(entry.held);
  CHECK(entry.recipients[0].attempts == 0);
  CHECK(entry.recipients[1].attempts == 1);
  CHECK(entry.recipients[1].last_reply == "451 later");
  CHECK(entry.recipients[1].last_host == "mx.test");
  CHECK(entry.recipients[1].delay_told);
  settlement.changes[0].index = 2;
  CHECK(d.error(queue.settle(settlement, d.context())) == ErrorKind::conflict);
  settlement.changes = {{0, queue::RecipientState::delivered}, {1, queue::RecipientState::failed}};
  d.must(queue.settle(settlement, d.context()));
  CHECK(d.list().empty());
  CHECK(d.error(queue.settle(settlement, d.context())) == ErrorKind::not_found);
  CHECK(d.must(queue.verify(d.context())).empty());
}

TEST_CASE("queue: what an administrator does touches nothing that an attempt notes") {
  conformance::QueueDriver<test::MemoryServer> d;
  auto& queue = d.fixture.queue_;
  const auto id = d.add("x");
  const auto due = [&] { return d.must(queue.due({}, 10, d.context())); };
  d.must(queue.handle(id, queue::Handling::hold, d.context()));
  CHECK(due().empty());
  queue::Settlement settlement{id, {{.index = 0, .attempts = 2, .next_attempt = d.fixture.loop.wall_now() + std::chrono::hours(1), .last_reply = "451 later"}}};
  d.must(queue.settle(settlement, d.context()));
  CHECK(due().empty());
  d.must(queue.handle(id, queue::Handling::release, d.context()));
  REQUIRE(due().size() == 1);
  CHECK(due()[0].when > d.fixture.loop.wall_now());
  d.must(queue.handle(id, queue::Handling::retry, d.context()));
  CHECK(due()[0].when < d.fixture.loop.wall_now());
  CHECK(d.must(queue.show(id, d.context())).recipients[0].attempts == 2);
  CHECK(d.must(queue.verify(d.context())).empty());
  d.must(queue.remove(id, d.context()));
  CHECK(d.error(queue.handle(id, queue::Handling::hold, d.context())) == ErrorKind::not_found);
}

TEST_CASE("queue: those who work on it hear of the soonest new entry, several told as one") {
  conformance::QueueDriver<test::MemoryServer> d;
  auto& queue = d.fixture.queue_;
  std::vector<WallTime> heard;
  auto subscription = queue.subscribe(d.fixture.loop, [&](WallTime when) { heard.push_back(when); });
  const WallTime before = d.fixture.loop.wall_now();
  d.add("x");
  d.add("y");
  const auto run = [&] { d.fixture.loop.run_until(yield(d.fixture.loop)); };
  run();
  REQUIRE(!heard.empty());
  CHECK(heard.front() >= before);
  CHECK(heard.front() <= d.must(queue.due({}, 1, d.context())).at(0).when);
  subscription.reset();
  const std::size_t count = heard.size();
  d.add("z");
  run();
  CHECK(heard.size() == count);
}

TEST_CASE("queue: a row of version 1 is read as one without what came later") {
  queue::Entry entry;
  entry.recipients.resize(1);
  entry.recipients[0].address = "a@example.net";
  std::string row = service::encode_entry(entry);
  row.resize(row.size() - 6);  // what version 3 has behind the recipients
  row[0] = 2;
  REQUIRE(service::read_entry(queue::EntryId{1}, row).has_value());
  row[0] = 1;
  row.pop_back();  // the empty last_host
  const auto read = service::read_entry(queue::EntryId{1}, row);
  REQUIRE(read.has_value());
  CHECK(read->recipients.at(0).address == "a@example.net");
  CHECK(!read->recipients[0].delay_told);
  row[0] = 5;
  CHECK(!service::read_entry(queue::EntryId{1}, row));
}

TEST_CASE("A10: an entry cut or changed anywhere reads as damage or as another entry, never beyond its octets") {
  queue::Entry entry;
  entry.envelope.sender = "a\r\nb@example.com";
  entry.recipients.resize(3);
  entry.recipients[1].address = std::string("x\0y", 3);
  const std::string row = service::encode_entry(entry);
  REQUIRE(service::read_entry(queue::EntryId{1}, row).has_value());
  CHECK(service::read_entry(queue::EntryId{1}, row)->recipients[1].address == entry.recipients[1].address);
  for (std::size_t cut = 0; cut < row.size(); ++cut) CHECK(!service::read_entry(queue::EntryId{1}, row.substr(0, cut)));
  for (std::size_t at = 0; at < row.size(); ++at) {
    std::string changed = row;
    changed[at] = '\xff';
    (void)service::read_entry(queue::EntryId{1}, changed);
  }
}

TEST_CASE("queue: a deadline with its mode, and a sender nobody vouches for, are kept") {
  queue::Entry entry;
  entry.envelope.deliver_by = queue::DeliverBy{WallTime(std::chrono::milliseconds(5)), true, true};
  entry.envelope.unproven = true;
  const auto read = service::read_entry(queue::EntryId{1}, service::encode_entry(entry));
  REQUIRE(read.has_value());
  CHECK(read->envelope.deliver_by == entry.envelope.deliver_by);
  CHECK(read->envelope.unproven);
}

namespace {

// A queue where an account may have three messages and 200 octets.
struct Tight : test::MemoryServer {
  static service::QueueOptions options() {
    return {.first_table = static_cast<kv::Table>(service::mail_store_tables().size() + 1), .account_entries_max = 3, .account_octets_max = 200};
  }
  service::KvQueue tight{*mail, options()};
  service::KvDelivery through{*mail, tight};
  Result<delivery::Accepted> add(const std::string& login, const std::string& text) {
    auto writer = through.create_message();
    REQUIRE(loop.run_until((*writer)->write(text, Context{&loop})).has_value());
    delivery::Submission submission;
    submission.message = *loop.run_until((*writer)->finish(Context{&loop}));
    submission.remote.emplace();
    submission.remote->login = login;
    submission.remote->recipients.resize(1);
    submission.remote->recipients[0].address = "x@elsewhere.test";
    return loop.run_until(through.deliver(std::move(submission), Context{&loop}));
  }
};

}  // namespace

TEST_CASE("queue: what one account has waiting has a ceiling in messages and octets, and what leaves makes room") {
  Tight t;
  const auto first = t.add("anna", "1");
  REQUIRE(first);
  REQUIRE(t.add("anna", "2"));
  REQUIRE(t.add("anna", "3"));
  const auto fourth = t.add("anna", "4");
  REQUIRE(!fourth);
  CHECK(fourth.error().kind() == ErrorKind::over_quota);
  CHECK(fourth.error().detail() == "queue");
  CHECK(t.add("bob", "1"));
  for (int i = 0; i < 5; ++i) CHECK(t.add("", "nobody's share"));
  REQUIRE(t.loop.run_until(t.tight.remove(*first->queued, Context{&t.loop})).has_value());
  CHECK(t.loop.run_until(t.tight.use("anna", Context{&t.loop}))->entries == 2);
  CHECK(!t.add("anna", std::string(199, 'x')));
  CHECK(t.add("anna", std::string(150, 'x')));
  CHECK(t.loop.run_until(t.tight.use("anna", Context{&t.loop}))->octets == 152);
  CHECK(t.loop.run_until(t.tight.verify(Context{&t.loop}))->empty());
}

TEST_CASE("trace: a message delivered here leaves its steps under a number of its own, and is found by its message id") {
  conformance::QueueDriver<test::MemoryServer> d;
  auto& queue = d.fixture.queue_;
  d.must(d.fixture.mail->create_account(mailstore::AccountId{1}, {}, d.context()));
  const auto deliver = [&](const std::string& message_id) {
    auto writer = d.fixture.delivery().create_message();
    d.must((*writer)->write("x", d.context()));
    delivery::Submission submission;
    submission.message = d.must((*writer)->finish(d.context()));
    submission.local.emplace_back().account = mailstore::AccountId{1};
    submission.history.message_id = message_id;
    const WallTime now = d.fixture.loop.wall_now();
    submission.history.steps = {{.when = now, .what = "connected", .recipient = {}, .host = "192.0.2.1:25", .text = "mx"},
                                {.when = now, .what = "accepted", .recipient = message_id, .host = {}, .text = "250 2.0.0 Ok"},
                                {.when = now, .what = "delivered", .recipient = "a@b.test", .host = {}, .text = "in INBOX"}};
    d.must(d.fixture.delivery().deliver(std::move(submission), d.context()));
  };
  deliver("<one@x>");
  for (int i = 0; i < 2'100; ++i) deliver("<other" + std::to_string(i) + "@x>");
  deliver("<one@x>");
  const auto found = d.must(queue.find("<one@x>", d.context()));
  REQUIRE(found.size() == 2);
  for (const auto id : found) {
    const auto steps = d.must(queue.trace(id, d.context()));
    REQUIRE(steps.size() == 3);
    CHECK(steps[0].host == "192.0.2.1:25");
    CHECK(steps[2].what == "delivered");
  }
  CHECK(d.must(queue.find("<two@x>", d.context())).empty());
  CHECK(d.list().empty());
}

TEST_CASE("trace: of refusals few are kept at once, so that nobody fills the store with them") {
  conformance::QueueDriver<test::MemoryServer> d;
  auto& queue = d.fixture.queue_;
  const auto note = [&](const std::string& message_id) {
    queue::History history{message_id, {{.when = d.fixture.loop.wall_now(), .what = "refused", .recipient = message_id, .host = {}, .text = "550 no"}}};
    d.must(d.fixture.delivery().note(std::move(history), d.context()));
  };
  note("<old@x>");
  REQUIRE(d.must(queue.find("<old@x>", d.context())).size() == 1);
  for (int i = 0; i < 300; ++i) note("<flood@x>");
  std::size_t kept = 0;
  for (std::uint64_t id = 1; id <= 310; ++id) kept += d.must(queue.trace(queue::EntryId{id}, d.context())).empty() ? 0 : 1;
  CHECK(kept >= 200);
  CHECK(kept <= 210);
}
