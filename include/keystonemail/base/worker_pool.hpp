// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// WorkerPool: a few threads for work that would hold up a loop, such as hashing a password.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"

namespace keystonemail {

struct WorkerPoolOptions {
  std::size_t threads = 2;
  std::size_t queue_max = 64;  // waiting at most; more is refused, so that a flood costs nothing
};

// Threads: submit() from any. Ownership: the destructor finishes what was taken and joins its threads.
class WorkerPool {
 public:
  explicit WorkerPool(WorkerPoolOptions options);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Takes `work`, or refuses (false) when the queue is full.
  [[nodiscard]] bool submit(Work work);

 private:
  void run();

  const std::size_t queue_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> queue_;  // guarded by mutex_, as is ending_
  bool ending_ = false;
  std::vector<std::jthread> threads_;
};

// Runs `work` on the pool and resumes with its value on the caller's executor. Errors: unavailable when the queue is full.
template <class Function>
[[nodiscard]] Task<Result<std::invoke_result_t<Function&>>> run_on(WorkerPool& pool, Function work, Context context) {
  using Value = std::invoke_result_t<Function&>;
  Pending<Value> pending;
  const bool taken = pool.submit([&work, &pending, executor = context.executor] {
    executor->post([value = work(), &pending]() mutable { pending.complete(std::move(value)); });
  });
  if (!taken) co_return fail(ErrorKind::unavailable, "too much to do, try again later");
  co_return co_await pending;
}

}  // namespace keystonemail
