// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Delivery status notifications (RFC 3461, RFC 3464, in the form of RFC 6522; RFC 6533 for addresses in UTF-8): what the
// sender of a message is told of its recipients.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/time.hpp"

namespace keystonemail::dsn {

// RFC 3464 §2.3.3, in the order of what matters most to the reader.
enum class Action : std::uint8_t {
  failed,     // given up
  delayed,    // still being tried
  delivered,  // in the mailbox
  relayed,    // handed to a server that does not notify
  expanded,   // it became several recipients, and went on to them
};

struct RecipientStatus {
  Action action = Action::failed;
  std::string recipient;            // the address it was sent to
  std::string original_recipient;   // ORCPT, decoded, "type;address"; empty when there was none
  std::string status;               // RFC 3463: "5.1.1"
  std::string remote_host;          // who said the diagnostic; empty: we did
  std::string diagnostic;           // "550 5.1.1 No such user"; LF divides lines
  std::optional<WallTime> last_attempt;
  std::optional<WallTime> retried_until;  // of a delay
};

enum class Return : std::uint8_t { header, whole };

// One notification. Ownership: a value.
struct Report {
  std::string reporting_host;
  std::string sender;               // of the message: who is told. Never the null sender: nobody is told of a bounce
  std::string envelope_id;          // ENVID, decoded; empty when there was none
  std::string original_message_id;  // "<...>", for threads; may be empty
  WallTime arrived{};               // when the message came to us
  WallTime now{};
  std::string unique;               // for the Message-ID and the boundary: random letters and digits
  bool internationalized = false;   // the message came with SMTPUTF8 (RFC 6533 §4)
  std::vector<RecipientStatus> recipients;  // at least one
  Return returned = Return::header;
  std::string original;             // the message, or its header
};

// The notification as a message with CRLF line ends, to be sent from the null sender. Whatever strangers said is one line
// of printable text (attack A10). It has 8-bit octets only where `internationalized` says so, or the original has.
// Threads: a pure function. Limits: diagnostics are cut at limits::diagnostic_octets_max.
[[nodiscard]] std::string build_report(const Report& report);

namespace limits {
inline constexpr std::size_t diagnostic_octets_max = 900;  // with what stands before it no more than RFC 5322 §2.1.1 lets a line have
}  // namespace limits

}  // namespace keystonemail::dsn
