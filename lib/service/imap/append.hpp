// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Append: an APPEND under way.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "keystonemail/mailstore/mailstore.hpp"
#include "service/imap/engine.hpp"

namespace keystonemail::service::imap {

namespace limits {
// What one APPEND of several messages may hold until it is committed. A single message may be as long as APPENDLIMIT says.
inline constexpr std::size_t append_messages_max = 5000;
inline constexpr std::uint64_t append_together_octets_max = 32U << 20;
}  // namespace limits

struct Append {
  mailstore::MailboxId mailbox{};
  std::vector<mailstore::NewMessage> messages;               // taken in whole
  std::unique_ptr<mailstore::MessageWriter> writer;          // the one that is coming in
  mailstore::NewMessage next;                                // what it will be
  std::uint64_t octets = 0;                                  // announced, of all
};

}  // namespace keystonemail::service::imap
