// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Attack E4: one answer a person and week, 100 an account and day, kept over restarts, within bounds.
#include "keystonemail/service/autoreply/answered.hpp"

#include <doctest/doctest.h>

#include "keystonemail/backends/memory/kv_store.hpp"
#include "support/sim_executor.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using autoreply::Answered;
using autoreply::Silence;
using mailstore::AccountId;

namespace {

struct Memory {
  std::optional<Silence> objection(const Answered::Answer& answer) { return executor.run(answered.objection(answer, {&executor})).value(); }
  Result<void> give(const Answered::Answer& answer) {
    kv::Operation operation = answered.remember(answer, executor.wall_now());
    return executor.run(store->transact(std::move(operation), {}, {&executor}));
  }
  std::size_t rows() {
    const auto snapshot = executor.run(store->snapshot({&executor})).value();
    return executor.run(snapshot->scan(kv::Table{0}, {.rows_max = 10'000})).value().size();
  }

  SimExecutor executor;
  std::unique_ptr<kv::Store> store = memory::make_kv_store({.tables = {std::string(Answered::table_name)}});
  Answered answered{*store, kv::Table{0}, 500};
};

Answered::Answer to(const std::string& address, std::uint32_t account = 1, const std::string& response = "away") {
  return {.account = AccountId{account}, .to = address, .response = response};
}

}  // namespace

TEST_CASE("E4 answered: 1,000 messages of one person in a week get one answer, and one more after it") {
  Memory memory;
  REQUIRE(memory.give(to("carol@a.test")));
  for (int i = 0; i < 1'000; ++i) {
    memory.executor.advance(std::chrono::minutes(10));
    CHECK(memory.objection(to("carol@a.test")) == Silence::answered_lately);
    if (i % 100 == 0) CHECK(!memory.give(to("Carol+" + std::to_string(i) + "@A.test")));
  }
  memory.executor.advance(std::chrono::days(7) - std::chrono::minutes(10'000) - std::chrono::milliseconds(1));
  CHECK(memory.objection(to("carol@a.test")) == Silence::answered_lately);
  memory.executor.advance(std::chrono::milliseconds(1));
  CHECK(!memory.objection(to("carol@a.test")));
  CHECK(memory.give(to("carol@a.test")));
}

TEST_CASE("E4 answered: other people, other accounts and other answers are not held up; days may be others") {
  Memory memory;
  REQUIRE(memory.give(to("carol@a.test")));
  CHECK(!memory.objection(to("dave@a.test")));
  CHECK(!memory.objection(to("carol@a.test", 2)));
  CHECK(!memory.objection(to("carol@a.test", 1, "away again")));
  memory.executor.advance(std::chrono::days(2));
  Answered::Answer often = to("carol@a.test"), seldom = to("carol@a.test");
  often.within = std::chrono::days(2);
  seldom.within = std::chrono::days(31);
  CHECK(!memory.objection(often));
  memory.executor.advance(std::chrono::days(29) - std::chrono::milliseconds(1));
  CHECK(memory.objection(seldom) == Silence::answered_lately);
}

TEST_CASE("E4 answered: of 10,000 senders in a day 100 are answered; in no 24 hours are there more") {
  Memory memory;
  int given = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto answer = to("x" + std::to_string(i) + "@a.test");
    if (memory.objection(answer)) continue;
    REQUIRE(memory.give(answer));
    ++given;
  }
  CHECK(given == 100);
  CHECK(memory.objection(to("y@a.test")) == Silence::enough_answers);
  CHECK(memory.give(to("y@a.test")).error().kind() == ErrorKind::conflict);
  CHECK(!memory.objection(to("y@a.test", 2)));
  memory.executor.advance(std::chrono::hours(24) - std::chrono::milliseconds(1));
  CHECK(memory.objection(to("y@a.test")) == Silence::enough_answers);
  memory.executor.advance(std::chrono::hours(1) + std::chrono::milliseconds(1));
  CHECK(!memory.objection(to("y@a.test")));
}

TEST_CASE("E4 answered: who opens the store next knows it too; of two at once one is a conflict that writes nothing") {
  Memory memory;
  REQUIRE(memory.give(to("carol@a.test")));
  const std::size_t before = memory.rows();
  const auto second = memory.give(to("carol@a.test"));
  REQUIRE(!second);
  CHECK(second.error().kind() == ErrorKind::conflict);
  CHECK(memory.rows() == before);
  Answered next(*memory.store, kv::Table{0});
  CHECK(memory.executor.run(next.objection(to("carol@a.test"), {&memory.executor})).value() == Silence::answered_lately);
}

TEST_CASE("E4 answered: rows go when their time has passed, and have a ceiling") {
  Memory memory;
  for (std::uint32_t account = 1; account <= 30; ++account) {
    for (int i = 0; i < 50; ++i) REQUIRE(memory.give(to(std::to_string(i) + "@a.test", account)));
    CHECK(memory.rows() <= 500 + 1 + account);
  }
  memory.executor.advance(std::chrono::days(33));
  for (int i = 0; i < 60; ++i) REQUIRE(memory.give(to(std::to_string(i) + "@a.test")));
  CHECK(memory.rows() == 60 + 1 + 1);
}

TEST_CASE("answered: damaged rows say nothing") {
  Memory memory;
  for (const char* value : {"", "\x01", "\x02\x05", "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"}) {
    REQUIRE(memory.give(to(value + std::string("x@a.test"), 9, value)));
    kv::Operation damage = [&](kv::Transaction& transaction) -> Task<Result<void>> {
      std::vector<std::string> keys;
      {
        const auto rows = co_await transaction.scan(kv::Table{0}, {});
        for (const auto& row : rows.value()) keys.emplace_back(row.key);
      }
      for (const auto& key : keys) transaction.put(kv::Table{0}, key, value);
      co_return Result<void>();
    };
    REQUIRE(memory.executor.run(memory.store->transact(std::move(damage), {}, {&memory.executor})));
    (void)memory.objection(to("x@a.test", 9));
  }
}
