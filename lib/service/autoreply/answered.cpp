// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/autoreply/answered.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/record.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "service/forwarding/recent_names.hpp"

namespace keystonemail::autoreply {
namespace {

constexpr std::uint8_t count_version = 1;
constexpr std::size_t name_octets = 16;
constexpr std::uint64_t hours_counted = 24;        // and the one that has begun
constexpr std::size_t counts_pruned_at_once = 32;  // more than are added, so that what is old goes
constexpr std::string_view first_count = "c", end_of_counts = "d";

forwarding::RecentNames names_in(kv::Table table, std::uint64_t rows_max) {
  return forwarding::RecentNames({.table = table, .slot = std::chrono::hours(24), .kept = std::chrono::days(limits::days_max), .rows_max = rows_max});
}

std::string name_of(const Answered::Answer& answer) {
  const std::string person = person_key(answer.to).value_or(to_lower(answer.to));
  const auto digest = crypto::sha256(RecordWriter().number(static_cast<std::uint64_t>(answer.account)).text(person).text(answer.response).view());
  return {reinterpret_cast<const char*>(digest.data()), name_octets};
}

std::uint64_t hour_of(WallTime time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.time_since_epoch() / std::chrono::hours(1), 0));
}

std::string count_key(std::uint64_t hour, mailstore::AccountId account) {
  std::string key(first_count);
  append_big_endian(key, hour, 4);
  append_big_endian(key, static_cast<std::uint64_t>(account), 4);
  return key;
}

// What a row says; a damaged one says that there were none.
std::uint64_t count_in(std::string_view row) {
  RecordReader in(row);
  const bool is_known = in.octet() == count_version;
  const std::uint64_t count = in.number();
  return is_known && in.ok() ? count : 0;
}

Task<Result<std::uint64_t>> count_of(kv::Reader& reader, kv::Table table, mailstore::AccountId account, std::uint64_t hour) {
  const std::string key = count_key(hour, account);
  KM_CO_TRY(const auto row, co_await reader.get(table, key));
  co_return row ? count_in(*row) : 0;
}

Task<Result<void>> drop_old_counts(kv::Transaction& transaction, kv::Table table, std::uint64_t now) {
  std::vector<std::string> old;
  {
    const kv::Range range{.first = first_count, .end = end_of_counts, .rows_max = counts_pruned_at_once};
    KM_CO_TRY(const auto rows, co_await transaction.scan(table, range));
    for (const kv::Row& row : rows) {
      const std::uint64_t hour = row.key.size() < 5 ? 0 : read_big_endian(row.key.substr(1, 4));
      if (hour + hours_counted < now) old.emplace_back(row.key);
    }
  }
  for (const std::string& key : old) transaction.erase(table, key);
  co_return Result<void>();
}

}  // namespace

Task<Result<std::optional<Silence>>> Answered::look(kv::Reader& reader, const Answer& answer, WallTime now) const {
  const forwarding::RecentNames names = names_in(table_, rows_max_);
  const std::string name = name_of(answer);
  KM_CO_TRY(const bool known, co_await names.find(reader, name, answer.within, now));
  if (known) co_return std::optional(Silence::answered_lately);
  const std::uint64_t last = hour_of(now) + 1;  // the clock may have been set back a little
  std::uint64_t given = 0;
  for (std::uint64_t hour = last - std::min(last, hours_counted + 1); hour <= last; ++hour) {
    KM_CO_TRY(const std::uint64_t count, co_await count_of(reader, table_, answer.account, hour));
    given += count;
  }
  co_return given >= limits::answers_per_day_max ? std::optional(Silence::enough_answers) : std::nullopt;
}

Task<Result<std::optional<Silence>>> Answered::objection(Answer answer, Context context) const {
  const WallTime now = context.executor->wall_now();
  KM_CO_TRY(const auto snapshot, co_await store_.snapshot(std::move(context)));
  co_return co_await look(*snapshot, answer, now);
}

kv::Operation Answered::remember(Answer answer, WallTime now) const {
  return [this, answer = std::move(answer), now](kv::Transaction& transaction) { return write(transaction, answer, now); };
}

Task<Result<void>> Answered::write(kv::Transaction& transaction, const Answer& answer, WallTime now) const {
  KM_CO_TRY(const auto objection, co_await look(transaction, answer, now));
  if (objection) co_return fail(ErrorKind::conflict, {}, std::string(to_string(*objection)));
  const std::uint64_t hour = hour_of(now);
  KM_CO_TRY(const std::uint64_t before, co_await count_of(transaction, table_, answer.account, hour));
  const std::string value = RecordWriter().octet(count_version).number(before + 1).take();
  transaction.put(table_, count_key(hour, answer.account), value);
  KM_CO_CHECK(co_await drop_old_counts(transaction, table_, hour));
  const forwarding::RecentNames names = names_in(table_, rows_max_);
  const std::vector<std::string> name{name_of(answer)};
  co_return co_await names.put(transaction, name, now);
}

}  // namespace keystonemail::autoreply
