// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// PeerFault: everything an SMTP client can do wrong, and the one place that says how it is told.
#pragma once

#include <cstdint>
#include <string_view>

#include "keystonemail/smtp/reply.hpp"

namespace keystonemail::smtp {

enum class PeerFault : std::uint8_t {
  // Framing of commands
  line_too_long,           // RFC 5321 §4.5.3.1.4
  bare_line_feed,          // RFC 5321 §2.3.8: LF without CR; ends the session
  bare_carriage_return,    // RFC 5321 §2.3.8
  early_talker,            // RFC 5321 §4.3.1: spoke before the greeting; ends the session
  unauthorized_pipelining, // RFC 2920 §3.1: did not wait where it had to; ends the session
  // Commands
  unknown_command,
  not_implemented,
  syntax,
  no_argument_expected,
  argument_missing,
  bad_hello_name,
  bad_sequence,
  nested_mail,
  hello_first,
  mail_first,
  recipient_first,
  no_valid_recipients,
  tls_unavailable,
  tls_already_active,
  tls_required,            // RFC 3207 §4
  // Envelope
  bad_sender,
  bad_recipient,
  not_utf8,                // RFC 6531 §3.2: octets above 127 that are not UTF-8
  utf8_not_announced,      // RFC 6531 §3.5: such an address without the SMTPUTF8 parameter
  unknown_parameter,
  bad_parameter,
  repeated_parameter,
  binary_needs_bdat,       // RFC 3030 §3
  too_many_recipients,
  too_many_domains,
  too_many_transactions,
  // Authentication (RFC 4954)
  auth_required,
  auth_unavailable,
  auth_needs_tls,
  auth_already_done,
  auth_in_transaction,
  auth_mechanism_unknown,
  auth_not_base64,
  auth_line_too_long,
  auth_cancelled,
  auth_failed,
  too_many_auth_failures,  // ends the session
  // The message
  message_too_large,       // RFC 1870 §6.3
  message_bare_line_feed,
  message_bare_carriage_return,
  message_nul,
  message_line_too_long,
  bad_chunk_size,          // RFC 3030 §2: the octets that follow cannot be told from commands; ends the session
  chunk_after_failure,     // RFC 3030 §2
  // Ceilings; each ends the session
  too_many_errors,
  too_many_junk_commands,
  too_many_commands,
  timed_out,
  too_slow,
};

// The only way from a fault to the wire. The text is static.
struct FaultReply {
  std::uint16_t code;
  EnhancedStatus status;
  std::string_view text;
};
[[nodiscard]] FaultReply reply_for(PeerFault fault) noexcept;

}  // namespace keystonemail::smtp
