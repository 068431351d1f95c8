// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "sim/simulation.hpp"

#include <exception>

#include "sim/clients.hpp"

namespace keystonemail::sim {
namespace {

struct Plan {
  std::chrono::milliseconds start{0};
  Port port = Port::smtp;
  std::uint64_t seed = 1;
};

Task<void> run_client(World& world, Plan plan) {
  ++world.clients;
  SeededRandom random(plan.seed);
  const Context context = world.client_context();
  co_await sleep_until(world.executor.now() + plan.start, context);
  if (!world.clients_must_end()) {
    Wire wire(world, plan.port, random);
    if (plan.port == Port::imap) {
      co_await run_imap_client(world, wire, random);
    } else {
      co_await run_smtp_client(world, plan.port, wire, random);
    }
  }
  --world.clients;
}

Port draw_port(SeededRandom& random) {
  constexpr Port ports[] = {Port::smtp, Port::smtp, Port::submission, Port::lmtp, Port::imap, Port::imap, Port::imap, Port::imap};
  return ports[random.below(std::size(ports))];
}

// Some clients at once; the server may not see the end of them.
void run_phase(World& world, Report& report) {
  world.draw_weather();
  const std::uint64_t count = 2 + world.random.below(9);
  for (std::uint64_t i = 0; i < count; ++i) {
    const Plan plan{std::chrono::milliseconds(world.random.below(20'000)), draw_port(world.random), world.random.next_u64()};
    run_client(world, plan).detach();
    ++report.clients;
  }
  const bool early_end = world.random.below(2) == 0;
  const auto span = std::chrono::milliseconds(world.random.below(early_end ? 25'000 : 100'000));
  for (int i = 0; i < 4; ++i) {
    world.executor.advance(span / 4);
    world.audit();
  }
  if (!early_end) {
    for (int i = 0; i < 360 && world.clients + world.sessions() > 0; ++i) world.executor.advance(std::chrono::seconds(30));
  }
  constexpr World::End ends[] = {World::End::crash, World::End::drain, World::End::quiet};
  world.restart(ends[world.random.below(std::size(ends))]);
}

void settle(World& world, Report& report) {
  report.violations = world.ledger.violations();
  report.trace_hash = world.trace.hash();
  report.acknowledged = world.ledger.count(Answer::yes);
  report.refused = world.ledger.count(Answer::no);
  report.unknown = world.ledger.count(Answer::unknown);
  report.faults = world.faults_struck();
  if (world.ledger.count(Answer::open) != 0) report.violations.emplace_back("an act was never settled");
}

}  // namespace

Report simulate(WorldOptions options) {
  Report report;
  World world(options);
  try {
    for (std::uint64_t phases = 1 + world.random.below(4); phases > 0; --phases) run_phase(world, report);
  } catch (const std::exception& error) {
    world.ledger.violation(error.what());
  }
  settle(world, report);
  return report;
}

CutReport simulate_cut(Port port, std::uint64_t seed, Cut where, std::uint64_t octets) {
  CutReport report;
  World world({.seed = 7, .faults = false});
  test::StreamFaults client;
  (where == Cut::from_client ? client.cut_write_at : client.cut_read_at) = octets;
  const auto session = [&]() -> Task<void> {
    SeededRandom random(seed);
    ++world.clients;
    Wire wire(world, port, 65'536, client, {});
    if (port == Port::imap) {
      co_await run_imap_client(world, wire, random);
    } else {
      co_await run_smtp_client(world, port, wire, random);
    }
    report.cut = wire.was_cut();
    report.octets_sent = wire.octets_sent();
    report.octets_heard = wire.octets_heard();
    --world.clients;
  };
  session().detach();
  world.executor.advance(std::chrono::minutes(10));
  world.audit();
  world.restart(World::End::quiet);
  report.violations = world.ledger.violations();
  report.acknowledged = world.ledger.count(Answer::yes);
  return report;
}

}  // namespace keystonemail::sim
