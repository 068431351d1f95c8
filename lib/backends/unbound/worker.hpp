// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Worker: the thread that alone talks to libunbound.
#pragma once

#include <unbound.h>

#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "backends/unbound/call.hpp"

namespace keystonemail::unbound {

struct DeleteContext {
  void operator()(ub_ctx* context) const noexcept { ub_ctx_delete(context); }
};
using ContextPointer = std::unique_ptr<ub_ctx, DeleteContext>;

// Threads: ask() and give_up() from any; libunbound is touched by the worker's own thread only.
class Worker {
 public:
  // REQUIRES: the context is configured, works in a thread, and `wake_fd` is an eventfd, which the worker closes.
  Worker(ContextPointer context, int wake_fd);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void ask(std::shared_ptr<Call> call);
  void give_up(std::shared_ptr<Call> call);

 private:
  struct Order {
    std::shared_ptr<Call> call;
    bool is_question = true;
  };

  void push(Order order);
  void wake() const;
  void run();
  [[nodiscard]] bool wait() const;  // whether there are answers
  void begin(std::shared_ptr<Call> call);
  void cancel(const std::shared_ptr<Call>& call);
  static void on_answer(void* call, int error, ub_result* result);

  const ContextPointer context_;
  const int wake_fd_;
  std::map<Call*, std::shared_ptr<Call>> under_way_;  // the worker's thread only
  std::mutex mutex_;
  std::vector<Order> orders_;  // guarded by mutex_, as is ending_
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace keystonemail::unbound
