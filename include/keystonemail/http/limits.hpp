// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the HTTP engines take at most. RFC 9110 §2.3 lets every recipient set such limits.
#pragma once

#include <cstddef>

namespace keystonemail::http::limits {

inline constexpr std::size_t start_line_octets_max = 8'192;           // RFC 9112 §3: at least 8000
inline constexpr std::size_t field_line_octets_max = 16'384;          // a bearer token of 8 KiB, twice
inline constexpr std::size_t head_octets_max = 32'768;                // start line and fields
inline constexpr std::size_t fields_max = 100;
inline constexpr std::size_t empty_lines_max = 2;                     // before a start line; RFC 9112 §2.2: at least one
inline constexpr std::size_t chunk_line_octets_max = 1'024;           // size and extensions (RFC 9112 §7.1.1: limit them)
inline constexpr std::size_t chunk_extensions_octets_max = 16'384;    // of one body: they are read for nothing
inline constexpr std::size_t trailer_octets_max = 8'192;
inline constexpr std::size_t trailers_max = 32;
inline constexpr std::size_t body_piece_octets_max = 65'536;          // held until it is asked for
inline constexpr std::size_t discarded_octets_max = 65'536;           // of a body that nobody reads, to keep the connection
inline constexpr std::size_t interim_responses_max = 8;               // RFC 9110 §15.2: any number; nobody sends more
inline constexpr std::size_t url_octets_max = 2'048;

static_assert(head_octets_max >= start_line_octets_max + field_line_octets_max);

}  // namespace keystonemail::http::limits
