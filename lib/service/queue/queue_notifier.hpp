// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Tells those who work on the queue that something in it is due: on their executor, several entries as one.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "keystonemail/service/queue/kv_queue.hpp"

namespace keystonemail::service {

// Threads: any. A subscription is destroyed on its executor's thread, so its callback never runs afterwards.
struct KvQueue::Notifier {
  struct Subscriber;

  [[nodiscard]] std::unique_ptr<mailstore::Subscription> subscribe(std::shared_ptr<Notifier> self, Executor& executor,
                                                                   std::function<void(WallTime)> changed);
  void notify(WallTime when);
  void remove(const Subscriber* subscriber);

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<Subscriber>> subscribers_;  // guarded by mutex_
};

}  // namespace keystonemail::service
