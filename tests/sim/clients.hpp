// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The clients of the simulation: each makes one connection and does what its random says, telling the ledger.
#pragma once

#include "sim/wire.hpp"

namespace keystonemail::sim {

// A message with its token, in a size and shape drawn.
[[nodiscard]] std::string draw_message(Ledger& ledger, SeededRandom& random, std::size_t octets_max);

// The random must outlive the task.
[[nodiscard]] Task<void> run_smtp_client(World& world, Port port, Wire& wire, SeededRandom& random);
[[nodiscard]] Task<void> run_imap_client(World& world, Wire& wire, SeededRandom& random);

}  // namespace keystonemail::sim
