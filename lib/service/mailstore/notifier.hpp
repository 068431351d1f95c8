// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Tells subscribers that an account has changed: on their executor, several changes as one.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/mailstore/mailstore.hpp"

namespace keystonemail::service {

// Threads: any. A subscription is destroyed on its executor's thread, so its callback never runs afterwards.
class Notifier {
 public:
  Notifier();
  [[nodiscard]] std::unique_ptr<mailstore::Subscription> subscribe(mailstore::AccountId account, Executor& executor,
                                                                   std::function<void(mailstore::ModSeq)> changed);
  void notify(mailstore::AccountId account, mailstore::ModSeq modseq);

  struct Subscriber;
  struct Registry;

 private:
  std::shared_ptr<Registry> registry_;
};

}  // namespace keystonemail::service
