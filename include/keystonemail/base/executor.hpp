// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Executor: the thread a task lives on, with its timers; Context: what every port call takes along.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "keystonemail/base/task.hpp"
#include "keystonemail/base/time.hpp"

namespace keystonemail {

using Work = std::move_only_function<void()>;

// Executor runs work on one thread, in the order it was posted, and owns that thread's timers.
//
// Threads: post() from any thread; all else from the executor's own.
class Executor : public Clock {
 public:
  enum class TimerId : std::uint64_t { none = 0 };

  // Runs `work` on the executor's thread, never inside this call.
  virtual void post(Work work) = 0;
  // Runs `work` once `when` has passed. The id is good until it has run or been cancelled.
  [[nodiscard]] virtual TimerId start_timer(Instant when, Work work) = 0;
  // After it returns the work will not run. An id that is over is ignored.
  virtual void cancel_timer(TimerId id) noexcept = 0;
  // Whether the calling thread is the executor's own.
  [[nodiscard]] virtual bool is_current() const noexcept = 0;
};

// Context says where a call resumes, when its caller stops caring, and how to call it off. Passed by value.
//
// A call whose token is asked to stop ends with ErrorKind::cancelled as soon as it can do so without losing
// data; one whose deadline passes ends with ErrorKind::timeout. A write that has reached its commit completes.
//
// It has a constructor on purpose: g++ 12 destroys an aggregate written in braces as an argument within a co_await
// expression twice.
struct Context {
  Context(Executor* on, std::stop_token token = {}, Instant end = Instant::max())  // NOLINT: {&executor} is a context
      : executor(on), stop(std::move(token)), deadline(end) {}

  Executor* executor;  // borrowed; outlives the call
  std::stop_token stop;
  Instant deadline;

  [[nodiscard]] Context until(Instant when) const { return {executor, stop, when}; }
  [[nodiscard]] Context with_stop(std::stop_token token) const { return {executor, std::move(token), deadline}; }
};

// Resumes the caller on `executor` after what is already posted there has run.
[[nodiscard]] Task<void> yield(Executor& executor);
// Resumes at `when`, or as soon as `context` is stopped.
[[nodiscard]] Task<void> sleep_until(Instant when, Context context);

// RunLoop is an executor without I/O that runs on the thread that calls run(): offline commands, tests.
//
// Threads: made and run on one thread. Blocks only in run() and run_until().
class RunLoop final : public Executor {
 public:
  RunLoop() : thread_(std::this_thread::get_id()) {}

  void post(Work work) override;
  [[nodiscard]] TimerId start_timer(Instant when, Work work) override;
  void cancel_timer(TimerId id) noexcept override;
  [[nodiscard]] bool is_current() const noexcept override { return std::this_thread::get_id() == thread_; }
  [[nodiscard]] Instant now() const noexcept override { return clock_.now(); }
  [[nodiscard]] WallTime wall_now() const noexcept override { return clock_.wall_now(); }

  // Runs until `task` is done and returns its value.
  template <class T>
  T run_until(Task<T> task) {
    while (!task.done()) run_some();
    return task.take();
  }
  // Runs what is due, waiting for the first of it.
  void run_some();

 private:
  SystemClock clock_;
  std::thread::id thread_;
  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<Work> queue_;                                          // guarded by mutex_
  std::map<std::pair<Instant, std::uint64_t>, Work> timers_;        // own thread only
  std::map<std::uint64_t, Instant> timer_times_;
  std::uint64_t last_timer_ = 0;
};

}  // namespace keystonemail
