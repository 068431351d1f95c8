// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Several servers and a hostile network: the short form; `simulate --exchange` runs any number of seeds.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "sim/exchange.hpp"
#include "support/sanitized.hpp"

using namespace keystonemail::sim;

namespace {

constexpr bool few = keystonemail::test::sanitized;  // a seed takes some fifty times as long there

// Whether one of the first seeds notices the bug, in these words.
bool is_noticed_between(Bug bug, std::uint64_t seeds, std::string_view words = "") {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const auto violations = simulate_exchange({.seed = seed, .bug = bug}).violations;
    if (std::ranges::any_of(violations, [&](const std::string& one) { return one.find(words) != std::string::npos; })) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("sim exchange: whatever fails between servers and in them, what was accepted was delivered, or its sender was told") {
  const std::uint64_t seeds = few ? 3 : 60;
  ExchangeReport sum;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    const ExchangeReport report = simulate_exchange({.seed = seed});
    CHECK((report.violations.empty() ? "" : report.violations[0]) == "");
    sum.accepted += report.accepted;
    sum.refused += report.refused;
    sum.delivered += report.delivered;
    sum.bounced += report.bounced;
    sum.doubled += report.doubled;
    sum.encrypted += report.encrypted;
    sum.sealed += report.sealed;
    sum.restarts += report.restarts;
    sum.demanded += report.demanded;
    sum.withheld += report.withheld;
    sum.tested += report.tested;
    sum.changes += report.changes;
  }
  if (few) return;
  // The weather must be neither too good nor too bad to show anything.
  CHECK(sum.accepted > 3 * seeds);
  CHECK(sum.refused > seeds / 2);
  CHECK(sum.delivered > 3 * seeds);
  CHECK(sum.bounced > seeds);
  CHECK(sum.restarts > seeds / 2);
  CHECK(sum.doubled > 0);
  CHECK(sum.encrypted > seeds);
  CHECK(sum.sealed > seeds);
  CHECK(sum.changes > seeds);
  CHECK(sum.demanded > seeds);
  CHECK(sum.withheld > seeds);
  CHECK(sum.tested > 0);
}

TEST_CASE("sim exchange: in fair weather nothing comes twice") {
  for (std::uint64_t seed = 1; seed <= (few ? 2U : 10U); ++seed) {
    CAPTURE(seed);
    const ExchangeReport report = simulate_exchange({.seed = seed, .faults = false});
    CHECK((report.violations.empty() ? "" : report.violations[0]) == "");
    CHECK(report.doubled == 0);
    CHECK(report.faults == 0);
  }
}

TEST_CASE("sim exchange: a seed run again is the same run") {
  for (std::uint64_t seed = 1; seed <= (few ? 1U : 5U); ++seed) {
    CAPTURE(seed);
    CHECK(simulate_exchange({.seed = seed}).trace_hash == simulate_exchange({.seed = seed}).trace_hash);
  }
  CHECK(simulate_exchange({.seed = 1}).trace_hash != simulate_exchange({.seed = 2}).trace_hash);
}

TEST_CASE("sim exchange: bugs put in on purpose are noticed" * doctest::skip(few)) {
  CHECK(is_noticed_between(Bug::acknowledges_early, 20));
  CHECK(is_noticed_between(Bug::delivers_twice, 5));
  CHECK(is_noticed_between(Bug::damages_content, 5));
  CHECK(is_noticed_between(Bug::forgets_commits, 10));
  CHECK(is_noticed_between(Bug::forgets_settlements, 10));
  CHECK(is_noticed_between(Bug::drops_entries, 10));
  CHECK(is_noticed_between(Bug::forgets_wishes, 10));
  CHECK(is_noticed_between(Bug::invents_denials, 10));
  CHECK(is_noticed_between(Bug::sends_in_the_clear, 20));
  CHECK(is_noticed_between(Bug::seals_wrongly, 10));
  CHECK(is_noticed_between(Bug::ignores_dane, 20, "against DANE"));
  CHECK(is_noticed_between(Bug::ignores_policies, 30, "against MTA-STS"));
  CHECK(is_noticed_between(Bug::enforces_tests, 30, "nobody had asked for it"));
  CHECK(is_noticed_between(Bug::forgets_require_tls, 20, "against REQUIRETLS"));
}
