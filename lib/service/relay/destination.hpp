// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Destination: what all messages for one place share: the line of those that wait, the connections, and whether it answers.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "keystonemail/service/relay/route.hpp"
#include "service/relay/job.hpp"
#include "service/relay/outcome.hpp"
#include "service/relay/pacer.hpp"
#include "service/relay/security.hpp"
#include "transport/waiter.hpp"

namespace keystonemail::relay {

struct Destination {
  std::string name;                         // its key: what asks for different TLS, or logs in as another, is another destination
  std::string domain;                       // or the route that several of them have in common
  std::string paced;                        // the domain with a rate of its own, whose mail alone goes this way
  TlsDemand demand = TlsDemand::usual;
  Route route;                              // without a host: by the mail exchangers of `domain`
  bool is_moved_to = false;                 // by an administrator's word, entry by entry
  std::uint32_t generation = 0;             // of the route: connections of an earlier one take no more messages
  std::deque<Job> waiting;
  std::vector<transport::Waiter*> idle;     // of connections that have nothing to do
  std::size_t connections = 0;
  std::size_t connections_max = 1;          // grows with success, as nobody knows what the other side bears
  bool is_hungry = false;                   // it is in line for a connection
  std::uint32_t failures = 0;               // attempts to reach it that failed, since the last that did not
  std::uint32_t losses = 0;                 // sessions that broke off, since the last message that went over
  WallTime not_before{};                    // until then it is left alone
  Outcome last_failure;
  Pacer pacer;                              // of its messages
  bool is_resuming = false;                 // somebody waits until the next may go
  std::optional<queue::Due> passed_over;    // the first entry for it that found the line full

  [[nodiscard]] bool is_away(WallTime now) const noexcept { return failures > 0 && now < not_before; }
  [[nodiscard]] bool is_unused() const noexcept { return connections == 0 && waiting.empty() && !passed_over && !is_resuming; }

  void reached() noexcept {
    failures = 0;
    losses = 0;
  }
};

}  // namespace keystonemail::relay
