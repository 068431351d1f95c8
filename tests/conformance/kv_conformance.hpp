// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What every kv backend must do. Run it from a doctest TEST_CASE, with a fixture that gives an empty store:
//
//   struct Fixture {
//     keystonemail::kv::Store& store();          // opened with two tables
//     keystonemail::RunLoop loop;                // the executor of all calls
//   };
//   TEST_CASE("my backend conforms to kv") { keystonemail::conformance::kv<Fixture>(); }
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/kv/kv.hpp"

namespace keystonemail::conformance {

inline constexpr kv::Table table_a{0};
inline constexpr kv::Table table_b{1};

// A synchronous face of a store: each call runs the loop until its task is done.
class KvDriver {
 public:
  KvDriver(kv::Store& store, RunLoop& loop) : store_(store), loop_(loop) {}

  Result<void> transact(kv::Operation operation, kv::TransactOptions options = {}, std::stop_token stop = {}) {
    return loop_.run_until(store_.transact(std::move(operation), options, Context{&loop_, std::move(stop)}));
  }
  Result<void> put(kv::Table table, std::string key, std::string value) {
    return transact([=](kv::Transaction& t) -> Task<Result<void>> {
      t.put(table, key, value);
      co_return Result<void>();
    });
  }
  Result<void> erase(kv::Table table, std::string key) {
    return transact([=](kv::Transaction& t) -> Task<Result<void>> {
      t.erase(table, key);
      co_return Result<void>();
    });
  }
  std::unique_ptr<kv::Snapshot> snapshot() {
    auto snapshot = loop_.run_until(store_.snapshot(Context{&loop_}));
    REQUIRE(snapshot.has_value());
    return *std::move(snapshot);
  }
  std::string get(kv::Reader& reader, kv::Table table, std::string key) {
    auto value = loop_.run_until(reader.get(table, key));
    REQUIRE(value.has_value());
    return *value ? std::string(**value) : "(none)";
  }
  std::string get(kv::Table table, std::string key) { return get(*snapshot(), table, std::move(key)); }
  // "key=value key=value"
  std::string scan(kv::Reader& reader, kv::Table table, kv::Range range) {
    auto rows = loop_.run_until(reader.scan(table, range));
    REQUIRE(rows.has_value());
    return join(*rows);
  }
  std::string scan(kv::Table table, kv::Range range = {}) { return scan(*snapshot(), table, range); }
  static std::string join(const std::vector<kv::Row>& rows) {
    std::string text;
    for (const auto& row : rows) text.append(text.empty() ? "" : " ").append(row.key).append("=").append(row.value);
    return text;
  }

 private:
  kv::Store& store_;
  RunLoop& loop_;
};

inline void kv_rows(KvDriver& store) {
  SUBCASE("kv: what was put is there, and nothing else") {
    REQUIRE(store.put(table_a, "k", "v"));
    CHECK(store.get(table_a, "k") == "v");
    CHECK(store.get(table_a, "kk") == "(none)");
    CHECK(store.get(table_b, "k") == "(none)");
  }
  SUBCASE("kv: an empty value is a value") {
    REQUIRE(store.put(table_a, "k", ""));
    CHECK(store.get(table_a, "k") == "");
  }
  SUBCASE("kv: keys and values hold any octet") {
    const std::string key("\0\xff\0", 3);
    const std::string value("\0a\0", 3);
    REQUIRE(store.put(table_a, key, value));
    CHECK(store.get(table_a, key) == value);
  }
  SUBCASE("kv: put replaces with shorter, longer and much longer values") {
    for (const std::size_t size : {10U, 3U, 5'000U, 100'000U, 7U, 70'000U}) {
      const std::string value(size, static_cast<char>('a' + size % 26));
      REQUIRE(store.put(table_a, "k", value));
      CHECK(store.get(table_a, "k") == value);
    }
  }
  SUBCASE("kv: erase removes, and erasing nothing is no error") {
    REQUIRE(store.put(table_a, "k", "v"));
    CHECK(store.erase(table_a, "k"));
    CHECK(store.get(table_a, "k") == "(none)");
    CHECK(store.erase(table_a, "k"));
  }
  SUBCASE("kv: the longest key and a large value are kept") {
    const std::string key(kv::limits::key_octets_max, 'k');
    const std::string value(4U << 20, 'v');
    REQUIRE(store.put(table_a, key, value));
    CHECK(store.get(table_a, key) == value);
  }
  SUBCASE("kv: an empty or too long key fails the operation, whatever else it does") {
    for (const auto& key : {std::string(), std::string(kv::limits::key_octets_max + 1, 'k')}) {
      auto result = store.transact([&](kv::Transaction& t) -> Task<Result<void>> {
        t.put(table_a, "before", "1");
        t.put(table_a, key, "2");
        t.put(table_a, "after", "3");
        co_return Result<void>();
      });
      CHECK(!result);
      CHECK(store.scan(table_a) == "");
    }
  }
}

inline void kv_scans(KvDriver& store) {
  REQUIRE(store.transact([](kv::Transaction& t) -> Task<Result<void>> {
    for (const auto* key : {"d", "b", "a", "c", "e"}) t.put(table_a, key, "1");
    t.put(table_b, "x", "1");
    co_return Result<void>();
  }));
  const auto backward = kv::Direction::backward;
  SUBCASE("kv scan: rows come in octet order") { CHECK(store.scan(table_a) == "a=1 b=1 c=1 d=1 e=1"); }
  SUBCASE("kv scan: first is included and end is not") { CHECK(store.scan(table_a, {"b", "d"}) == "b=1 c=1"); }
  SUBCASE("kv scan: bounds need not be keys") { CHECK(store.scan(table_a, {"aa", "cc"}) == "b=1 c=1"); }
  SUBCASE("kv scan: backward yields the same keys, last first") {
    CHECK(store.scan(table_a, {"b", "d", backward}) == "c=1 b=1");
    CHECK(store.scan(table_a, {"", "", backward}) == "e=1 d=1 c=1 b=1 a=1");
    CHECK(store.scan(table_a, {"aa", "cc", backward}) == "c=1 b=1");
  }
  SUBCASE("kv scan: rows_max ends a batch") {
    CHECK(store.scan(table_a, {"", "", kv::Direction::forward, 2}) == "a=1 b=1");
    CHECK(store.scan(table_a, {"", "", backward, 2}) == "e=1 d=1");
    CHECK(store.scan(table_a, {"", "", backward, 0}) == "");
  }
  SUBCASE("kv scan: an empty or reversed range has no rows") {
    CHECK(store.scan(table_a, {"c", "c"}) == "");
    CHECK(store.scan(table_a, {"d", "b"}) == "");
    CHECK(store.scan(table_a, {"d", "b", backward}) == "");
    CHECK(store.scan(table_a, {"z"}) == "");
    CHECK(store.scan(table_a, {"", "a", backward}) == "");
  }
  SUBCASE("kv scan: octets order as unsigned") {
    REQUIRE(store.put(table_b, "\xff", "2"));
    CHECK(store.scan(table_b) == "x=1 \xff=2");
  }
}

inline void kv_operations(KvDriver& store) {
  SUBCASE("kv transact: an operation sees its own writes") {
    REQUIRE(store.put(table_a, "a", "0"));
    REQUIRE(store.put(table_a, "c", "0"));
    std::string seen, forward, back, one;
    REQUIRE(store.transact([&](kv::Transaction& t) -> Task<Result<void>> {
      t.put(table_a, "b", "1");
      t.put(table_a, "a", "2");
      t.erase(table_a, "c");
      t.put(table_a, "d", "3");
      auto b = co_await t.get(table_a, "b");
      auto c = co_await t.get(table_a, "c");
      seen = std::string(b->value()) + (c->has_value() ? "?" : "-");
      forward = KvDriver::join(*co_await t.scan(table_a, {}));
      back = KvDriver::join(*co_await t.scan(table_a, {"", "", kv::Direction::backward}));
      one = KvDriver::join(*co_await t.scan(table_a, {"b", "", kv::Direction::forward, 1}));
      co_return Result<void>();
    }));
    CHECK(seen == "1-");
    CHECK(forward == "a=2 b=1 d=3");
    CHECK(back == "d=3 b=1 a=2");
    CHECK(one == "b=1");
    CHECK(store.scan(table_a) == "a=2 b=1 d=3");
  }
  SUBCASE("kv transact: an error leaves no trace and reaches the caller") {
    REQUIRE(store.put(table_a, "a", "0"));
    auto result = store.transact([&](kv::Transaction& t) -> Task<Result<void>> {
      t.put(table_a, "a", "1");
      t.put(table_b, "b", "1");
      t.erase(table_a, "a");
      co_return fail(ErrorKind::conflict, "no");
    });
    REQUIRE(!result);
    CHECK(result.error().kind() == ErrorKind::conflict);
    CHECK(result.error().text() == "no");
    CHECK(store.scan(table_a) == "a=0");
    CHECK(store.scan(table_b) == "");
  }
  SUBCASE("kv transact: a stopped call does not begin") {
    std::stop_source stop;
    stop.request_stop();
    auto result = store.transact([](kv::Transaction& t) -> Task<Result<void>> {
      t.put(table_a, "a", "1");
      co_return Result<void>();
    }, {}, stop.get_token());
    REQUIRE(!result);
    CHECK(result.error().kind() == ErrorKind::cancelled);
    CHECK(store.scan(table_a) == "");
  }
  SUBCASE("kv snapshot: later writes do not move it") {
    REQUIRE(store.put(table_a, "a", "old"));
    REQUIRE(store.put(table_a, "b", "old"));
    auto before = store.snapshot();
    REQUIRE(store.put(table_a, "a", "new"));
    REQUIRE(store.erase(table_a, "b"));
    REQUIRE(store.put(table_a, "c", "new"));
    CHECK(store.scan(*before, table_a, {}) == "a=old b=old");
    CHECK(store.get(*before, table_a, "c") == "(none)");
    CHECK(store.scan(table_a) == "a=new c=new");
  }
  SUBCASE("kv snapshot: views live as long as it does") {
    REQUIRE(store.put(table_a, "a", std::string(1'000, 'o')));
    auto before = store.snapshot();
    auto task = before->get(table_a, "a");
    REQUIRE(task.done());
    const auto view = task.take()->value();
    for (int i = 0; i < 50; ++i) REQUIRE(store.put(table_a, "a", std::to_string(i)));
    REQUIRE(store.erase(table_a, "a"));
    CHECK(view == std::string(1'000, 'o'));
  }
}

class CountingBarrier final : public kv::Barrier {
 public:
  Result<void> sync() override {
    ++syncs;
    if (broken) return fail(ErrorKind::unavailable, {}, "the disk is gone");
    return {};
  }
  int syncs = 0;
  bool broken = false;
};

inline void kv_barriers(KvDriver& store) {
  const auto put = [](std::string key) {
    return [key](kv::Transaction& t) -> Task<Result<void>> {
      t.put(table_a, key, "1");
      co_return Result<void>();
    };
  };
  CountingBarrier barrier;
  SUBCASE("kv barrier: it is asked before the operation completes") {
    CHECK(store.transact(put("a"), {.barrier = &barrier}));
    CHECK(barrier.syncs == 1);
  }
  SUBCASE("kv barrier: a failed operation needs none") {
    CHECK(!store.transact([](kv::Transaction&) -> Task<Result<void>> { co_return fail(ErrorKind::conflict); },
                          {.barrier = &barrier}));
    CHECK(barrier.syncs == 0);
  }
  SUBCASE("kv barrier: after it fails nothing is acknowledged any more") {
    barrier.broken = true;
    auto result = store.transact(put("a"), {.barrier = &barrier});
    REQUIRE(!result);
    CHECK(result.error().kind() == ErrorKind::unavailable);
    result = store.transact(put("b"));
    REQUIRE(!result);
    CHECK(result.error().kind() == ErrorKind::unavailable);
    CHECK(store.scan(table_a) == "");
  }
}

// Many operations in flight at once: each adds one to the same counter, and every third fails after having done so.
inline void kv_concurrency(kv::Store& store, RunLoop& loop) {
  SUBCASE("kv transact: operations in flight together are each whole or nothing") {
    constexpr int count = 300;
    const auto increment = [](int i) {
      return [i](kv::Transaction& t) -> Task<Result<void>> {
        auto value = co_await t.get(table_a, "counter");
        if (!value) co_return std::unexpected(value.error());
        const int now = *value ? std::stoi(std::string(**value)) : 0;
        t.put(table_a, "counter", std::to_string(now + 1));
        t.put(table_b, std::to_string(i), "1");
        if (i % 3 == 0) co_return fail(ErrorKind::conflict);
        co_return Result<void>();
      };
    };
    std::vector<Task<Result<void>>> tasks;
    for (int i = 0; i < count; ++i) tasks.push_back(store.transact(increment(i), {}, Context{&loop}));
    int good = 0;
    for (auto& task : tasks) good += loop.run_until(std::move(task)).has_value() ? 1 : 0;
    CHECK(good == count - count / 3);
    KvDriver driver(store, loop);
    CHECK(driver.get(table_a, "counter") == std::to_string(good));
    CHECK(driver.get(table_b, "3") == "(none)");
    CHECK(driver.get(table_b, "4") == "1");
  }
}

template <class Fixture>
void kv() {
  Fixture fixture;
  KvDriver driver(fixture.store(), fixture.loop);
  SUBCASE("rows") { kv_rows(driver); }
  SUBCASE("scans") { kv_scans(driver); }
  SUBCASE("operations") { kv_operations(driver); }
  SUBCASE("barriers") { kv_barriers(driver); }
  SUBCASE("concurrency") { kv_concurrency(fixture.store(), fixture.loop); }
}

}  // namespace keystonemail::conformance
