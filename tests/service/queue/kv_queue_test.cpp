// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <doctest/doctest.h>

#include "conformance/queue_conformance.hpp"
#include "service/queue/entry_row.hpp"
#include "service/queue/queue_fixture.hpp"

using namespace keystonemail;

TEST_CASE("queue: conforms on memory") { conformance::queue<test::MemoryServer>(); }

TEST_CASE("queue: entries are due by their next attempt, and held ones never") {
  conformance::QueueDriver<test::MemoryServer> d;
  auto& queue = d.fixture.queue_;
  const auto id = d.add("x", {"a@example.net", "b@example.net"});
  const WallTime now = d.fixture.loop.wall_now() + std::chrono::seconds(1);
  CHECK(d.must(queue.due(now, 10, d.context())) == std::vector{id});
  auto entry = d.must(queue.show(id, d.context()));
  for (auto& r : entry.recipients) r.next_attempt = now + std::chrono::hours(1);
  d.must(queue.update(entry, d.context()));
  CHECK(d.must(queue.due(now, 10, d.context())).empty());
  CHECK(d.must(queue.due(now + std::chrono::hours(2), 10, d.context())) == std::vector{id});
  entry.held = true;
  d.must(queue.update(entry, d.context()));
  CHECK(d.must(queue.due(now + std::chrono::hours(2), 10, d.context())).empty());
  CHECK(d.must(queue.verify(d.context())).empty());
  d.must(queue.remove(id, d.context()));
  CHECK(d.must(queue.verify(d.context())).empty());
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
