// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The rows of the queue. Text of strangers is length-prefixed, so nothing in it can end a field (attack A10).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/kv/kv.hpp"
#include "keystonemail/queue/queue.hpp"
#include "service/mailstore/staged_message.hpp"

namespace keystonemail::service {

inline constexpr std::array<std::string_view, 6> queue_table_names{"queue.counter", "queue.entry", "queue.content",
                                                                   "queue.due", "queue.trace", "queue.trace_message"};

struct QueueTables {
  kv::Table counter, entry, content, due, trace, trace_message;

  [[nodiscard]] static constexpr QueueTables from(kv::Table first) noexcept {
    const auto at = [first](unsigned n) { return static_cast<kv::Table>(static_cast<unsigned>(first) + n); };
    return {at(0), at(1), at(2), at(3), at(4), at(5)};
  }
};

// All of an entry but its id, which is its key.
[[nodiscard]] std::string encode_entry(const queue::Entry& entry);
[[nodiscard]] std::optional<queue::Entry> read_entry(queue::EntryId id, std::string_view row);

// queue.entry and queue.content: id. queue.due: milliseconds since 1970, id.
[[nodiscard]] std::string entry_key(queue::EntryId id);
[[nodiscard]] std::string due_key(WallTime when, queue::EntryId id);
[[nodiscard]] std::optional<queue::Due> read_due_key(std::string_view key) noexcept;
// When its next attempt is due: the soonest of its pending recipients; nothing when held or all is done.
[[nodiscard]] std::optional<WallTime> next_attempt(const queue::Entry& entry) noexcept;

// A new entry, ready to be written.
struct QueuePlan {
  queue::Entry entry;
  std::string content;
  std::string origin;
  std::string hold_reason;
  queue::History history;  // instead of the first step, when there are steps
  std::vector<std::shared_ptr<blob::Staged>> blobs;
  queue::EntryId id{};  // set by the operation
};

}  // namespace keystonemail::service
