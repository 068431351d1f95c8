// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Core: what a UvLoop and its streams and listeners share.
#pragma once

#include <uv.h>

#include <atomic>
#include <list>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "backends/libuv/buffer_pool.hpp"
#include "backends/libuv/timer_queue.hpp"
#include "keystonemail/backends/libuv/uv_loop.hpp"

namespace keystonemail::libuv {

class UvStream;
class UvListener;

// Threads: as UvLoop.
class UvLoop::Core {
 public:
  Core(UvLoop& owner, std::size_t connections_max);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  void post(Work work);
  void arm_timer();
  void drain(std::chrono::milliseconds grace);
  void cut_off();
  void watch_signal(int signal, std::function<void()> action);

  // Whether one more connection may be accepted.
  [[nodiscard]] bool has_room() const noexcept { return sessions.load(std::memory_order_relaxed) < sessions_max; }
  void session_began() noexcept { sessions.fetch_add(1, std::memory_order_relaxed); }
  void session_ended();
  void set_sessions_max(std::size_t most);

  UvLoop& owner;
  uv_loop_t loop;
  std::atomic<std::thread::id> thread{std::this_thread::get_id()};
  SystemClock clock;
  TimerQueue timers;
  BufferPool buffers;
  std::stop_source stop_source;
  std::list<UvStream*> streams;
  std::list<UvListener*> listeners;
  std::size_t sessions_max;
  std::atomic<std::size_t> sessions = 0;
  bool is_draining = false;
  std::optional<IpAddress> source4, source6;  // of outgoing connections

 private:
  struct SignalWatch {
    uv_signal_t handle;
    std::function<void()> action;
  };

  void run_posted();
  void run_timers();
  void end_drain_if_over();

  uv_async_t posted_async_;
  uv_idle_t posted_idle_;   // keeps the loop turning when work was posted from its own thread: no system call
  uv_timer_t timer_;
  Instant armed_for_ = Instant::max();
  std::mutex mutex_;
  std::vector<Work> posted_;  // guarded by mutex_
  std::vector<Work> batch_;
  TimerId grace_timer_ = TimerId::none;
  Instant grace_end_ = Instant::max();
  std::vector<std::unique_ptr<SignalWatch>> signals_;
};

// An Error for a libuv or system error number (negative, as libuv gives it).
[[nodiscard]] std::unexpected<Error> uv_failure(int status, std::string_view doing);

}  // namespace keystonemail::libuv
