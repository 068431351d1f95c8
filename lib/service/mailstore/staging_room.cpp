// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/staging_room.hpp"

#include <cassert>
#include <vector>

namespace keystonemail::service {

Task<Result<StagingRoom::Lease>> StagingRoom::take(std::size_t octets, Context context) {
  Waiter waiter{context.executor, octets, {}};
  {
    const std::scoped_lock lock(mutex_);
    if (waiting_.empty() && fits(octets)) {
      taken_ += octets;
      co_return Lease(*this, octets);
    }
    waiting_.push_back(&waiter);
  }
  (void)co_await waiter.turn;
  Lease lease(*this, octets);  // taken for it by who let it in
  if (context.stop.stop_requested()) co_return fail(ErrorKind::cancelled);
  co_return lease;
}

std::size_t StagingRoom::taken() const {
  const std::scoped_lock lock(mutex_);
  return taken_;
}

void StagingRoom::give_back(std::size_t octets) {
  std::vector<Waiter*> next;
  {
    const std::scoped_lock lock(mutex_);
    assert(octets <= taken_);
    taken_ -= octets;
    while (!waiting_.empty() && fits(waiting_.front()->octets)) {
      next.push_back(waiting_.front());
      waiting_.pop_front();
      taken_ += next.back()->octets;
    }
  }
  for (Waiter* waiter : next) waiter->executor->post([waiter] { waiter->turn.complete(0); });
}

}  // namespace keystonemail::service
