// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// KvDelivery: the message into all its mailboxes and the queue in one operation of the kv store.
//
// Ownership: borrows the mail store and the queue, which share one kv store. Threads: any. Errors: those of the port.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>

#include "keystonemail/delivery/delivery.hpp"
#include "keystonemail/service/mailstore/kv_mail_store.hpp"
#include "keystonemail/service/queue/kv_queue.hpp"

namespace keystonemail::service {

namespace limits {
// Of messages that were refused, so many traces are kept at once, and one each interval: 30 days of them stay below the ceiling of
// all traces, however much is refused.
inline constexpr std::uint64_t notes_at_once_max = 200;
inline constexpr auto note_interval = std::chrono::seconds(6);
}  // namespace limits

class KvDelivery final : public delivery::Delivery {
 public:
  KvDelivery(KvMailStore& mail, KvQueue& queue) : mail_(mail), queue_(queue) {}

  Result<std::unique_ptr<mailstore::MessageWriter>> create_message() override;
  Task<Result<delivery::Accepted>> deliver(delivery::Submission submission, Context context) override;
  Task<Result<bool>> has_room(mailstore::AccountId account, std::uint64_t octets, Context context) override;
  Task<Result<void>> note(queue::History history, Context context) override;

 private:
  KvMailStore& mail_;
  KvQueue& queue_;
  std::mutex mutex_;
  std::uint64_t noted_ = 0;     // lately; guarded by mutex_, as is the other
  Instant noted_since_{};
};

}  // namespace keystonemail::service
