// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What was redirected lately: how long it is remembered, and how much of it.
#include <doctest/doctest.h>

#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/service/forwarding/redirects.hpp"
#include "support/sim_executor.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using forwarding::Redirects;

namespace {

struct Memory {
  Result<void> note(std::vector<std::string> names) {
    kv::Operation operation = redirects.remember(std::move(names), executor.wall_now());
    return executor.run(store->transact(std::move(operation), {}, {&executor}));
  }
  bool knows(std::string name) { return executor.run(redirects.knows(std::move(name), {&executor})).value(); }
  std::size_t rows() {
    const auto snapshot = executor.run(store->snapshot({&executor})).value();
    return executor.run(snapshot->scan(kv::Table{0}, {.rows_max = 10'000})).value().size();
  }

  SimExecutor executor;
  std::unique_ptr<kv::Store> store = memory::make_kv_store({.tables = {std::string(Redirects::table_name)}});
  Redirects redirects{*store, kv::Table{0}, 100};
};

std::string numbered(int i) { return Redirects::name("<" + std::to_string(i) + "@a.test>", "x@b.test"); }

}  // namespace

TEST_CASE("E2 redirects: a name is of message id and address, whatever the case of the address") {
  const std::string one = Redirects::name("<a@b.test>", "x@c.test");
  CHECK(one == Redirects::name(" <a@b.test>\t", "X@C.TEST"));
  CHECK(one != Redirects::name("<a@b.test>", "y@c.test"));
  CHECK(one != Redirects::name("<A@b.test>", "x@c.test"));
  CHECK(Redirects::name("  ", "x@c.test").empty());
}

TEST_CASE("E2 redirects: remembered for 12 hours, wherever in an hour they began, and by the one who opens the store next") {
  for (const auto offset : {std::chrono::minutes(0), std::chrono::minutes(31), std::chrono::minutes(59)}) {
    Memory memory;
    memory.executor.advance(offset);
    REQUIRE(memory.note({numbered(1)}));
    CHECK(memory.knows(numbered(1)));
    CHECK(!memory.knows(numbered(2)));
    CHECK(!memory.knows(""));
    memory.executor.advance(std::chrono::hours(12) - std::chrono::milliseconds(1));
    CHECK(memory.knows(numbered(1)));
    Redirects next(*memory.store, kv::Table{0});
    CHECK(memory.executor.run(next.knows(numbered(1), {&memory.executor})).value());
    memory.executor.advance(std::chrono::milliseconds(1));
    CHECK(!memory.knows(numbered(1)));
    CHECK(memory.note({numbered(1)}));  // it may go again
  }
}

TEST_CASE("E2 redirects: of two that are written at once one is a conflict, and writes nothing") {
  Memory memory;
  REQUIRE(memory.note({numbered(1)}));
  const auto second = memory.note({numbered(2), numbered(1)});
  REQUIRE(!second);
  CHECK(second.error().kind() == ErrorKind::conflict);
  CHECK(!memory.knows(numbered(2)));
}

TEST_CASE("E2 redirects: old rows go as new ones come, and there is a ceiling, at which the oldest go first") {
  Memory memory;
  for (int i = 0; i < 80; ++i) REQUIRE(memory.note({numbered(i)}));
  CHECK(memory.rows() == 81);
  memory.executor.advance(std::chrono::hours(14));
  for (int i = 100; i < 103; ++i) REQUIRE(memory.note({numbered(i)}));
  CHECK(memory.rows() == 4);  // and the row that counts them
  for (int i = 200; i < 600; ++i) {
    if (i % 100 == 0) memory.executor.advance(std::chrono::hours(1));
    REQUIRE(memory.note({numbered(i)}));
    CHECK(memory.rows() <= 101);
  }
  CHECK(memory.rows() == 101);
  CHECK(memory.knows(numbered(599)));
  CHECK(!memory.knows(numbered(100)));
}

TEST_CASE("E2 redirects: a row that is damaged says nothing") {
  Memory memory;
  REQUIRE(memory.note({numbered(1)}));
  for (const char* value : {"", "\x01", "\x02\x01", "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"}) {
    kv::Operation damage = [&](kv::Transaction& transaction) -> Task<Result<void>> {
      auto rows = co_await transaction.scan(kv::Table{0}, {.first = "r"});
      const std::string key(rows.value().at(0).key);
      transaction.put(kv::Table{0}, key, value);
      transaction.put(kv::Table{0}, "n", value);
      co_return Result<void>();
    };
    REQUIRE(memory.executor.run(memory.store->transact(std::move(damage), {}, {&memory.executor})));
    (void)memory.knows(numbered(1));
    (void)memory.note({numbered(2)});
    CHECK(memory.rows() <= 4);
  }
}
