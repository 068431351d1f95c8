// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Content-Type, Content-Disposition and their parameters (RFC 2045 §5.1, RFC 2183, RFC 2231), and the transfer
// encodings of RFC 2045 §6.
//
// Ownership: values. Threads: pure functions. Errors: none; what cannot be read leaves the default in place.
// Limits: limits::parameters_max; linear time (attack C3).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keystonemail::mime {

// One parameter, with its continuations put together (RFC 2231 §3): they are sorted by number, the first of two with
// one number counts, and a gap ends the value. One reading serves everybody who asks.
struct Parameter {
  std::string name;       // lower case, without asterisks
  std::string value;      // when extended: charset'language'percent-encoded, whole, as RFC 2231 §4 has it
  bool extended = false;

  // As UTF-8, for people and filters: percent, charset and (against RFC 2231, yet usual) encoded words decoded.
  [[nodiscard]] std::string decoded() const;
  friend bool operator==(const Parameter&, const Parameter&) = default;
};

// In the order of their first appearance. When a name comes in several forms, extended beats continued beats plain;
// among equals the first counts.
using Parameters = std::vector<Parameter>;

// nullptr when absent. `name` in lower case.
[[nodiscard]] const Parameter* find_parameter(const Parameters& parameters, std::string_view name) noexcept;

struct ContentType {
  std::string type = "text";      // lower case
  std::string subtype = "plain";  // lower case
  Parameters parameters;
  bool valid = false;             // false: unreadable, the default of RFC 2045 §5.2 stands here
  bool ambiguous = false;         // a parameter came twice in one form, continuations overlap or leave gaps, or text beside them

  [[nodiscard]] bool is(std::string_view full_type) const noexcept;  // "text/plain"
};

[[nodiscard]] ContentType parse_content_type(std::string_view value);

struct ContentDisposition {
  std::string type;               // lower case; empty when unreadable
  Parameters parameters;
  bool ambiguous = false;
};

[[nodiscard]] ContentDisposition parse_content_disposition(std::string_view value);

// "en, de" → {"en", "de"} (RFC 3282).
[[nodiscard]] std::vector<std::string> parse_content_language(std::string_view value);

// The order is that of the encoded Summary: add at the end only.
enum class TransferEncoding : std::uint8_t { seven_bit, eight_bit, binary, quoted_printable, base64, unknown };

[[nodiscard]] TransferEncoding parse_transfer_encoding(std::string_view value) noexcept;
// "7BIT", "QUOTED-PRINTABLE", ...; empty for unknown.
[[nodiscard]] std::string_view to_string(TransferEncoding encoding) noexcept;

}  // namespace keystonemail::mime
