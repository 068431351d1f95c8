// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// milter: the ceilings of the engine. The protocol has no specification but libmilter's headers and documentation
// (Sendmail 8.14 and later, protocol version 6); its own numbers are quoted from there.
#pragma once

#include <cstddef>

namespace keystonemail::milter::limits {

inline constexpr std::size_t data_octets_max = 65'535;             // of what a filter is told at once: MILTER_MAX_DATA_SIZE
inline constexpr std::size_t body_chunk_octets_max = 65'535;       // of a body: MILTER_CHUNK_SIZE
inline constexpr std::size_t packet_octets_max = 128 * 1024;       // of an answer, command octet included; libmilter sends 64 KiB at most
inline constexpr std::size_t body_packet_octets_max = 1U << 20;    // of a piece of a new body, which is not kept
inline constexpr std::size_t edits_max = 2'000;                    // of one message
inline constexpr std::size_t header_edit_octets_max = 256 * 1024;  // names and values of all edits of one message
inline constexpr std::size_t reply_octets_max = 2'048;             // text of a reply for the peer
inline constexpr std::size_t reply_lines_max = 32;                 // MAXREPLYLINES of smfi_setmlreply
inline constexpr std::size_t macro_list_octets_max = 4'096;        // of one stage
inline constexpr std::size_t address_octets_max = 1'000;           // RFC 5321 §4.5.3.1.3 says 256; UTF-8 and routes take more
static_assert(packet_octets_max > data_octets_max);

}  // namespace keystonemail::milter::limits
