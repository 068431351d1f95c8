// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// simulate [--exchange] [FIRST [COUNT]]: runs the seeds from FIRST on, each tenth twice, and says what they found: one
// server and its clients, or several servers and a hostile network between them.
// simulate [--exchange] --show SEED: one seed, with all that is said and logged in it.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sim/exchange.hpp"
#include "sim/simulation.hpp"

using namespace keystonemail::sim;

namespace {

struct Asked {
  bool exchange = false, show = false;
  std::uint64_t first = 1, count = 1'000;
};

Asked read_arguments(int argc, char** argv) {
  Asked asked;
  int numbers = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--exchange") asked.exchange = true;
    else if (argument == "--show") asked.show = true;
    else (++numbers == 1 ? asked.first : asked.count) = std::strtoull(argv[i], nullptr, 10);
  }
  if (asked.show) asked.count = 1;
  return asked;
}

// Runs the seeds and prints what they found; `add` sums a report up, `sum` says what came of them all.
template <class Run, class Add, class Sum>
int run_seeds(const Asked& asked, Run run, Add add, Sum sum) {
  std::uint64_t failed = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (std::uint64_t seed = asked.first; seed < asked.first + asked.count; ++seed) {
    auto report = run(seed, asked.show);
    if (seed % 10 == 0 && !asked.show && run(seed, false).trace_hash != report.trace_hash) {
      report.violations.emplace_back("run again, it was not the same");
    }
    for (const auto& violation : report.violations) {
      std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), violation.c_str());
    }
    std::fflush(stdout);
    failed += report.violations.empty() ? 0 : 1;
    add(report);
  }
  sum();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("%.1f ms a seed\n%llu passed, %llu failed\n", 1'000 * seconds / static_cast<double>(asked.count),
              static_cast<unsigned long long>(asked.count - failed), static_cast<unsigned long long>(failed));
  return failed == 0 ? 0 : 1;
}

int run_one_server(const Asked& asked) {
  Report total;
  return run_seeds(
      asked, [](std::uint64_t seed, bool show) { return simulate({.seed = seed, .show = show}); },
      [&](const Report& report) {
        total.clients += report.clients;
        total.acknowledged += report.acknowledged;
        total.refused += report.refused;
        total.unknown += report.unknown;
        total.faults += report.faults;
      },
      [&] {
        std::printf("%zu clients, %zu acts acknowledged, %zu refused, %zu in doubt, %llu faults\n", total.clients, total.acknowledged,
                    total.refused, total.unknown, static_cast<unsigned long long>(total.faults));
      });
}

int run_exchange(const Asked& asked) {
  ExchangeReport total;
  return run_seeds(
      asked, [](std::uint64_t seed, bool show) { return simulate_exchange({.seed = seed, .show = show}); },
      [&](const ExchangeReport& report) {
        total.accepted += report.accepted;
        total.refused += report.refused;
        total.delivered += report.delivered;
        total.bounced += report.bounced;
        total.reports += report.reports;
        total.encrypted += report.encrypted;
        total.sealed += report.sealed;
        total.demanded += report.demanded;
        total.withheld += report.withheld;
        total.tested += report.tested;
        total.changes += report.changes;
        total.doubled += report.doubled;
        total.restarts += report.restarts;
        total.faults += report.faults;
      },
      [&] {
        std::printf("%zu messages accepted, %zu refused, %zu copies delivered, %zu recipients bounced, %zu reports, %zu over TLS, %zu copies sealed, "
                    "%zu doubled by the network, %zu restarts, %llu faults\n",
                    total.accepted, total.refused, total.delivered, total.bounced, total.reports, total.encrypted, total.sealed, total.doubled, total.restarts,
                    static_cast<unsigned long long>(total.faults));
        std::printf("%zu changes of promises, %zu messages where security was demanded, %zu attempts ended for want of it, %zu that only tests minded\n",
                    total.changes, total.demanded, total.withheld, total.tested);
      });
}

}  // namespace

int main(int argc, char** argv) {
  const Asked asked = read_arguments(argc, argv);
  return asked.exchange ? run_exchange(asked) : run_one_server(asked);
}
