// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/kv/faulty.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "conformance/kv_conformance.hpp"
#include "keystonemail/backends/memory/kv_store.hpp"

using namespace keystonemail;
using conformance::KvDriver;
using conformance::table_a;

namespace {

struct Fixture {
  RunLoop loop;
  kv::Faults faults;
  std::unique_ptr<kv::Store> inner = memory::make_kv_store({.tables = {"a", "b"}});
  std::unique_ptr<kv::Store> faulty = kv::make_faulty(*inner, faults);
  KvDriver driver{*faulty, loop};
  kv::Store& store() { return *faulty; }
};

Task<Result<void>> two_puts(kv::Transaction& t) {
  t.put(table_a, "a", "1");
  t.put(table_a, "b", "2");
  co_return Result<void>();
}

}  // namespace

TEST_CASE("faulty kv: without an order it is its inner store") { conformance::kv<Fixture>(); }

TEST_CASE("faulty kv: whichever call fails, the operation leaves no trace") {
  Fixture fixture;
  for (std::uint64_t k = 1; k <= 4; ++k) {  // transact, put, put, commit
    fixture.faults.fail_at(k);
    CHECK(!fixture.driver.transact(two_puts));
    CHECK(fixture.driver.scan(table_a) == "");
  }
  CHECK(fixture.faults.failed() == 4);
}

TEST_CASE("faulty kv: once heals by itself, sticky does not") {
  Fixture fixture;
  fixture.faults.watch({kv::Call::transact});
  fixture.faults.fail_at(1, kv::Repeat::once, ErrorKind::timeout);
  CHECK(fixture.driver.transact(two_puts).error().kind() == ErrorKind::timeout);
  CHECK(fixture.driver.transact(two_puts));
  fixture.faults.fail_at(2, kv::Repeat::sticky);
  CHECK(fixture.driver.transact(two_puts));
  CHECK(!fixture.driver.transact(two_puts));
  CHECK(!fixture.driver.transact(two_puts));
  fixture.faults.clear();
  CHECK(fixture.driver.transact(two_puts));
}

TEST_CASE("faulty kv: a seed fails the same calls each time, about as often as asked") {
  const auto pattern = [](std::uint64_t seed) {
    kv::Faults faults;
    faults.fail_by_seed(seed, 4);
    std::string text;
    for (int i = 0; i < 400; ++i) text += faults.next(kv::Call::get) ? 'x' : '.';
    return text;
  };
  CHECK(pattern(1) == pattern(1));
  CHECK(pattern(1) != pattern(2));
  const auto first = pattern(1);
  const auto failures = std::count(first.begin(), first.end(), 'x');
  CHECK(failures > 60);
  CHECK(failures < 140);
}
