// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The handful of operations on octet strings that every mail protocol needs. Text and octets alike are
// std::string and std::string_view throughout the library: mail is octets that are mostly text, and one type
// means no conversions. Case rules are ASCII's, whatever the locale.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keystonemail {

[[nodiscard]] constexpr char to_lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
[[nodiscard]] constexpr char to_upper(char c) noexcept { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
[[nodiscard]] constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
[[nodiscard]] constexpr bool is_alpha(char c) noexcept { return to_lower(c) >= 'a' && to_lower(c) <= 'z'; }

[[nodiscard]] std::string to_lower(std::string_view text);
[[nodiscard]] std::string to_upper(std::string_view text);
// Equal, but for the case of ASCII letters. Not constant-time: never for secrets.
[[nodiscard]] bool iequals(std::string_view a, std::string_view b) noexcept;
// An order, not the alphabet's, in which texts that iequals() holds for are equal.
[[nodiscard]] bool iless(std::string_view a, std::string_view b) noexcept;
[[nodiscard]] bool istarts_with(std::string_view text, std::string_view prefix) noexcept;
// Without leading and trailing SP, HTAB, CR and LF.
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;

// A number in decimal digits and nothing else; nothing when empty, signed, or above `limit`.
[[nodiscard]] std::optional<std::uint64_t> parse_decimal(std::string_view digits,
                                                         std::uint64_t limit = UINT64_MAX) noexcept;

struct CodePoint {
  char32_t value;
  std::size_t octets;  // 1 to 4
};
// The first code point of `text` (RFC 3629); nothing when it is empty, truncated, overlong or a surrogate.
[[nodiscard]] std::optional<CodePoint> decode_utf8(std::string_view text) noexcept;
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;
[[nodiscard]] bool is_ascii(std::string_view text) noexcept;
// Appends `c` as UTF-8; U+FFFD in place of what is not a scalar value.
void append_utf8(std::string& out, char32_t c);

}  // namespace keystonemail
