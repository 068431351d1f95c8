// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/forwarding/redirects.hpp"

#include <algorithm>
#include <utility>

#include "base/record.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/mime/address.hpp"

namespace keystonemail::forwarding {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::size_t name_octets = 16;
constexpr std::size_t pruned_at_once = 32;         // more than are added, so that what is old goes
constexpr std::string_view first_row = "r", end_of_rows = "s", count_key = "n";
constexpr std::uint64_t time_max = 253'402'300'799'000;  // the end of year 9999
constexpr std::uint64_t remembered_hours = static_cast<std::uint64_t>(limits::redirect_remembered.count());

std::uint64_t hour_of(WallTime time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.time_since_epoch() / std::chrono::hours(1), 0));
}

std::string row_key(std::uint64_t hour, std::string_view name) {
  std::string key(first_row);
  append_big_endian(key, hour, 4);
  return key.append(name);
}

std::uint64_t hour_of(std::string_view key) { return key.size() < 5 ? 0 : read_big_endian(key.substr(1, 4)); }

}  // namespace

std::string Redirects::name(std::string_view message_id, std::string_view address) {
  const std::string_view id = trim(message_id);
  if (id.empty()) return {};
  const auto parsed = mime::Address::parse(address);
  const std::string target = parsed ? parsed->key() : to_lower(address);
  const auto digest = crypto::sha256(RecordWriter().text(id).text(target).view());
  return {reinterpret_cast<const char*>(digest.data()), name_octets};
}

Task<Result<bool>> Redirects::find(kv::Reader& reader, std::string_view name, WallTime now) const {
  const std::uint64_t last = hour_of(now) + 1;  // the clock may have been set back a little
  for (std::uint64_t hour = last - std::min(last, remembered_hours + 1); hour <= last; ++hour) {
    const std::string key = row_key(hour, name);
    KM_CO_TRY(const auto row, co_await reader.get(table_, key));
    if (!row) continue;
    RecordReader in(*row);
    if (in.octet() != version) continue;
    const WallTime when{std::chrono::milliseconds(static_cast<std::int64_t>(std::min(in.number(), time_max)))};
    if (in.ok() && now - when < limits::redirect_remembered) co_return true;
  }
  co_return false;
}

Task<Result<bool>> Redirects::knows(std::string name, Context context) const {
  if (name.empty()) co_return false;
  KM_CO_TRY(const auto snapshot, co_await store_.snapshot(context));
  co_return co_await find(*snapshot, name, context.executor->wall_now());
}

kv::Operation Redirects::remember(std::vector<std::string> names, WallTime now) const {
  return [this, names = std::move(names), now](kv::Transaction& transaction) { return write(transaction, names, now); };
}

Task<Result<void>> Redirects::write(kv::Transaction& transaction, const std::vector<std::string>& names, WallTime now) const {
  for (const std::string& name : names) {
    KM_CO_TRY(const bool known, co_await find(transaction, name, now));
    if (known) co_return fail(ErrorKind::conflict, {}, "redirected meanwhile");
  }
  std::uint64_t count = 0;
  {
    KM_CO_TRY(const auto row, co_await transaction.get(table_, count_key));
    if (row) count = RecordReader(*row).number();
  }
  std::vector<std::string> oldest;
  {
    const kv::Range range{.first = first_row, .end = end_of_rows, .rows_max = pruned_at_once + names.size()};
    KM_CO_TRY(const auto rows, co_await transaction.scan(table_, range));
    for (const kv::Row& row : rows) oldest.emplace_back(row.key);
  }
  count = std::max<std::uint64_t>(count, oldest.size());  // whatever was written there
  for (const std::string& key : oldest) {
    const bool is_old = hour_of(key) + remembered_hours < hour_of(now);  // its hour has ended so long ago
    if (!is_old && count + names.size() <= rows_max_) break;
    transaction.erase(table_, key);
    --count;
  }
  const std::string value = RecordWriter().octet(version).number(static_cast<std::uint64_t>(now.time_since_epoch().count())).take();
  for (const std::string& name : names) transaction.put(table_, row_key(hour_of(now), name), value);
  const std::string total = RecordWriter().number(count + names.size()).take();
  transaction.put(table_, count_key, total);
  co_return Result<void>();
}

}  // namespace keystonemail::forwarding
