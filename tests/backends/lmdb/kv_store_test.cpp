// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/lmdb/kv_store.hpp"

#include <doctest/doctest.h>

#include "backends/lmdb/fixture.hpp"

using namespace keystonemail;
using conformance::table_a;
using conformance::table_b;

TEST_CASE("lmdb kv: conforms") { conformance::kv<LmdbFixture>(); }

TEST_CASE("lmdb kv: what was acknowledged is there after reopening") {
  LmdbFixture fixture;
  REQUIRE(fixture.driver().put(table_a, "k", "v"));
  fixture.reopen();
  CHECK(fixture.driver().get(table_a, "k") == "v");
}
