// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Times within rows: milliseconds since 1970, of which damage makes no nonsense.
#pragma once

#include <algorithm>
#include <cstdint>

#include "keystonemail/base/time.hpp"

namespace keystonemail::policies {

[[nodiscard]] inline std::uint64_t to_number(WallTime time) noexcept {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.time_since_epoch().count(), 0));
}
[[nodiscard]] inline WallTime to_time(std::uint64_t number) noexcept {
  constexpr std::uint64_t time_max = 253'402'300'799'000;  // the end of year 9999
  return WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(std::min(number, time_max))));
}
[[nodiscard]] inline std::uint32_t to_count(std::uint64_t number) noexcept {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(number, UINT32_MAX));
}

}  // namespace keystonemail::policies
