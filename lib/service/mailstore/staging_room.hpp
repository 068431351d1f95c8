// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// StagingRoom bounds the memory of all large messages that are being taken apart: each takes the octets it needs and gives
// them back. Who finds no room waits for those before it.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "transport/waiter.hpp"

namespace keystonemail::service {

// Threads: any; take() resumes on its context's executor. It outlives its leases.
class StagingRoom {
 public:
  class Lease {
   public:
    Lease() = default;
    Lease(StagingRoom& room, std::size_t octets) noexcept : room_(&room), octets_(octets) {}
    Lease(Lease&& other) noexcept : room_(std::exchange(other.room_, nullptr)), octets_(other.octets_) {}
    Lease& operator=(Lease&& other) noexcept {
      std::swap(room_, other.room_);
      std::swap(octets_, other.octets_);
      return *this;
    }
    ~Lease() {
      if (room_ != nullptr) room_->give_back(octets_);
    }

   private:
    StagingRoom* room_ = nullptr;
    std::size_t octets_ = 0;
  };

  explicit StagingRoom(std::size_t octets_max) noexcept : octets_max_(octets_max) {}

  // More than there is at all is given to one alone. Errors: timeout, cancelled; who waited has left no trace then.
  [[nodiscard]] Task<Result<Lease>> take(std::size_t octets, Context context);
  [[nodiscard]] std::size_t taken() const;

 private:
  struct Waiter {
    Executor* executor;
    std::size_t octets;
    transport::Waiter turn;
  };
  [[nodiscard]] bool fits(std::size_t octets) const noexcept {
    return taken_ == 0 || (taken_ < octets_max_ && octets <= octets_max_ - taken_);
  }
  void give_back(std::size_t octets);
  // Whether it was waiting still.
  [[nodiscard]] bool leave(Waiter& waiter);
  // Takes what the first ones need, as long as there is room. REQUIRES: mutex_.
  [[nodiscard]] std::vector<Waiter*> admit();
  static void tell(const std::vector<Waiter*>& admitted);

  const std::size_t octets_max_;
  mutable std::mutex mutex_;  // guards all below
  std::size_t taken_ = 0;     // may be more than octets_max_ while one is in alone
  std::deque<Waiter*> waiting_;
};

}  // namespace keystonemail::service
