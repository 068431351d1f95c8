// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/queue/trace_rows.hpp"

#include <algorithm>

#include "base/record.hpp"
#include "base/try.hpp"
#include "keystonemail/crypto/digest.hpp"

namespace keystonemail::service {
namespace {

constexpr std::uint8_t step_version = 2;             // 1 had no security
constexpr std::size_t step_key_octets = 20;        // entry, moment, place
constexpr std::size_t message_key_octets = 16;     // digest, entry
constexpr std::size_t steps_read_max = 10'000;
constexpr std::size_t entries_found_max = 100;
constexpr std::size_t steps_forgotten_max = 1'024;
constexpr std::string_view first_step = "accepted";

std::uint64_t milliseconds_of(WallTime time) noexcept {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.time_since_epoch() / std::chrono::milliseconds(1), 0));
}

std::string step_key(queue::EntryId id, WallTime when, std::uint32_t place) {
  std::string key = entry_key(id);
  append_big_endian(key, milliseconds_of(when), 8);
  append_big_endian(key, place, 4);
  return key;
}

std::string message_key(std::string_view message_id, queue::EntryId id) {
  return crypto::digest(crypto::Hash::sha256, message_id).substr(0, 8) + entry_key(id);
}

std::optional<queue::TraceStep> read_step(std::string_view key, std::string_view row) {
  RecordReader reader(row);
  const std::uint8_t version = reader.octet();
  if (key.size() != step_key_octets || version == 0 || version > step_version) return std::nullopt;
  queue::TraceStep step;
  step.when = WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(read_big_endian(key.substr(8, 8)))));
  step.what = reader.text();
  step.recipient = reader.text();
  step.host = reader.text();
  step.text = reader.text();
  step.attempts = static_cast<std::uint32_t>(reader.number());
  if (version >= 2) step.security = reader.text();
  return reader.at_end() ? std::optional(std::move(step)) : std::nullopt;
}

}  // namespace

void put_step(kv::Transaction& t, const QueueTables& tables, queue::EntryId id, const queue::TraceStep& step, std::uint32_t place) {
  RecordWriter writer;
  writer.octet(step_version).text(step.what).text(step.recipient).text(step.host);
  writer.text(std::string_view(step.text).substr(0, limits::trace_text_octets_max)).number(step.attempts);
  writer.text(std::string_view(step.security).substr(0, limits::trace_text_octets_max));
  t.put(tables.trace, step_key(id, step.when, place), writer.take());
}

void put_first_step(kv::Transaction& t, const QueueTables& tables, const queue::Entry& entry, std::string_view origin) {
  std::string text = "from <" + entry.envelope.sender + "> for " + std::to_string(entry.recipients.size());
  if (!origin.empty()) text += ", by " + std::string(origin);
  if (!entry.session.empty()) text += ", session " + entry.session;
  if (!entry.login.empty()) text += ", login " + entry.login;
  const queue::TraceStep step{.when = entry.arrived, .what = std::string(first_step), .recipient = entry.message_id, .host = {}, .text = std::move(text)};
  put_step(t, tables, entry.id, step, 0);
  if (!entry.message_id.empty()) t.put(tables.trace_message, message_key(entry.message_id, entry.id), std::string_view("\1", 1));
}

Task<Result<std::vector<queue::TraceStep>>> read_steps(kv::Reader& reader, const QueueTables& tables, queue::EntryId id) {
  std::vector<queue::TraceStep> steps;
  const std::string first = entry_key(id), end = entry_key(queue::EntryId{static_cast<std::uint64_t>(id) + 1});
  const kv::Range range{.first = first, .end = end, .rows_max = steps_read_max};
  KM_CO_TRY(const auto rows, co_await reader.scan(tables.trace, range));
  for (const kv::Row& row : rows) {
    auto step = read_step(row.key, row.value);
    if (step) steps.push_back(*std::move(step));
  }
  co_return steps;
}

Task<Result<std::vector<queue::EntryId>>> find_traced(kv::Reader& reader, const QueueTables& tables, std::string_view message_id) {
  std::vector<queue::EntryId> found;
  const std::string first = message_key(message_id, queue::EntryId{0}), end = message_key(message_id, queue::EntryId{UINT64_MAX});
  const kv::Range range{.first = first, .end = end, .rows_max = entries_found_max};
  KM_CO_TRY(const auto rows, co_await reader.scan(tables.trace_message, range));
  for (const kv::Row& row : rows) {
    if (row.key.size() == message_key_octets) found.push_back(queue::EntryId{read_big_endian(row.key.substr(8))});
  }
  co_return found;
}

// Entries come in the order of their age, so that the oldest steps stand first; those of an entry that lives for long go with it.
Task<Result<void>> forget_old_steps(kv::Transaction& t, const QueueTables& tables, queue::EntryId newest, WallTime now) {
  const kv::Range range{.rows_max = steps_forgotten_max};
  KM_CO_TRY(const auto rows, co_await t.scan(tables.trace, range));
  std::vector<std::string> steps, messages;
  for (const kv::Row& row : rows) {
    const auto step = read_step(row.key, row.value);
    const queue::EntryId id{read_big_endian(row.key.substr(0, 8))};
    const bool beyond = static_cast<std::uint64_t>(newest) - static_cast<std::uint64_t>(id) >= limits::trace_entries_max;
    if (step && !beyond && step->when + limits::trace_kept > now) break;
    steps.emplace_back(row.key);
    if (step && step->what == first_step && !step->recipient.empty()) messages.push_back(message_key(step->recipient, id));
  }
  for (const std::string& key : steps) t.erase(tables.trace, key);
  for (const std::string& key : messages) t.erase(tables.trace_message, key);
  co_return Result<void>();
}

}  // namespace keystonemail::service
