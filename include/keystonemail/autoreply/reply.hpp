// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The answer as a message (RFC 3834 §3, RFC 5230 §5).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "keystonemail/autoreply/settings.hpp"

namespace keystonemail::autoreply {

namespace limits {
inline constexpr std::size_t quoted_subject_octets_max = 200;  // of the message that is answered
inline constexpr std::size_t references_max = 20;              // RFC 5322 §3.6.4; the first and the last ones
inline constexpr std::size_t message_id_octets_max = 250;      // a longer one is not referred to
}  // namespace limits

struct Answer {
  std::string from_name;               // UTF-8; may be empty
  std::string from_address;
  std::string to;                      // the reverse-path of the message
  std::string hostname;                // for the Message-ID
  std::string unique;                  // the same: random letters and digits
  std::uint64_t seed = 0;              // for boundaries
  std::string_view header;             // of the message that is answered; borrowed
  WallTime now{};
};

// With CRLF line ends, to be sent from the null reverse-path with NOTIFY=NEVER (RFC 3834 §3.3). Nothing of the message but its
// subject and ids is in it. It has 8-bit octets only where an address has.
[[nodiscard]] std::string build_reply(const Settings& settings, const Answer& answer);

}  // namespace keystonemail::autoreply
