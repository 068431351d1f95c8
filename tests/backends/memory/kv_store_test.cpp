// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/memory/kv_store.hpp"

#include <doctest/doctest.h>

#include "conformance/kv_conformance.hpp"

using namespace keystonemail;
using conformance::table_a;

namespace {

template <memory::Completion completion>
struct KvFixture {
  RunLoop loop;
  std::unique_ptr<kv::Store> made = memory::make_kv_store({.tables = {"a", "b"}, .completion = completion});
  kv::Store& store() { return *made; }
};

}  // namespace

TEST_CASE("memory kv: conforms, completing at once") { conformance::kv<KvFixture<memory::Completion::inline_>>(); }
TEST_CASE("memory kv: conforms, completing later") { conformance::kv<KvFixture<memory::Completion::posted>>(); }

TEST_CASE("memory kv: a full store refuses what adds and takes what frees") {
  RunLoop loop;
  auto store = memory::make_kv_store({.tables = {"a"}, .octets_max = 100});
  conformance::KvDriver driver(*store, loop);
  REQUIRE(driver.put(table_a, "a", std::string(99, 'x')));
  auto refused = driver.put(table_a, "b", "1");
  REQUIRE(!refused);
  CHECK(refused.error().kind() == ErrorKind::unavailable);
  CHECK(driver.transact([](kv::Transaction& t) -> Task<Result<void>> {
    t.erase(table_a, "a");
    co_return Result<void>();
  }, {.growth = kv::Growth::frees}));
  CHECK(driver.put(table_a, "b", "1"));
}
