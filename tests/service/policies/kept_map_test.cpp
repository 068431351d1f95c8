// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/policies/kept_map.hpp"

#include <doctest/doctest.h>

#include "keystonemail/backends/memory/kv_store.hpp"
#include "service/policies/sending_record.hpp"
#include "support/sim_executor.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace keystonemail::policies;
using namespace std::chrono_literals;

namespace {

const WallTime noon{std::chrono::hours(500'000)};

KeptMap<WrittenTo> reloaded(const std::vector<RowChange>& rows, std::size_t most) {
  KeptMap<WrittenTo> map('x', most);
  for (const auto& row : rows)
    if (row.value) CHECK(map.load(row.key, *row.value));
  map.loaded();
  return map;
}

}  // namespace

TEST_CASE("kept map: the one unused for longest makes room") {
  KeptMap<WrittenTo> map('x', 3);
  for (int i = 0; i < 3; ++i) map.touch("k" + std::to_string(i), noon + i * 1s);
  map.touch("k0", noon + 10s);
  map.touch("k3", noon + 11s);
  CHECK(map.find("k0"));
  CHECK_FALSE(map.find("k1"));
  CHECK(map.size() == 3);
}

TEST_CASE("kept map: only what has changed is written, and what went is removed if it was ever there") {
  KeptMap<WrittenTo> map('x', 2);
  map.touch("a", noon);
  CHECK(map.take_changes().size() == 1);
  CHECK(map.take_changes().empty());
  map.touch("b", noon + 1s);
  map.touch("c", noon + 2s);  // a goes
  map.touch("d", noon + 3s);  // b goes, which was never written
  const auto changes = map.take_changes();
  REQUIRE(changes.size() == 3);
  CHECK(changes[0].key == "xa");
  CHECK_FALSE(changes[0].value);
  CHECK(changes[1].key == "xd");
  CHECK(changes[2].key == "xc");
}

TEST_CASE("kept map: changes that were put back are taken again, with those since") {
  KeptMap<WrittenTo> map('x', 2);
  map.touch("a", noon);
  (void)map.take_changes();
  map.touch("b", noon + 1s);
  map.touch("c", noon + 2s);
  const auto failed = map.take_changes();  // a goes, b and c come
  map.put_back(failed);
  map.touch("b", noon + 3s);
  CHECK(map.take_changes().size() == 3);
}

TEST_CASE("kept map: a map that is read again knows the same, newest first, and no more than it may") {
  KeptMap<WrittenTo> map('x', 10);
  for (int i = 0; i < 5; ++i) map.touch("k" + std::to_string(9 - i), noon + i * 1s);
  const auto rows = map.take_changes();
  auto again = reloaded(rows, 3);
  CHECK(again.size() == 3);
  CHECK(again.find("k5"));
  CHECK_FALSE(again.find("k9"));
  CHECK(again.take_changes().size() == 2);  // the rows of those that went
  again.forget_before(noon + 4s);
  CHECK(again.size() == 1);
}

TEST_CASE("kept rows: rows that cannot be read are removed") {
  SimExecutor executor;
  const auto store = memory::make_kv_store({.tables = {"rows"}});
  std::vector<RowChange> rows;
  for (int i = 0; i < 5'000; ++i) rows.push_back({"r" + std::to_string(i), i % 2 == 0 ? "good" : "bad"});
  REQUIRE(executor.run(write_rows(*store, kv::Table{0}, rows, {&executor})));
  const auto count = [&] {
    std::size_t seen = 0;
    RowVisitor visit = [&seen](std::string_view, std::string_view value) { return ++seen, value == "good"; };
    REQUIRE(executor.run(read_rows(*store, kv::Table{0}, std::move(visit), {&executor})));
    return seen;
  };
  CHECK(count() == 5'000);
  CHECK(count() == 2'500);
}

TEST_CASE("kept rows: records survive, and damage is no record") {
  SendingRecord record;
  record.renew(noon);
  record.last = noon;
  record.tries_hour = {noon, 77};
  const std::string row = record.encode();
  const auto again = SendingRecord::decode(row);
  REQUIRE(again);
  CHECK(again->encode() == row);
  for (std::size_t cut = 0; cut < row.size(); ++cut) CHECK_FALSE(SendingRecord::decode(row.substr(0, cut)));
  CHECK_FALSE(SendingRecord::decode(row + "x"));
  const SendingException exception{.ceilings = SendingCeilings{.recipients_per_hour = 7}, .suspended = noon};
  CHECK(SendingException::decode(exception.encode())->ceilings->recipients_per_hour == 7);
  CHECK_FALSE(SendingException::decode("\x02"));
}

TEST_CASE("kept rows: a short name tells its parts from one another") {
  CHECK(short_name({"a", "bc"}) != short_name({"ab", "c"}));
  CHECK(short_name({"a"}) == short_name({"a"}));
  CHECK(short_name({"a"}).size() == 12);
}
