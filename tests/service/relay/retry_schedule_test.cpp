// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/relay/retry_schedule.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace keystonemail;
using namespace std::chrono_literals;

TEST_CASE("relay retry schedule: each wait is that of its step within the jitter, and the last step repeats") {
  const relay::RetrySchedule schedule;
  SeededRandom random(7);
  const std::chrono::seconds steps[] = {5min, 10min, 20min, 40min, 1h, 2h, 4h, 8h, 8h, 8h};
  std::set<std::chrono::milliseconds> seen;
  for (std::uint32_t attempts = 1; attempts <= 10; ++attempts) {
    CHECK(schedule.step(attempts) == steps[attempts - 1]);
    for (int i = 0; i < 100; ++i) {
      const auto wait = schedule.wait_after(attempts, random);
      CHECK(wait >= steps[attempts - 1] * 9 / 10);
      CHECK(wait <= steps[attempts - 1] * 11 / 10);
      seen.insert(wait);
    }
  }
  CHECK(seen.size() > 900);  // they do not come back together
}

TEST_CASE("relay retry schedule: without jitter the step itself, without steps an hour") {
  relay::RetrySchedule schedule;
  SeededRandom random(7);
  schedule.jitter_percent = 0;
  CHECK(schedule.wait_after(2, random) == 10min);
  schedule.steps.clear();
  CHECK(schedule.wait_after(1, random) == 1h);
}
