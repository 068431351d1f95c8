// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Exchange: two or three whole servers, a hostile network between them, and people who send mail through them. One seed,
// from empty stores through faults, restarts and a time of peace to books that balance.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/faulty_ports.hpp"

namespace keystonemail::sim {

struct ExchangeOptions {
  std::uint64_t seed = 1;
  Bug bug = Bug::none;
  bool faults = true;  // false: fair weather
  bool show = false;   // print all that happens
};

struct ExchangeReport {
  std::vector<std::string> violations;  // empty: all is well
  std::uint64_t trace_hash = 0;
  std::size_t accepted = 0;             // messages that a server took from people
  std::size_t refused = 0;              // recipients and messages that it did not
  std::size_t delivered = 0;            // copies in mailboxes, reports among them
  std::size_t bounced = 0;              // recipients given up
  std::size_t reports = 0;
  std::size_t encrypted = 0;            // messages that went over TLS
  std::size_t sealed = 0;               // copies in mailboxes with an ARC chain
  std::size_t demanded = 0;             // messages on connections that had to be secure: by REQUIRETLS, DANE or MTA-STS
  std::size_t withheld = 0;             // attempts that ended because they could not be
  std::size_t tested = 0;               // messages on connections that a policy in testing would have forbidden
  std::size_t changes = 0;              // of certificates, zones, TLSA records and policies
  std::size_t doubled = 0;              // "dot sent, reply lost"
  std::size_t restarts = 0;
  std::uint64_t faults = 0;
};

[[nodiscard]] ExchangeReport simulate_exchange(ExchangeOptions options);

}  // namespace keystonemail::sim
