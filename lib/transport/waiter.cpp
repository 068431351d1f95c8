// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "transport/waiter.hpp"

#include <cassert>
#include <string>
#include <utility>

namespace keystonemail::transport {

std::unexpected<Error> wake_failure(Wake wake, std::string_view doing) {
  assert(wake != Wake::ready);
  return fail(wake == Wake::timeout ? ErrorKind::timeout : ErrorKind::cancelled, {}, std::string(doing));
}

Waiter::~Waiter() { assert(!waiting()); }

void Waiter::State::finish(std::uint64_t of, Wake why) {
  if (generation != of || !pending) return;
  std::exchange(pending, nullptr)->complete(why);
}

void Waiter::wake(Wake why) {
  if (const auto state = state_) state->finish(state->generation, why);
}

void Waiter::wake_later(Wake why) {
  if (!waiting()) return;
  state_->executor->post([state = state_, of = state_->generation, why] { state->finish(of, why); });
}

Task<Wake> Waiter::wait(Context context) {
  if (context.stop.stop_requested()) co_return Wake::cancelled;
  if (context.deadline != Instant::max() && context.executor->now() >= context.deadline) co_return Wake::timeout;
  if (!state_) state_ = std::make_shared<State>();
  assert(!state_->pending);
  Pending<Wake> pending;
  const auto state = state_;
  const std::uint64_t generation = ++state->generation;
  state->pending = &pending;
  state->executor = context.executor;

  auto timer = Executor::TimerId::none;
  if (context.deadline != Instant::max())
    timer = context.executor->start_timer(context.deadline, [raw = state.get()] {
      raw->finish(raw->generation, Wake::timeout);  // cancelled below before the generation can change
    });
  const auto stopped = [&state, generation, executor = context.executor] {
    executor->post([state, generation] { state->finish(generation, Wake::cancelled); });
  };
  Wake why{};
  if (context.stop.stop_possible()) {
    std::stop_callback on_stop(context.stop, stopped);
    why = co_await pending;
  } else {
    why = co_await pending;
  }
  if (timer != Executor::TimerId::none) context.executor->cancel_timer(timer);
  co_return why;
}

}  // namespace keystonemail::transport
