// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What became of one recipient in one attempt.
#pragma once

#include <cstdint>
#include <string>

#include "keystonemail/base/time.hpp"
#include "keystonemail/smtp/reply.hpp"

namespace keystonemail::relay {

struct Outcome {
  smtp::Reply reply;                // 2yz delivered, 4yz to be tried again, 5yz never
  std::string host;                 // who said so; empty: the words are ours
  bool attempted = true;            // false: put off, since the destination is known to be away
  bool notifies = false;            // the next server has taken on the notifications (RFC 3461 §5.2.2)
  bool final_host = false;          // LMTP: it is in the mailbox
  bool keeps_deadline = false;      // the next server has taken on the deadline (RFC 2852 §4.1.4)
  WallTime not_before{};            // of a destination that is away
  std::string security = {};        // of the connection; empty: there was none

  [[nodiscard]] bool delivered() const noexcept { return reply.positive(); }
  [[nodiscard]] bool temporary() const noexcept { return reply.temporary(); }
};

}  // namespace keystonemail::relay
