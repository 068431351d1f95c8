// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SimExecutor: an executor in virtual time. Time passes only when nothing is left to run, and then jumps to the
// next timer; hours of timeouts take no time and every run with the same seed is the same run.
#pragma once

#include <algorithm>
#include <cassert>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/random.hpp"

namespace keystonemail::test {

// Threads: post() from any thread, so that a store with a writer thread can be simulated too (that run is then
// only as repeatable as the threads are); all else from the thread that made it.
class SimExecutor final : public Executor {
 public:
  // Without a seed, work runs in the order it was posted. With one, whatever is ready runs in an order drawn from
  // it, but for work posted by one and the same piece of work, which keeps its order.
  explicit SimExecutor(std::optional<std::uint64_t> seed = std::nullopt) {
    if (seed) random_.emplace(*seed);
  }

  void post(Work work) override {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back({running_, std::move(work)});
    }
    posted_.notify_one();
  }
  [[nodiscard]] TimerId start_timer(Instant when, Work work) override {
    assert(is_current());
    const std::uint64_t id = ++last_timer_;
    timers_.emplace(std::pair(when, id), std::move(work));
    times_.emplace(id, when);
    return TimerId{id};
  }
  void cancel_timer(TimerId id) noexcept override {
    const auto found = times_.find(static_cast<std::uint64_t>(id));
    if (found == times_.end()) return;
    timers_.erase({found->second, found->first});
    times_.erase(found);
  }
  [[nodiscard]] bool is_current() const noexcept override { return std::this_thread::get_id() == thread_; }
  [[nodiscard]] Instant now() const noexcept override { return now_; }
  [[nodiscard]] WallTime wall_now() const noexcept override {
    return wall_start_ + std::chrono::duration_cast<std::chrono::milliseconds>(now_ - start_);
  }

  // Runs what is posted, without letting time pass.
  void run_until_idle() {
    while (run_one()) {}
  }
  // Lets `span` pass, running every timer within it at its own time.
  void advance(Instant::duration span) {
    const Instant end = now_ + span;
    run_until_idle();
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      fire_next_timer();
      run_until_idle();
    }
    now_ = end;
  }
  // Runs, with time passing as needed, until `task` is done. When nothing is left that could finish it, waits a
  // little for work from other threads and then throws: the task is stuck.
  template <class T>
  T run(Task<T> task) {
    while (!task.done()) {
      if (run_one()) continue;
      if (!timers_.empty()) {
        fire_next_timer();
      } else if (!wait_for_post()) {
        std::move(task).detach();
        throw std::runtime_error("simulation stuck: nothing to run and no timer");
      }
    }
    return task.take();
  }

  [[nodiscard]] bool idle() {
    const std::lock_guard lock(mutex_);
    return queue_.empty() && timers_.empty();
  }
  [[nodiscard]] std::size_t timers() const noexcept { return timers_.size(); }
  void step_wall_clock(std::chrono::milliseconds by) noexcept { wall_start_ += by; }

 private:
  struct Posted {
    std::uint64_t by;  // the piece of work that posted it
    Work work;
  };

  bool run_one() {
    Work work;
    {
      const std::lock_guard lock(mutex_);
      if (queue_.empty()) return false;
      auto chosen = queue_.begin();
      if (random_) {
        chosen += static_cast<std::ptrdiff_t>(random_->below(queue_.size()));
        chosen = std::find_if(queue_.begin(), chosen, [&](const Posted& other) { return other.by == chosen->by; });
      }
      work = std::move(chosen->work);
      queue_.erase(chosen);
      running_ = ++started_;
    }
    work();
    return true;
  }
  void fire_next_timer() {
    auto node = timers_.extract(timers_.begin());
    times_.erase(node.key().second);
    if (node.key().first > now_) now_ = node.key().first;
    {
      const std::lock_guard lock(mutex_);
      running_ = ++started_;
    }
    node.mapped()();
  }
  bool wait_for_post() {
    std::unique_lock lock(mutex_);
    return posted_.wait_for(lock, std::chrono::seconds(10), [this] { return !queue_.empty(); });
  }

  const std::thread::id thread_ = std::this_thread::get_id();
  std::optional<SeededRandom> random_;
  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<Posted> queue_;       // guarded by mutex_
  std::uint64_t running_ = 0;      // guarded by mutex_
  std::uint64_t started_ = 0;
  std::map<std::pair<Instant, std::uint64_t>, Work> timers_;
  std::map<std::uint64_t, Instant> times_;
  std::uint64_t last_timer_ = 0;
  const Instant start_ = Instant{} + std::chrono::hours(1);
  Instant now_ = start_;
  WallTime wall_start_ = std::chrono::sys_days(std::chrono::year{2026} / 1 / 1);
};

}  // namespace keystonemail::test
