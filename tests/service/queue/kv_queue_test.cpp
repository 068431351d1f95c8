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
  row[0] = 4;
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
