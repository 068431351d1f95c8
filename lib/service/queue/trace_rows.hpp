// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The rows of what became of queued messages: written in the commit of the step they tell of, and kept for a while after it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/base/task.hpp"
#include "keystonemail/kv/kv.hpp"
#include "service/queue/entry_row.hpp"

namespace keystonemail::service {

namespace limits {
inline constexpr auto trace_kept = std::chrono::days(30);
inline constexpr std::uint64_t trace_entries_max = 1'000'000;  // older ones go, however young they are
inline constexpr std::size_t trace_steps_per_commit_max = 100;
inline constexpr std::size_t trace_text_octets_max = 500;
inline constexpr std::size_t history_steps_max = 300;
}  // namespace limits

// `place` tells steps of one moment apart.
void put_step(kv::Transaction& t, const QueueTables& tables, queue::EntryId id, const queue::TraceStep& step, std::uint32_t place);
// All of a history as one row, by whose message id it is found.
void put_history(kv::Transaction& t, const QueueTables& tables, queue::EntryId id, const queue::History& history, WallTime now);
// The first step, by whose message id the entry is found.
void put_first_step(kv::Transaction& t, const QueueTables& tables, const queue::Entry& entry, std::string_view origin);

[[nodiscard]] Task<Result<std::vector<queue::TraceStep>>> read_steps(kv::Reader& reader, const QueueTables& tables, queue::EntryId id);
// `newest` is the last number that was given.
[[nodiscard]] Task<Result<std::vector<queue::EntryId>>> find_traced(kv::Reader& reader, const QueueTables& tables, std::string_view message_id,
                                                                    queue::EntryId newest);
// Drops some of what is too old: called now and then, it keeps the tables within their limits.
[[nodiscard]] Task<Result<void>> forget_old_steps(kv::Transaction& t, const QueueTables& tables, queue::EntryId newest, WallTime now);

}  // namespace keystonemail::service
