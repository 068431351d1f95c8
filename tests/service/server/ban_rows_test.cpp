// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/server/ban_rows.hpp"

#include <doctest/doctest.h>

#include "keystonemail/backends/memory/kv_store.hpp"

using namespace keystonemail;
using namespace std::chrono_literals;

namespace {

constexpr WallTime now{std::chrono::hours(24 * 365 * 50)};

struct Fixture {
  std::unique_ptr<kv::Store> store = memory::make_kv_store({.tables = {"bans"}});
  RunLoop loop;
  BanRows rows{*store, kv::Table{0}};

  Context context() { return {&loop}; }
  void put(std::vector<BanRows::Ban> bans) { REQUIRE(loop.run_until(rows.put(bans, context()))); }
  void put_raw(std::string key, std::string value) {
    kv::Operation operation = [&](kv::Transaction& transaction) -> Task<Result<void>> {
      transaction.put(kv::Table{0}, key, value);
      co_return {};
    };
    REQUIRE(loop.run_until(store->transact(std::move(operation), {}, context())));
  }
  std::vector<BanRows::Ban> load(WallTime at = now) { return loop.run_until(rows.load(at, context())).value(); }
};

BanRows::Ban ban(const char* network, WallTime until, std::uint32_t count = 1) { return {*IpNetwork::parse(network), until, count}; }

}  // namespace

TEST_CASE("ban rows: what was put is there again, of both families") {
  Fixture f;
  f.put({ban("192.0.2.1/32", now + 1h), ban("2001:db8:1:2::/64", now + 24h, 7)});
  const auto back = f.load();
  REQUIRE(back.size() == 2);
  CHECK(back[0].network.to_string() == "192.0.2.1/32");
  CHECK(back[0].until == now + 1h);
  CHECK(back[1].network.to_string() == "2001:db8:1:2::/64");
  CHECK(back[1].count == 7);
}

TEST_CASE("ban rows: a later ban of a network takes the place of the earlier one, and lifting it removes it") {
  Fixture f;
  f.put({ban("192.0.2.1/32", now + 1h)});
  f.put({ban("192.0.2.1/32", now + 3h, 2)});
  REQUIRE(f.load().size() == 1);
  CHECK(f.load()[0].count == 2);
  const std::vector networks{*IpNetwork::parse("192.0.2.1/32")};
  REQUIRE(f.loop.run_until(f.rows.erase(networks, f.context())));
  CHECK(f.load().empty());
}

TEST_CASE("ban rows: one that has ended is remembered for a week, then forgotten for good") {
  Fixture f;
  f.put({ban("192.0.2.1/32", now)});
  CHECK(f.load(now + BanRows::remembered - 1ms).size() == 1);
  CHECK(f.load(now + BanRows::remembered).empty());
  CHECK(f.load(now).empty());
}

TEST_CASE("ban rows: rows that cannot be read are removed, whatever is in them") {
  Fixture f;
  const std::string good = encode_ban(ban("192.0.2.1/32", now + 1h));
  for (std::size_t cut = 0; cut < good.size(); ++cut) CHECK_FALSE(decode_ban("192.0.2.1/32", std::string_view(good).substr(0, cut)));
  CHECK_FALSE(decode_ban("192.0.2.1/32", good + "x"));
  CHECK_FALSE(decode_ban("192.0.2.1/33", good));
  CHECK_FALSE(decode_ban("", good));
  std::string later = good;
  later[0] = 2;
  CHECK_FALSE(decode_ban("192.0.2.1/32", later));
  f.put_raw("192.0.2.1/32", "damage");
  f.put_raw("nonsense", good);
  f.put({ban("192.0.2.9/32", now + 1h)});
  CHECK(f.load().size() == 1);
  CHECK(f.load()[0].network.to_string() == "192.0.2.9/32");
}

TEST_CASE("ban rows: more than one batch of them is read") {
  Fixture f;
  std::vector<BanRows::Ban> many;
  for (unsigned i = 0; i < 600; ++i) {
    many.push_back({{IpAddress::v4({10, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}), 32}, now + 1h, 1});
  }
  f.put(many);
  CHECK(f.load().size() == 600);
}
