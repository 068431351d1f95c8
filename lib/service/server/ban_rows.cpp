// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/server/ban_rows.hpp"

#include <algorithm>
#include <utility>

#include "base/record.hpp"
#include "base/try.hpp"

namespace keystonemail {

namespace {

constexpr std::uint8_t version = 1;
constexpr std::uint64_t count_max = 1'000'000;
constexpr std::uint64_t time_max = 253'402'300'799'000;  // the end of year 9999

}  // namespace

std::string encode_ban(const access::LoginGate::Ban& ban) {
  const auto until = std::max<std::int64_t>(ban.until.time_since_epoch().count(), 0);
  return RecordWriter().octet(version).number(static_cast<std::uint64_t>(until)).number(ban.count).take();
}

std::optional<access::LoginGate::Ban> decode_ban(std::string_view key, std::string_view value) {
  const auto network = IpNetwork::parse(key);
  RecordReader in(value);
  if (!network || in.octet() != version) return std::nullopt;
  const std::uint64_t until = in.number(), count = in.number();
  if (!in.ok() || !in.at_end() || until > time_max || count > count_max) return std::nullopt;
  return access::LoginGate::Ban{*network, WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(until))),
                                static_cast<std::uint32_t>(count)};
}

Task<Result<std::vector<BanRows::Ban>>> BanRows::load(WallTime now, Context context) {
  std::vector<Ban> bans;
  std::vector<std::string> stale;
  {
    KM_CO_TRY(const auto snapshot, co_await store_.snapshot(context));
    std::string first;
    for (;;) {
      const kv::Range range{.first = first};
      KM_CO_TRY(const auto rows, co_await snapshot->scan(table_, range));
      for (const kv::Row& row : rows) {
        const auto ban = decode_ban(row.key, row.value);
        if (ban && now < ban->until + remembered) bans.push_back(*ban);
        else stale.emplace_back(row.key);
      }
      if (rows.size() < range.rows_max) break;
      first.assign(rows.back().key).push_back('\0');
    }
  }
  if (stale.empty()) co_return bans;
  kv::Operation operation = [this, &stale](kv::Transaction& transaction) -> Task<Result<void>> {
    for (const std::string& key : stale) transaction.erase(table_, key);
    co_return {};
  };
  KM_CO_CHECK(co_await store_.transact(std::move(operation), {.growth = kv::Growth::frees}, context));
  co_return bans;
}

Task<Result<void>> BanRows::put(const std::vector<Ban>& bans, Context context) {
  kv::Operation operation = [this, &bans](kv::Transaction& transaction) -> Task<Result<void>> {
    for (const Ban& ban : bans) transaction.put(table_, ban.network.to_string(), encode_ban(ban));
    co_return {};
  };
  co_return co_await store_.transact(std::move(operation), {}, context);
}

Task<Result<void>> BanRows::erase(const std::vector<IpNetwork>& networks, Context context) {
  kv::Operation operation = [this, &networks](kv::Transaction& transaction) -> Task<Result<void>> {
    for (const IpNetwork& network : networks) transaction.erase(table_, network.to_string());
    co_return {};
  };
  co_return co_await store_.transact(std::move(operation), {.growth = kv::Growth::frees}, context);
}

}  // namespace keystonemail
