// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/queue/trace_rows.hpp"

#include <algorithm>
#include <iterator>

#include "base/record.hpp"
#include "base/try.hpp"
#include "keystonemail/crypto/digest.hpp"

namespace keystonemail::service {
namespace {

constexpr std::uint8_t step_version = 2;             // 1 had no security
constexpr std::uint8_t history_version = 3;        // several steps in one row
constexpr std::size_t step_key_octets = 20;        // entry, moment, place
constexpr std::size_t message_key_octets = 24;     // part, digest, entry
constexpr std::size_t old_message_key_octets = 16; // digest, entry
// Entries whose message ids stand together: few enough that the pages they are written to stay few, whatever their digests.
constexpr std::uint64_t entries_per_part = 1'024;
constexpr std::size_t steps_read_max = 10'000;
constexpr std::size_t entries_found_max = 100;
constexpr std::size_t steps_forgotten_max = 1'024;
constexpr std::string_view first_step = "accepted";
// Steps whose recipient is the message id.
constexpr std::string_view found_by[] = {first_step, "refused", "discarded", "forwarded", "reported"};

std::uint64_t milliseconds_of(WallTime time) noexcept {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.time_since_epoch() / std::chrono::milliseconds(1), 0));
}

std::string step_key(queue::EntryId id, WallTime when, std::uint32_t place) {
  std::string key = entry_key(id);
  append_big_endian(key, milliseconds_of(when), 8);
  append_big_endian(key, place, 4);
  return key;
}

std::string message_digest(std::string_view message_id) { return crypto::digest(crypto::Hash::sha256, message_id).substr(0, 8); }

std::string part_prefix(std::uint64_t part, std::string_view digest) {
  std::string key;
  append_big_endian(key, part, 8);
  return key.append(digest);
}

std::string message_key(std::string_view message_id, queue::EntryId id) {
  return part_prefix(static_cast<std::uint64_t>(id) / entries_per_part, message_digest(message_id)) + entry_key(id);
}

void encode_step(RecordWriter& writer, const queue::TraceStep& step) {
  writer.text(step.what).text(step.recipient).text(step.host);
  writer.text(std::string_view(step.text).substr(0, limits::trace_text_octets_max)).number(step.attempts);
  writer.text(std::string_view(step.security).substr(0, limits::trace_text_octets_max));
}

WallTime time_of(std::uint64_t milliseconds) noexcept { return WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(milliseconds))); }

void read_step(RecordReader& reader, queue::TraceStep& step, std::uint8_t version) {
  step.what = reader.text();
  step.recipient = reader.text();
  step.host = reader.text();
  step.text = reader.text();
  step.attempts = static_cast<std::uint32_t>(reader.number());
  if (version >= 2) step.security = reader.text();
}

// None: it cannot be read.
std::vector<queue::TraceStep> read_row(std::string_view key, std::string_view row) {
  std::vector<queue::TraceStep> steps;
  RecordReader reader(row);
  if (key.size() != step_key_octets) return steps;
  const std::uint8_t version = reader.octet();
  if (version != 0 && version <= step_version) {
    queue::TraceStep& step = steps.emplace_back();
    step.when = time_of(read_big_endian(key.substr(8, 8)));
    read_step(reader, step, version);
  } else if (version == history_version) {
    const std::uint64_t count = reader.number();
    for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
      queue::TraceStep& step = steps.emplace_back();
      step.when = time_of(reader.number());
      read_step(reader, step, version);
    }
  }
  if (!reader.ok() || !reader.at_end()) steps.clear();
  return steps;
}

}  // namespace

void put_step(kv::Transaction& t, const QueueTables& tables, queue::EntryId id, const queue::TraceStep& step, std::uint32_t place) {
  RecordWriter writer;
  writer.octet(step_version);
  encode_step(writer, step);
  t.put(tables.trace, step_key(id, step.when, place), writer.take());
}

void put_history(kv::Transaction& t, const QueueTables& tables, queue::EntryId id, const queue::History& history, WallTime now) {
  const std::size_t count = std::min(history.steps.size(), limits::history_steps_max);
  RecordWriter writer;
  writer.octet(history_version).number(count);
  for (std::size_t i = 0; i < count; ++i) {
    // The last one says how it ended, so it is never the one left out.
    const queue::TraceStep& step = i + 1 == count ? history.steps.back() : history.steps[i];
    writer.number(milliseconds_of(step.when));
    encode_step(writer, step);
  }
  t.put(tables.trace, step_key(id, now, 0), writer.take());
  if (!history.message_id.empty()) t.put(tables.trace_message, message_key(history.message_id, id), std::string_view("\1", 1));
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
    auto some = read_row(row.key, row.value);
    std::ranges::move(some, std::back_inserter(steps));
  }
  co_return steps;
}

// Each part is asked, the newest first: there are at most a thousand of them.
Task<Result<std::vector<queue::EntryId>>> find_traced(kv::Reader& reader, const QueueTables& tables, std::string_view message_id,
                                                      queue::EntryId newest) {
  std::vector<queue::EntryId> found;
  const std::string digest = message_digest(message_id);
  const std::uint64_t last = static_cast<std::uint64_t>(newest) / entries_per_part;
  const std::uint64_t parts = std::min(last, limits::trace_entries_max / entries_per_part + 1) + 1;
  for (std::uint64_t i = 0; i < parts && found.size() < entries_found_max; ++i) {
    const std::string first = part_prefix(last - i, digest), end = first + std::string(8, '\xff');
    const kv::Range range{.first = first, .end = end, .rows_max = entries_found_max};
    KM_CO_TRY(const auto rows, co_await reader.scan(tables.trace_message, range));
    for (const kv::Row& row : rows)
      if (row.key.size() == message_key_octets) found.push_back(queue::EntryId{read_big_endian(row.key.substr(16))});
  }
  const std::string first = digest + entry_key(queue::EntryId{0}), end = digest + entry_key(queue::EntryId{UINT64_MAX});
  const kv::Range older{.first = first, .end = end, .rows_max = entries_found_max};  // as rows were written once
  KM_CO_TRY(const auto rows, co_await reader.scan(tables.trace_message, older));
  for (const kv::Row& row : rows)
    if (row.key.size() == old_message_key_octets) found.push_back(queue::EntryId{read_big_endian(row.key.substr(8))});
  std::ranges::sort(found);
  co_return found;
}

// Entries come in the order of their age, so that the oldest steps stand first; those of an entry that lives for long go with it.
Task<Result<void>> forget_old_steps(kv::Transaction& t, const QueueTables& tables, queue::EntryId newest, WallTime now) {
  const auto is_old = [&](const kv::Row& row) {
    const std::uint64_t id = read_big_endian(row.key.substr(0, 8));
    const bool beyond = static_cast<std::uint64_t>(newest) - id >= limits::trace_entries_max;
    return beyond || row.key.size() != step_key_octets || time_of(read_big_endian(row.key.substr(8, 8))) + limits::trace_kept <= now;
  };
  const kv::Range one{.rows_max = 1};
  KM_CO_TRY(const auto oldest, co_await t.scan(tables.trace, one));
  if (oldest.empty() || !is_old(oldest.front())) co_return Result<void>();
  const kv::Range range{.rows_max = steps_forgotten_max};
  KM_CO_TRY(const auto rows, co_await t.scan(tables.trace, range));
  std::vector<std::string> steps, messages;
  for (const kv::Row& row : rows) {
    if (!is_old(row)) break;
    steps.emplace_back(row.key);
    const queue::EntryId id{read_big_endian(row.key.substr(0, 8))};
    for (const auto& step : read_row(row.key, row.value)) {
      if (std::ranges::find(found_by, step.what) == std::end(found_by) || step.recipient.empty()) continue;
      messages.push_back(message_key(step.recipient, id));
      messages.push_back(message_digest(step.recipient) + entry_key(id));
    }
  }
  for (const std::string& key : steps) t.erase(tables.trace, key);
  for (const std::string& key : messages) t.erase(tables.trace_message, key);
  co_return Result<void>();
}

}  // namespace keystonemail::service
