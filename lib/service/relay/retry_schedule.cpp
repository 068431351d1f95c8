// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/relay/retry_schedule.hpp"

#include <algorithm>
#include <cassert>

namespace keystonemail::relay {

std::chrono::seconds RetrySchedule::step(std::uint32_t attempts) const noexcept {
  assert(attempts > 0);
  if (steps.empty()) return std::chrono::hours(1);
  return steps[std::min<std::size_t>(attempts, steps.size()) - 1];
}

std::chrono::milliseconds RetrySchedule::wait_after(std::uint32_t attempts, Random& random) const {
  const std::chrono::milliseconds usual = step(attempts);
  const std::chrono::milliseconds spread = usual * std::min(jitter_percent, 100U) / 100;
  if (spread.count() == 0) return usual;
  return usual - spread + std::chrono::milliseconds(random.below(static_cast<std::uint64_t>(spread.count()) * 2 + 1));
}

}  // namespace keystonemail::relay
