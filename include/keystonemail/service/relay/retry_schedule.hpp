// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// RetrySchedule: how long to wait after each failed attempt (RFC 5321 §4.5.4.1), and for how long at all.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "keystonemail/base/random.hpp"
#include "keystonemail/base/time.hpp"

namespace keystonemail::relay {

// Ownership: a value. Threads: pure functions. Errors: none; without steps it waits an hour each time.
struct RetrySchedule {
  // After the first, second ... failed attempt; the last one again and again.
  std::vector<std::chrono::seconds> steps = {
      std::chrono::minutes(5), std::chrono::minutes(10), std::chrono::minutes(20), std::chrono::minutes(40),
      std::chrono::hours(1),   std::chrono::hours(2),    std::chrono::hours(4),    std::chrono::hours(8)};
  std::uint32_t jitter_percent = 10;                  // to either side, so that what failed together does not return together
  std::chrono::hours bounce_lifetime{24};             // of a message from the null sender; others live as their entry says
  std::chrono::hours delay_notice_after{4};           // since it came in; the sender is told once

  // The wait after so many failed attempts. REQUIRES: attempts > 0.
  [[nodiscard]] std::chrono::milliseconds wait_after(std::uint32_t attempts, Random& random) const;
  // The same without jitter.
  [[nodiscard]] std::chrono::seconds step(std::uint32_t attempts) const noexcept;
};

}  // namespace keystonemail::relay
