// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// TimerQueue: timers in the order of their times. Most are cancelled before they are due, so starting and
// cancelling neither allocates nor searches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "keystonemail/base/executor.hpp"

namespace keystonemail::libuv {

// Equal times run in the order they were started. Threads: not synchronised.
class TimerQueue {
 public:
  [[nodiscard]] Executor::TimerId start(Instant when, Work work);
  void cancel(Executor::TimerId id) noexcept;
  [[nodiscard]] std::optional<Instant> next() const noexcept;
  // Takes the first timer if it is due at `now`.
  [[nodiscard]] std::optional<Work> take_due(Instant now);
  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }

 private:
  struct Entry {
    Instant when;
    std::uint64_t order;
    std::uint32_t slot;
    [[nodiscard]] bool before(const Entry& other) const noexcept {
      return when != other.when ? when < other.when : order < other.order;
    }
  };
  struct Slot {
    Work work;
    std::uint32_t position = 0;    // in heap_
    std::uint32_t generation = 1;  // tells an old id of a reused slot
  };

  void place(std::size_t position, const Entry& entry) noexcept;
  void sift(std::size_t position, const Entry& entry) noexcept;
  [[nodiscard]] Work remove(std::size_t position) noexcept;

  std::vector<Entry> heap_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::uint64_t last_order_ = 0;
};

}  // namespace keystonemail::libuv
