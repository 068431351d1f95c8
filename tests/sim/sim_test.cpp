// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The short form; `simulate` in the same directory runs any number of seeds.
#include <doctest/doctest.h>

#include "sim/simulation.hpp"
#include "support/sanitized.hpp"

using namespace keystonemail::sim;

namespace {

std::string first(const std::vector<std::string>& violations) { return violations.empty() ? "" : violations[0]; }

// Whether one of the first seeds notices the bug.
bool is_noticed(Bug bug, std::uint64_t seeds) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    if (!simulate({.seed = seed, .bug = bug}).violations.empty()) return true;
  }
  return false;
}

// A session that is short enough to be cut everywhere, and worth it.
std::uint64_t session_to_cut(Port port) {
  for (std::uint64_t seed = 1;; ++seed) {
    const auto whole = simulate_cut(port, seed, Cut::from_client, UINT64_MAX);
    if (whole.acknowledged >= 2 && whole.octets_sent < 2'500 && whole.octets_heard < 5'000) return seed;
    REQUIRE(seed < 1'000);
  }
}

void cut_everywhere(Port port) {
  const std::uint64_t seed = session_to_cut(port);
  const std::uint64_t step = keystonemail::test::sanitized ? 149 : 1;
  for (const Cut where : {Cut::from_client, Cut::from_server}) {
    CAPTURE(where == Cut::from_client);
    for (std::uint64_t octets = 0;; octets += step) {
      CAPTURE(octets);
      const auto report = simulate_cut(port, seed, where, octets);
      CHECK(first(report.violations) == "");
      if (!report.cut) break;
      REQUIRE(octets < 10'000);
    }
  }
}

}  // namespace

TEST_CASE("sim: whatever fails, what was acknowledged is there once and nothing else is") {
  const std::uint64_t seeds = keystonemail::test::sanitized ? 10 : 200;
  std::size_t acknowledged = 0, refused = 0, unknown = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    const Report report = simulate({.seed = seed});
    CHECK(first(report.violations) == "");
    acknowledged += report.acknowledged;
    refused += report.refused;
    unknown += report.unknown;
  }
  // The weather must be neither too good nor too bad to show anything.
  CHECK(acknowledged > 5 * seeds);
  CHECK(refused > seeds);
  CHECK(unknown > seeds / 4);
}

TEST_CASE("sim: a seed run again is the same run") {
  for (std::uint64_t seed = 1; seed <= (keystonemail::test::sanitized ? 1U : 10U); ++seed) {
    CAPTURE(seed);
    CHECK(simulate({.seed = seed}).trace_hash == simulate({.seed = seed}).trace_hash);
  }
  CHECK(simulate({.seed = 1}).trace_hash != simulate({.seed = 2}).trace_hash);
}

TEST_CASE("sim: bugs put in on purpose are noticed") {
  CHECK(is_noticed(Bug::acknowledges_early, 30));
  CHECK(is_noticed(Bug::delivers_twice, 10));
  CHECK(is_noticed(Bug::forgets_a_recipient, 20));
  CHECK(is_noticed(Bug::damages_content, 10));
  CHECK(is_noticed(Bug::forgets_commits, 10));
}

TEST_CASE("sim: a connection that breaks after any octet leaves all or nothing") {
  SUBCASE("smtp") { cut_everywhere(Port::smtp); }
  SUBCASE("submission") { cut_everywhere(Port::submission); }
  SUBCASE("lmtp") { cut_everywhere(Port::lmtp); }
  SUBCASE("imap") { cut_everywhere(Port::imap); }
}
