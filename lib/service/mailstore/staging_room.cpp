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
  const transport::Wake woken = co_await waiter.turn.wait(context);
  if (woken != transport::Wake::ready && leave(waiter)) co_return transport::wake_failure(woken, "room to stage a message");
  // It was let in at that very moment, and is told of it on this executor.
  const Context until_told{context.executor};
  if (woken != transport::Wake::ready) (void)co_await waiter.turn.wait(until_told);
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
    next = admit();
  }
  tell(next);
}

bool StagingRoom::leave(Waiter& waiter) {
  std::vector<Waiter*> next;
  {
    const std::scoped_lock lock(mutex_);
    if (std::erase(waiting_, &waiter) == 0) return false;
    next = admit();  // those behind it may need less
  }
  tell(next);
  return true;
}

std::vector<StagingRoom::Waiter*> StagingRoom::admit() {
  std::vector<Waiter*> admitted;
  while (!waiting_.empty() && fits(waiting_.front()->octets)) {
    admitted.push_back(waiting_.front());
    waiting_.pop_front();
    taken_ += admitted.back()->octets;
  }
  return admitted;
}

void StagingRoom::tell(const std::vector<Waiter*>& admitted) {
  for (Waiter* waiter : admitted) waiter->executor->post([waiter] { waiter->turn.wake(); });
}

}  // namespace keystonemail::service
