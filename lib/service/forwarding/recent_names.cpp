// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/forwarding/recent_names.hpp"

#include <algorithm>
#include <utility>

#include "base/record.hpp"
#include "base/try.hpp"

namespace keystonemail::forwarding {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::size_t pruned_at_once = 32;               // more than are added, so that what is old goes
constexpr std::uint64_t time_max = 253'402'300'799'000;  // the end of year 9999

}  // namespace

std::uint64_t RecentNames::slot_of(WallTime time) const noexcept {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.time_since_epoch() / options_.slot, 0));
}

std::uint64_t RecentNames::slots_in(std::chrono::hours time) const noexcept {
  return static_cast<std::uint64_t>((time + options_.slot - std::chrono::hours(1)) / options_.slot);
}

std::string RecentNames::key(std::uint64_t slot, std::string_view name) const {
  std::string out(1, options_.prefix);
  append_big_endian(out, slot, 4);
  return out.append(name);
}

Task<Result<bool>> RecentNames::find(kv::Reader& reader, std::string_view name, std::chrono::hours within, WallTime now) const {
  const std::uint64_t last = slot_of(now) + 1;  // the clock may have been set back a little
  for (std::uint64_t slot = last - std::min(last, slots_in(within) + 1); slot <= last; ++slot) {
    const std::string row_key = key(slot, name);
    KM_CO_TRY(const auto row, co_await reader.get(options_.table, row_key));
    if (!row) continue;
    RecordReader in(*row);
    if (in.octet() != version) continue;
    const WallTime when{std::chrono::milliseconds(static_cast<std::int64_t>(std::min(in.number(), time_max)))};
    if (in.ok() && now - when < within) co_return true;
  }
  co_return false;
}

Task<Result<void>> RecentNames::put(kv::Transaction& transaction, const std::vector<std::string>& names, WallTime now) const {
  std::uint64_t count = 0;
  {
    KM_CO_TRY(const auto row, co_await transaction.get(options_.table, options_.count));
    if (row) count = RecordReader(*row).number();
  }
  const std::string first(1, options_.prefix), end(1, static_cast<char>(options_.prefix + 1));
  std::vector<std::string> oldest;
  {
    const kv::Range range{.first = first, .end = end, .rows_max = pruned_at_once + names.size()};
    KM_CO_TRY(const auto rows, co_await transaction.scan(options_.table, range));
    for (const kv::Row& row : rows) oldest.emplace_back(row.key);
  }
  count = std::max<std::uint64_t>(count, oldest.size());  // whatever was written there
  for (const std::string& row_key : oldest) {
    const std::uint64_t slot = row_key.size() < 5 ? 0 : read_big_endian(std::string_view(row_key).substr(1, 4));
    const bool is_old = slot + slots_in(options_.kept) < slot_of(now);  // it has ended so long ago
    if (!is_old && count + names.size() <= options_.rows_max) break;
    transaction.erase(options_.table, row_key);
    --count;
  }
  const std::string value = RecordWriter().octet(version).number(static_cast<std::uint64_t>(now.time_since_epoch().count())).take();
  for (const std::string& name : names) transaction.put(options_.table, key(slot_of(now), name), value);
  const std::string total = RecordWriter().number(count + names.size()).take();
  transaction.put(options_.table, options_.count, total);
  co_return Result<void>();
}

}  // namespace keystonemail::forwarding
