// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/libuv/timer_queue.hpp"

#include <cassert>
#include <utility>

namespace keystonemail::libuv {

Executor::TimerId TimerQueue::start(Instant when, Work work) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
    free_slots_.reserve(slots_.capacity());  // so that giving back never allocates
  }
  heap_.push_back({});
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  slots_[slot].work = std::move(work);
  sift(heap_.size() - 1, {when, ++last_order_, slot});
  return Executor::TimerId{std::uint64_t{slots_[slot].generation} << 32 | slot};
}

void TimerQueue::cancel(Executor::TimerId id) noexcept {
  const auto number = static_cast<std::uint64_t>(id);
  const std::size_t slot = number & UINT32_MAX;
  if (slot >= slots_.size() || slots_[slot].generation != number >> 32) return;
  const Work dropped = remove(slots_[slot].position);
}

std::optional<Instant> TimerQueue::next() const noexcept {
  if (heap_.empty()) return std::nullopt;
  return heap_.front().when;
}

std::optional<Work> TimerQueue::take_due(Instant now) {
  if (heap_.empty() || heap_.front().when > now) return std::nullopt;
  return remove(0);
}

Work TimerQueue::remove(std::size_t position) noexcept {
  assert(position < heap_.size());
  const std::uint32_t slot = heap_[position].slot;
  const Entry last = heap_.back();
  heap_.pop_back();
  if (position < heap_.size()) sift(position, last);
  Work work = std::move(slots_[slot].work);
  slots_[slot].work = nullptr;
  if (++slots_[slot].generation == 0) slots_[slot].generation = 1;  // id 0 means none
  free_slots_.push_back(slot);
  return work;
}

void TimerQueue::place(std::size_t position, const Entry& entry) noexcept {
  heap_[position] = entry;
  slots_[entry.slot].position = static_cast<std::uint32_t>(position);
}

// Puts `entry` where it belongs, starting from the hole at `position`.
void TimerQueue::sift(std::size_t position, const Entry& entry) noexcept {
  while (position > 0) {
    const std::size_t parent = (position - 1) / 2;
    if (!entry.before(heap_[parent])) break;
    place(position, heap_[parent]);
    position = parent;
  }
  for (;;) {
    std::size_t child = 2 * position + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1].before(heap_[child])) ++child;
    if (!heap_[child].before(entry)) break;
    place(position, heap_[child]);
    position = child;
  }
  place(position, entry);
}

}  // namespace keystonemail::libuv
