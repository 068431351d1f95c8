// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Ceilings of the IMAP engine.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace keystonemail::imap::limits {

using namespace std::chrono_literals;

inline constexpr std::size_t line_octets_max = 64 * 1024;                  // RFC 7162 §4 asks for 8192 at least
inline constexpr std::size_t command_octets_max = 1024 * 1024;             // lines and literals, APPEND's messages aside
inline constexpr std::size_t literal_octets_max = 128 * 1024;
inline constexpr std::size_t tag_octets_max = 128;
inline constexpr std::size_t preauth_line_octets_max = 16 * 1024;          // SASL responses carry tokens
inline constexpr std::size_t preauth_command_octets_max = 32 * 1024;
inline constexpr std::size_t preauth_literal_octets_max = 4 * 1024;
inline constexpr std::size_t nonsync_literal_octets_max = 4096;            // LITERAL-: RFC 7888 §5
inline constexpr std::size_t nesting_max = 32;
inline constexpr std::size_t sequence_ranges_max = 32 * 1024;
inline constexpr std::size_t search_keys_max = 1000;
inline constexpr std::size_t fetch_items_max = 256;
inline constexpr std::size_t list_patterns_max = 64;
inline constexpr std::size_t flags_max = 256;
inline constexpr std::size_t id_fields_max = 30;                           // RFC 2971 §3.3
inline constexpr unsigned errors_max_preauth = 10;
inline constexpr unsigned errors_max = 20;
inline constexpr unsigned auth_failures_max = 3;
inline constexpr std::size_t pending_output_octets_max = 256 * 1024;       // above it no input is taken
inline constexpr auto preauth_time_max = 60s;
inline constexpr auto inactivity_max = 30min;                              // RFC 9051 §5.4
// Of a literal, over the whole of it, as of a message by SMTP: half of what a GSM data call carries (9,600 bit/s, 3GPP TS 22.002),
// which so brings 50 MiB in twelve hours. The grace is for a phone that loses its cell.
inline constexpr std::uint64_t literal_rate_min = 500;                     // octets a second
inline constexpr auto literal_rate_grace = 5min;

}  // namespace keystonemail::imap::limits
