// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Pause: what long work awaits between its slices.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <vector>

#include "base/try.hpp"
#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"

namespace keystonemail::service::imap {

// Gives way to other sessions. Errors: cancelled, when nobody waits for the work any more.
using Pause = std::function<Task<Result<void>>()>;

// One that looks at the context alone.
[[nodiscard]] inline Pause pause_of(const Context& context) {
  return [context]() -> Task<Result<void>> {
    if (context.stop.stop_requested()) co_return fail(ErrorKind::cancelled);
    co_await yield(*context.executor);
    co_return Result<void>();
  };
}

// Sorts short runs, then merges them, with a pause between the steps. Errors: those of `pause`.
template <class Before>
[[nodiscard]] Task<Result<void>> sort_gently(std::vector<std::uint32_t>& order, const Before& before, const Pause& pause) {
  constexpr std::size_t sorted_at_once = 8'192;  // a few milliseconds
  const std::size_t count = order.size();
  const auto at = [&order, count](std::size_t i) { return order.begin() + static_cast<std::ptrdiff_t>(std::min(i, count)); };
  for (std::size_t begin = 0; begin < count; begin += sorted_at_once) {
    std::sort(at(begin), at(begin + sorted_at_once), before);
    KM_CO_CHECK(co_await pause());
  }
  std::vector<std::uint32_t> merged;
  for (std::size_t run = sorted_at_once; run < count; run *= 2) {
    merged.clear();
    merged.reserve(count);
    for (std::size_t begin = 0; begin < count; begin += 2 * run) {
      std::merge(at(begin), at(begin + run), at(begin + run), at(begin + 2 * run), std::back_inserter(merged), before);
      KM_CO_CHECK(co_await pause());
    }
    order.swap(merged);
  }
  co_return Result<void>();
}

}  // namespace keystonemail::service::imap
