// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// One seed, from an empty store through clients, faults and restarts to a store that agrees with the ledger.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/world.hpp"

namespace keystonemail::sim {

struct Report {
  std::vector<std::string> violations;  // empty: all is well
  std::uint64_t trace_hash = 0;
  std::size_t clients = 0, acknowledged = 0, refused = 0, unknown = 0;
  std::uint64_t faults = 0;
};

[[nodiscard]] Report simulate(WorldOptions options);

// The session that a client makes of `seed` in fair weather, with the connection cut after so many octets in one direction.
enum class Cut : std::uint8_t { from_client, from_server };
struct CutReport {
  std::vector<std::string> violations;
  bool cut = false;  // false: the session is shorter than that
  std::uint64_t octets_sent = 0, octets_heard = 0;
  std::size_t acknowledged = 0;
};
[[nodiscard]] CutReport simulate_cut(Port port, std::uint64_t seed, Cut where, std::uint64_t octets);

}  // namespace keystonemail::sim
