// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Rows that damage has reached read as nothing; tests/fuzz/store_records.cpp looks for more of them.
#include "service/mailstore/rows.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "base/record.hpp"
#include "service/mailstore/change_log.hpp"
#include "service/mailstore/content.hpp"

using namespace keystonemail;
using namespace keystonemail::service;

TEST_CASE("mail store rows: a message with more keywords than an email may have is damage, not an assertion") {
  MessageRecord record;
  const std::string most(2 * mailstore::limits::keywords_per_email_max, '\1');
  record.numbers = most;
  std::string row(std::string_view(record.encode()));
  CHECK(MessageRecord::read(row).has_value());
  store_little(row.data() + 2, static_cast<std::uint16_t>(mailstore::limits::keywords_per_email_max + 1));
  CHECK(!MessageRecord::read(row + "xx").has_value());
}

TEST_CASE("mail store rows: a change log whose numbers wrap round is damage") {
  const auto log_of = [](std::uint64_t gap, std::uint64_t length) {
    RecordWriter writer;
    return writer.octet(row_version).number(1).number(gap).number(length).number(0).take();
  };
  REQUIRE(LogEntry::read(log_of(7, 2)));
  CHECK(LogEntry::read(log_of(7, 2))->changed == Uids{7, 8});
  CHECK(!LogEntry::read(log_of(UINT64_MAX - 4, 20)));
  CHECK(!LogEntry::read(log_of(UINT32_MAX, 1)));
}

TEST_CASE("mail store rows: a few octets may name four million UIDs of a change log, and no more") {
  LogEntry entry;
  entry.changed.resize(4'000'000);
  std::iota(entry.changed.begin(), entry.changed.end(), mailstore::Uid{7});
  const std::string row = entry.encode();
  CHECK(row.size() < 16);
  const auto again = LogEntry::read(row);
  const bool same = again && again->changed == entry.changed;
  CHECK(same);
  entry.changed.push_back(entry.changed.back() + 1);
  CHECK(!LogEntry::read(entry.encode()));
}

TEST_CASE("mail store rows: a change log tells which flags were turned, in groups, and reads entries that do not") {
  const FlagNames seen{.system = 1}, kept{.deleted = true, .numbers = {2, 700}};
  TurnedGroups groups;
  for (const mailstore::Uid uid : {9U, 3U, 4U, 3U}) groups.add(uid, seen);
  auto one = LogEntry::read(std::move(groups).take().encode());
  REQUIRE(one);
  CHECK(one->changed == Uids{3, 4, 9});
  REQUIRE(one->turned.size() == 1);
  CHECK(one->turned.front().uids == one->changed);
  TurnedGroups two;
  two.add(5, kept);
  two.add(3, seen);
  const auto both = LogEntry::read(std::move(two).take().encode());
  REQUIRE(both);
  CHECK(both->changed == Uids{3, 5});
  REQUIRE(both->turned.size() == 2);
  CHECK(both->turned[0].flags == kept);
  CHECK(both->turned[0].uids == Uids{5});
  CHECK(both->turned[1].flags == seen);
  // More kinds than there are groups for: the last is of all that is left, never of less.
  TurnedGroups many;
  for (std::uint16_t i = 0; i < 40; ++i) many.add(i + 1U, FlagNames{.numbers = {i}});
  const auto merged = LogEntry::read(std::move(many).take().encode());
  REQUIRE(merged);
  CHECK(merged->turned.size() == 8);
  for (std::uint16_t i = 0; i < 40; ++i) {
    const bool told = std::ranges::any_of(merged->turned, [&](const TurnedFlags& group) {
      return group.flags.meets(FlagNames{.numbers = {i}}) && std::ranges::binary_search(group.uids, i + 1U);
    });
    CHECK(told);
  }
  LogEntry old;
  old.changed = {7};
  const auto read = LogEntry::read(old.encode());
  REQUIRE(read);
  CHECK(read->turned.empty());
  CHECK_FALSE(LogEntry::read(std::string("\2\1\7\1\0\0", 6)));              // no group
  CHECK_FALSE(LogEntry::read(std::string("\2\1\7\1\0\1\x20\0", 8)));      // no such flag
  CHECK_FALSE(LogEntry::read(std::string("\2\1\7\1\0\1\1\2\5\5", 10))); // keywords do not ascend
}

TEST_CASE("mail store rows: a blob longer than any blob is damage") {
  const auto content_of = [](std::uint64_t octets) {
    Content content;
    content.blobs.push_back({.id = {}, .octets = octets});
    return content.encode();
  };
  CHECK(Content::decode(content_of(blob::limits::blob_octets_max)).has_value());
  CHECK(!Content::decode(content_of(blob::limits::blob_octets_max + 1)).has_value());
  CHECK(!Content::decode_blobs(content_of(UINT64_MAX)).has_value());
}
