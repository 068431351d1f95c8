// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Pacer: so many in a minute, a few of them at once.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "keystonemail/base/time.hpp"

namespace keystonemail::relay {

// Ownership: a value. Threads: not synchronised.
class Pacer {
 public:
  Pacer() = default;
  // 0: as many as there are.
  explicit Pacer(std::uint32_t per_minute)
      : interval_(per_minute == 0 ? Instant::duration::zero() : Instant::duration(std::chrono::minutes(1)) / per_minute),
        lead_(interval_ * (std::max<std::uint32_t>(per_minute / bursts_a_minute, 1) - 1)) {}

  [[nodiscard]] bool is_limited() const noexcept { return interval_ > interval_.zero(); }
  // When the next may go; `now` when it may already.
  [[nodiscard]] Instant next(Instant now) const noexcept { return is_limited() ? std::max(now, full_ - lead_) : now; }
  void take(Instant now) noexcept { full_ = std::max(now, full_) + interval_; }
  // Whether it remembers nothing that counts.
  [[nodiscard]] bool is_idle(Instant now) const noexcept { return !is_limited() || full_ <= now; }

 private:
  static constexpr std::uint32_t bursts_a_minute = 6;
  Instant::duration interval_{};
  Instant::duration lead_{};
  Instant full_{};  // when all that went would have gone, one each interval
};

}  // namespace keystonemail::relay
