// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// KvDelivery: the message into all its mailboxes and the queue in one operation of the kv store.
//
// Ownership: borrows the mail store and the queue, which share one kv store. Threads: any. Errors: those of the port.
#pragma once

#include "keystonemail/delivery/delivery.hpp"
#include "keystonemail/service/mailstore/kv_mail_store.hpp"
#include "keystonemail/service/queue/kv_queue.hpp"

namespace keystonemail::service {

class KvDelivery final : public delivery::Delivery {
 public:
  KvDelivery(KvMailStore& mail, KvQueue& queue) : mail_(mail), queue_(queue) {}

  Result<std::unique_ptr<mailstore::MessageWriter>> create_message() override;
  Task<Result<delivery::Accepted>> deliver(delivery::Submission submission, Context context) override;
  Task<Result<bool>> has_room(mailstore::AccountId account, std::uint64_t octets, Context context) override;

 private:
  KvMailStore& mail_;
  KvQueue& queue_;
};

}  // namespace keystonemail::service
