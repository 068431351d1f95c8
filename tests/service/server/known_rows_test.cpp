// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/server/known_rows.hpp"

#include <doctest/doctest.h>

#include "keystonemail/backends/memory/kv_store.hpp"

using namespace keystonemail;

TEST_CASE("known rows: networks come back in their order, the last put wins, and what cannot be read is left out") {
  auto store = memory::make_kv_store({.tables = {"known_networks"}});
  RunLoop loop;
  const Context context{&loop};
  KnownRows rows(*store, kv::Table{0});
  const IpAddress first = *IpAddress::parse("192.0.2.1"), second = *IpAddress::parse("2001:db8:1:2::");
  REQUIRE(loop.run_until(rows.put({"alice@example.test", {first}}, context)));
  REQUIRE(loop.run_until(rows.put({"alice@example.test", {second, first}}, context)));
  REQUIRE(loop.run_until(rows.put({"bob@example.test", {}}, context)));
  REQUIRE(loop.run_until(store->transact([](kv::Transaction& transaction) -> Task<Result<void>> {
    transaction.put(kv::Table{0}, "carol@example.test", "\1\1\3x.y");
    transaction.put(kv::Table{0}, "dave@example.test", "\2");
    co_return {};
  }, {}, context)));
  const auto back = loop.run_until(rows.load(100, context)).value();
  REQUIRE(back.size() == 2);
  CHECK(back[0].login == "alice@example.test");
  CHECK(back[0].networks == std::vector{second, first});
  CHECK(back[1].networks.empty());
}
