// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// unbound: the resolver port on libunbound: recursion, cache and DNSSEC validation of its own, or forwarding.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/resolver/resolver.hpp"

namespace keystonemail::unbound {

enum class Validation : std::uint8_t {
  automatic,  // on when recursing or when trust anchors are given; off when merely forwarding
  on,
  off,        // no answer is authenticated
};

struct Options {
  std::vector<Endpoint> servers;             // recursive servers to forward to; empty: recurse from the root
  Validation validation = Validation::automatic;
  // DS or DNSKEY records as in a zone file, one each; empty: those of the root zone (KSK-2017 and KSK-2024).
  std::vector<std::string> trust_anchors;
  std::string trust_anchor_file;             // kept up to date by RFC 5011 when named; takes the place of those built in
  std::chrono::milliseconds timeout{10'000};  // for one call; then AnswerStatus::timeout
  std::size_t cache_octets = 16U << 20;
  std::size_t calls_max = 1'000;             // at a time; more are refused with unavailable
};

// Ownership: REQUIRES that no call is under way when it is destroyed.
// Threads: any thread may call. Owns two threads, from its making to its end, with all signals blocked: libunbound's own,
//   which does the network's work, and one that hands questions and answers over and sleeps in between.
// Errors: as the port. Limits: as in Options and resolver::limit_answer(); NSEC3 with more than 50 iterations counts as
//   unsigned (CVE-2023-50868).
// Errors of opening: invalid (a trust anchor, a server), unavailable.
[[nodiscard]] Result<std::unique_ptr<resolver::Resolver>> open_resolver(Options options);

}  // namespace keystonemail::unbound
