// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/base/executor.hpp"

#include <cassert>
#include <memory>

namespace keystonemail {

Task<void> yield(Executor& executor) {
  Pending<int> turn;
  executor.post([&turn] { turn.complete(0); });
  (void)co_await turn;
}

namespace {

// Shared by the timer, the stop callback and the sleeper: whichever comes first wakes it, once.
struct Sleep {
  Pending<int> over;
  Executor::TimerId timer = Executor::TimerId::none;
  void finish() {
    if (!over.completed()) over.complete(0);
  }
};

}  // namespace

Task<void> sleep_until(Instant when, Context context) {
  auto sleep = std::make_shared<Sleep>();
  Executor& executor = *context.executor;
  sleep->timer = executor.start_timer(when, [sleep] { sleep->finish(); });
  // The token may be asked from any thread, so the wake-up is posted.
  std::stop_callback on_stop(context.stop, [&executor, sleep] { executor.post([sleep] { sleep->finish(); }); });
  (void)co_await sleep->over;
  executor.cancel_timer(sleep->timer);
}

void RunLoop::post(Work work) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(work));
  posted_.notify_one();  // while it is locked: whoever waits for just this work may destroy the loop next
}

Executor::TimerId RunLoop::start_timer(Instant when, Work work) {
  assert(is_current());
  const std::uint64_t id = ++last_timer_;
  timers_.emplace(std::pair(when, id), std::move(work));
  timer_times_.emplace(id, when);
  return TimerId{id};
}

void RunLoop::cancel_timer(TimerId id) noexcept {
  const auto found = timer_times_.find(static_cast<std::uint64_t>(id));
  if (found == timer_times_.end()) return;
  timers_.erase({found->second, found->first});
  timer_times_.erase(found);
}

void RunLoop::run_some() {
  assert(is_current());
  std::deque<Work> batch;
  {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return !queue_.empty(); };
    if (timers_.empty()) {
      posted_.wait(lock, ready);
    } else {
      posted_.wait_until(lock, timers_.begin()->first.first, ready);
    }
    batch.swap(queue_);
  }
  for (Work& work : batch) work();
  for (const Instant current = now(); !timers_.empty() && timers_.begin()->first.first <= current;) {
    auto node = timers_.extract(timers_.begin());
    timer_times_.erase(node.key().second);
    node.mapped()();
  }
}

}  // namespace keystonemail
