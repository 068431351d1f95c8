// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The two kinds of time. Instant orders events and never goes back; WallTime is what a Date field says.
#pragma once

#include <chrono>

namespace keystonemail {

using Instant = std::chrono::steady_clock::time_point;                 // timeouts, intervals
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;     // dates; may be stepped by the administrator

// Source of both. Engines take times as arguments; services and stores borrow a Clock.
//
// Threads: any thread may call.
class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic: never less than a value it returned before.
  [[nodiscard]] virtual Instant now() const noexcept = 0;
  // UTC. May jump in either direction.
  [[nodiscard]] virtual WallTime wall_now() const noexcept = 0;
};

// The operating system's clocks.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const noexcept override;
  [[nodiscard]] WallTime wall_now() const noexcept override;
};

}  // namespace keystonemail
