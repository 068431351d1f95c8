// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// How values are spelled for a client: numbers, strings, mailbox names, flags. All append to one growing buffer.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/imap/features.hpp"
#include "keystonemail/imap/flags.hpp"

namespace keystonemail::imap {

inline void append_number(std::string& out, std::unsigned_integral auto number) {
  char digits[20];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

// A quoted string where it can be one, else a literal. NUL, which neither may hold, becomes "?".
void append_string(std::string& out, std::string_view text, const Features& features);
void append_nstring(std::string& out, std::optional<std::string_view> text, const Features& features);
// An atom where it can be one.
void append_astring(std::string& out, std::string_view text, const Features& features);
// From UTF-8 to what the client reads (RFC 3501 §5.1.3, RFC 6855 §3).
void append_mailbox(std::string& out, std::string_view utf8, const Features& features);
// "\Seen $Forwarded", without parentheses.
void append_flags(std::string& out, FlagView flags, const Features& features);
// The text of the system flags of `bits`.
[[nodiscard]] std::string_view system_flags_text(std::uint8_t bits) noexcept;
// Without what would end the line or drive a terminal.
void append_text(std::string& out, std::string_view text, const Features& features);

}  // namespace keystonemail::imap
