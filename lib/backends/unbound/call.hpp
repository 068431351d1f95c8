// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Call: one question on its way between a task and the worker.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/dns/answer.hpp"

namespace keystonemail::unbound {

// Shared by the task that asks and the worker; whichever lets go last frees it.
//
// Threads: finish() and abandon() on the task's; deliver() and `async_id` on the worker's.
class Call : public std::enable_shared_from_this<Call> {
 public:
  using Outcome = Result<dns::Answer>;

  Call(dns::Question question, Executor& executor, Pending<Outcome>& pending)
      : question(std::move(question)), executor_(&executor), pending_(&pending) {}

  // Ends the task's wait, if nothing else has.
  void finish(Outcome outcome) {
    if (auto* pending = std::exchange(pending_, nullptr)) pending->complete(std::move(outcome));
  }
  // The task has gone on: from here its executor may not be there any more.
  void abandon() {
    const std::lock_guard lock(mutex_);
    executor_ = nullptr;
  }
  void deliver(Outcome outcome) {
    const std::lock_guard lock(mutex_);
    if (executor_ == nullptr) return;
    executor_->post([call = shared_from_this(), outcome = std::move(outcome)]() mutable { call->finish(std::move(outcome)); });
  }

  const dns::Question question;
  int async_id = 0;

 private:
  std::mutex mutex_;
  Executor* executor_;  // guarded by mutex_
  Pending<Outcome>* pending_;
};

}  // namespace keystonemail::unbound
