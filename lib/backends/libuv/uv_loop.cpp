// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/libuv/uv_loop.hpp"

#include <signal.h>

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <utility>

#include "backends/libuv/core.hpp"
#include "backends/libuv/uv_listener.hpp"
#include "backends/libuv/uv_stream.hpp"

namespace keystonemail::libuv {

namespace {

// libuv fails to set up a loop only when the process is out of descriptors or memory, before it serves anybody.
void require(int status, const char* what) {
  if (status == 0) return;
  throw std::runtime_error(std::string(what) + ": " + uv_strerror(status));
}

// Writing to a connection that the peer has reset raises SIGPIPE, whose default ends the process; libuv cannot ask for
// the error alone. Blocked on the loop's thread, and on no other.
void block_broken_pipe_signal() {
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  (void)pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
}

}  // namespace

std::unexpected<Error> uv_failure(int status, std::string_view doing) {
  std::string detail(doing);
  detail.append(": ").append(uv_strerror(status));
  switch (status) {
    case UV_ETIMEDOUT: return fail(ErrorKind::timeout, {}, std::move(detail));
    case UV_ECANCELED: return fail(ErrorKind::cancelled, {}, std::move(detail));
    case UV_EADDRINUSE: return fail(ErrorKind::conflict, "address in use", std::move(detail));
    case UV_EACCES:
    case UV_EPERM: return fail(ErrorKind::denied, "permission denied", std::move(detail));
    case UV_ENOENT: return fail(ErrorKind::not_found, {}, std::move(detail));
    default: return fail(ErrorKind::unavailable, {}, std::move(detail));
  }
}

UvLoop::Core::Core(UvLoop& owning, std::size_t connections_max) : owner(owning), sessions_max(connections_max) {
  require(uv_loop_init(&loop), "event loop");
  require(uv_async_init(&loop, &posted_async_, [](uv_async_t* h) { static_cast<Core*>(h->data)->run_posted(); }),
          "event loop");
  uv_idle_init(&loop, &posted_idle_);
  uv_timer_init(&loop, &timer_);
  loop.data = posted_async_.data = posted_idle_.data = timer_.data = this;
}

UvLoop::Core::~Core() {
  assert(streams.empty() && listeners.empty() && sessions == 0);
  uv_close(reinterpret_cast<uv_handle_t*>(&posted_async_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&posted_idle_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
  for (const auto& watch : signals_) uv_close(reinterpret_cast<uv_handle_t*>(&watch->handle), nullptr);
  while (uv_run(&loop, UV_RUN_DEFAULT) != 0) {}
  const int status = uv_loop_close(&loop);
  assert(status == 0);
  (void)status;
}

void UvLoop::Core::post(Work work) {
  // Locked until the loop has been woken: whoever waits for just this work may destroy the loop next.
  const std::lock_guard lock(mutex_);
  posted_.push_back(std::move(work));
  if (posted_.size() > 1) return;  // whoever posted the first has seen to it that the batch is run
  if (thread.load(std::memory_order_relaxed) == std::this_thread::get_id()) {
    uv_idle_start(&posted_idle_, [](uv_idle_t* h) { static_cast<Core*>(h->data)->run_posted(); });
  } else {
    uv_async_send(&posted_async_);
  }
}

void UvLoop::Core::run_posted() {
  uv_idle_stop(&posted_idle_);
  {
    const std::lock_guard lock(mutex_);
    batch_.swap(posted_);
  }
  for (Work& work : batch_) work();
  batch_.clear();
}

void UvLoop::Core::arm_timer() {
  const auto next = timers.next();
  if (!next || *next >= armed_for_) return;  // a timer that was cancelled is a wake-up too many, no more
  armed_for_ = *next;
  uv_update_time(&loop);
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(*next - clock.now()).count();
  uv_timer_start(&timer_, [](uv_timer_t* h) { static_cast<Core*>(h->data)->run_timers(); },
                 static_cast<std::uint64_t>(std::max<std::int64_t>(wait, 0)), 0);
}

void UvLoop::Core::run_timers() {
  armed_for_ = Instant::max();
  const Instant now = clock.now();
  while (auto work = timers.take_due(now)) (*work)();
  arm_timer();
}

void UvLoop::Core::set_sessions_max(std::size_t most) {
  sessions_max = most;
  for (UvListener* listener : listeners) listener->resume();
}

void UvLoop::Core::session_ended() {
  sessions.fetch_sub(1, std::memory_order_relaxed);
  for (UvListener* listener : listeners) listener->resume();
  end_drain_if_over();
}

void UvLoop::Core::drain(std::chrono::milliseconds grace) {
  const Instant end = clock.now() + grace;
  if (!is_draining) {
    is_draining = true;
    for (UvListener* listener : listeners) listener->stop();
    stop_source.request_stop();
  }
  if (end < grace_end_) {
    grace_end_ = end;
    timers.cancel(grace_timer_);
    grace_timer_ = timers.start(end, [this] { cut_off(); });
    arm_timer();
  }
  end_drain_if_over();
}

void UvLoop::Core::cut_off() {
  // Waking a session may end others, so the list is not walked while it changes.
  std::vector<UvStream*> doomed(streams.begin(), streams.end());
  for (UvStream* stream : doomed)
    if (std::ranges::find(streams, stream) != streams.end()) stream->cut_off();
}

void UvLoop::Core::end_drain_if_over() {
  if (!is_draining || sessions != 0) return;
  timers.cancel(grace_timer_);
  uv_stop(&loop);
}

void UvLoop::Core::watch_signal(int signal, std::function<void()> action) {
  auto watch = std::make_unique<SignalWatch>();
  watch->action = std::move(action);
  watch->handle.data = watch.get();
  require(uv_signal_init(&loop, &watch->handle), "signal");
  require(uv_signal_start(&watch->handle, [](uv_signal_t* h, int) { static_cast<SignalWatch*>(h->data)->action(); },
                          signal), "signal");
  uv_unref(reinterpret_cast<uv_handle_t*>(&watch->handle));
  signals_.push_back(std::move(watch));
}

UvLoop::UvLoop(std::size_t connections_max) : core_(std::make_unique<Core>(*this, connections_max)) {
  block_broken_pipe_signal();
}
UvLoop::~UvLoop() { core_->thread = std::this_thread::get_id(); }

void UvLoop::post(Work work) { core_->post(std::move(work)); }

Executor::TimerId UvLoop::start_timer(Instant when, Work work) {
  assert(is_current());
  const TimerId id = core_->timers.start(when, std::move(work));
  core_->arm_timer();
  return id;
}

void UvLoop::cancel_timer(TimerId id) noexcept { core_->timers.cancel(id); }
bool UvLoop::is_current() const noexcept {
  return core_->thread.load(std::memory_order_relaxed) == std::this_thread::get_id();
}
Instant UvLoop::now() const noexcept { return core_->clock.now(); }
WallTime UvLoop::wall_now() const noexcept { return core_->clock.wall_now(); }

void UvLoop::run() {
  core_->thread = std::this_thread::get_id();
  block_broken_pipe_signal();
  uv_run(&core_->loop, UV_RUN_DEFAULT);
}
void UvLoop::run_some() {
  core_->thread = std::this_thread::get_id();
  uv_run(&core_->loop, UV_RUN_ONCE);
}
void UvLoop::stop() {
  core_->post([this] { uv_stop(&core_->loop); });
}
void UvLoop::set_source_addresses(std::optional<IpAddress> v4, std::optional<IpAddress> v6) {
  core_->source4 = v4;
  core_->source6 = v6;
}

void UvLoop::set_connections_max(std::size_t connections_max) {
  post([this, connections_max] { core_->set_sessions_max(connections_max); });
}

void UvLoop::drain(std::chrono::milliseconds grace) {
  core_->post([this, grace] { core_->drain(grace); });
}
void UvLoop::on_signal(int signal, std::function<void()> action) { core_->watch_signal(signal, std::move(action)); }
std::size_t UvLoop::connections() const noexcept { return core_->sessions.load(std::memory_order_relaxed); }
std::stop_token UvLoop::stop_token() const noexcept { return core_->stop_source.get_token(); }

}  // namespace keystonemail::libuv
