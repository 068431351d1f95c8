// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Fault: what a peer does wrong. Each ends the connection, as nobody can say where its next message would begin.
#pragma once

#include <cstdint>
#include <string_view>

namespace keystonemail::http {

enum class Fault : std::uint8_t {
  bad_start_line,           // RFC 9112 §3, §4
  bad_target,               // §3.2
  bad_version,              // RFC 9110 §2.5: not HTTP/1.x
  bad_field,                // RFC 9112 §5.1: no token before the colon, white space there, control characters
  folded_line,              // §5.2: to a server
  bare_line_end,            // §2.2: LF without CR, or CR without LF
  start_line_too_long,
  head_too_large,           // a field, all of them, or too many
  bad_host,                 // §3.2: none, two, or no host
  bad_length,               // §6.3: Content-Length is no number, or stands there twice
  length_conflict,          // §6.1: Content-Length and Transfer-Encoding, or the latter in HTTP/1.0
  bad_transfer_coding,      // §6.3: chunked is not the last
  unknown_transfer_coding,  // §6.1: another than chunked
  unknown_expectation,      // RFC 9110 §10.1.1
  unknown_method,           // CONNECT: this is no proxy
  bad_chunk,                // RFC 9112 §7.1
  trailers_too_large,
  body_too_large,
  unexpected_message,       // a response that nothing asked for, or too many interim ones
  truncated,                // §8: the connection ended in the middle
  timed_out,
};
[[nodiscard]] std::string_view to_string(Fault fault) noexcept;

// What a server answers; 0: nothing, as nobody listens.
[[nodiscard]] unsigned status_for(Fault fault) noexcept;

// "Not Found"; "Unknown" for a status that RFC 9110 §15 and RFC 6585 do not know.
[[nodiscard]] std::string_view reason_phrase(unsigned status) noexcept;

}  // namespace keystonemail::http
