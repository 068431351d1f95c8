// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Ceilings of the SMTP engines, each with its source. What an operator may choose is in ServerOptions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace keystonemail::smtp::limits {

inline constexpr std::size_t command_line_octets_base = 512;   // RFC 5321 §4.5.3.1.4, CRLF included
inline constexpr std::size_t command_line_octets_max = 2'048;  // base + SIZE 26, DSN 500, AUTH 500, SMTPUTF8 and others
inline constexpr std::size_t auth_line_octets_max = 12'288;    // RFC 4954 §4: SASL lines
static_assert(command_line_octets_max >= command_line_octets_base + 26 + 500 + 500 + 10);

inline constexpr std::size_t local_part_octets_max = 128;   // RFC 5321 §4.5.3.1.1 says 64; VERP and SRS senders pass it
inline constexpr std::size_t domain_octets_max = 255;       // RFC 5321 §4.5.3.1.2
inline constexpr std::size_t path_octets_max = 256;         // RFC 5321 §4.5.3.1.3, brackets included
inline constexpr std::size_t envelope_id_octets_max = 100;  // RFC 3461 §4.4, as sent
inline constexpr std::size_t original_recipient_octets_max = 500;  // RFC 3461 §4.2, as sent
inline constexpr std::size_t size_digits_max = 20;          // RFC 1870 §3, RFC 3030 §2

inline constexpr std::size_t recipients_min = 100;          // RFC 5321 §4.5.3.1.8: what a server must take
inline constexpr std::size_t pending_output_octets_max = 65'536;  // above it receive() takes nothing

// Client side: one reply may have so many octets and lines, whatever the server sends.
inline constexpr std::size_t reply_line_octets_max = 4'096;  // RFC 5321 §4.5.3.1.5 says 512; some servers pass it
inline constexpr std::size_t reply_octets_max = 65'536;
inline constexpr std::size_t reply_lines_max = 256;

}  // namespace keystonemail::smtp::limits
