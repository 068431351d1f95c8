// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Hexadecimal (RFC 4648 §8) and percent-encoding (RFC 3986 §2.1).
//
// Ownership: results are values. Threads: pure functions. Errors: std::nullopt for malformed input.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keystonemail::codec {

// 0 to 15; -1 for what is not a hexadecimal digit.
[[nodiscard]] constexpr int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Lower case.
[[nodiscard]] std::string encode_hex(std::string_view octets);
// Either case, an even number of digits and nothing else.
[[nodiscard]] std::optional<std::string> decode_hex(std::string_view digits);

// Escapes all but the unreserved characters of RFC 3986 §2.3 and those in `keep`.
[[nodiscard]] std::string encode_percent(std::string_view text, std::string_view keep = {});
// Nothing when a '%' is not followed by two digits.
[[nodiscard]] std::optional<std::string> decode_percent(std::string_view text);

}  // namespace keystonemail::codec
