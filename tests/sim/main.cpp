// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// simulate [FIRST [COUNT]]: runs the seeds from FIRST on, each tenth twice, and says what they found.
// simulate --show SEED: one seed, with all that is said and logged in it.
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "sim/simulation.hpp"

using namespace keystonemail::sim;

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--show") {
    const Report report = simulate({.seed = std::strtoull(argv[2], nullptr, 10), .show = true});
    for (const auto& violation : report.violations) std::printf("VIOLATION %s\n", violation.c_str());
    return report.violations.empty() ? 0 : 1;
  }
  const std::uint64_t first = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const std::uint64_t count = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000;
  Report total;
  std::uint64_t failed = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    Report report = simulate({.seed = seed});
    if (seed % 10 == 0 && simulate({.seed = seed}).trace_hash != report.trace_hash) {
      report.violations.emplace_back("run again, it was not the same");
    }
    for (const auto& violation : report.violations) {
      std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), violation.c_str());
    }
    std::fflush(stdout);
    failed += report.violations.empty() ? 0 : 1;
    total.clients += report.clients;
    total.acknowledged += report.acknowledged;
    total.refused += report.refused;
    total.unknown += report.unknown;
    total.faults += report.faults;
  }
  std::printf("%zu clients, %zu acts acknowledged, %zu refused, %zu in doubt, %llu faults\n", total.clients, total.acknowledged,
              total.refused, total.unknown, static_cast<unsigned long long>(total.faults));
  std::printf("%llu passed, %llu failed\n", static_cast<unsigned long long>(count - failed),
              static_cast<unsigned long long>(failed));
  return failed == 0 ? 0 : 1;
}
