// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Waiter: where a stream's coroutine waits for its event, a deadline or a stop request, whichever is first.
#pragma once

#include <cstdint>
#include <memory>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"

namespace keystonemail::transport {

enum class Wake : std::uint8_t { ready, timeout, cancelled };

// The error for a wait that did not end in `ready`.
[[nodiscard]] std::unexpected<Error> wake_failure(Wake wake, std::string_view doing);

// Threads: the executor's own; the stop token of the context may be asked from any. One waits at a time.
// REQUIRES: nobody waits when it is destroyed.
class Waiter {
 public:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter();

  [[nodiscard]] Task<Wake> wait(Context context);
  [[nodiscard]] bool waiting() const noexcept { return state_ && state_->pending; }
  // Resumes who waits, inside this call. Touch nothing that it may have destroyed afterwards.
  void wake(Wake why = Wake::ready);
  // Resumes who waits once what is posted already has run.
  void wake_later(Wake why = Wake::ready);

 private:
  // Shared with posted work that may run after this wait, or this object, is over.
  struct State {
    Pending<Wake>* pending = nullptr;
    Executor* executor = nullptr;
    std::uint64_t generation = 0;
    void finish(std::uint64_t of, Wake why);
  };
  std::shared_ptr<State> state_;
};

}  // namespace keystonemail::transport
