// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the parsers of this module look at, at most. Beyond a limit the octets are still there, but opaque.
#pragma once

#include <cstddef>

namespace keystonemail::mime::limits {

inline constexpr std::size_t depth_max = 100;                      // nested parts, the message itself included
inline constexpr std::size_t parts_max = 10'000;
inline constexpr std::size_t header_field_octets_max = 256 * 1024; // one field, folding included
inline constexpr std::size_t header_octets_max = 1024 * 1024;      // all headers of a message, those of parts included
inline constexpr std::size_t header_fields_max = 10'000;           // the same, counted
inline constexpr std::size_t trace_octets_max = 64 * 1024;          // that takes_trace() answers for
inline constexpr std::size_t parameters_max = 100;                 // of one field, continuations counted (attack C3)
inline constexpr std::size_t addresses_max = 10'000;               // of one field
inline constexpr std::size_t message_ids_max = 1'000;              // of one field; RFC 5322 sets none
inline constexpr std::size_t defects_max = 100;                    // recorded, of one message
inline constexpr std::size_t comment_depth_max = 100;              // nested parentheses; the rest is taken as text
inline constexpr std::size_t preview_characters = 256;             // RFC 8970 §3.1, RFC 8621 §4.1.4
inline constexpr std::size_t received_max = 1'000;                 // fields, before a message is looping (attack C2)
inline constexpr std::size_t message_octets_max = 0xffff'ffff;     // offsets have 32 bits

}  // namespace keystonemail::mime::limits
