// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What both sides write, and the version both read.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/http/fields.hpp"

namespace keystonemail::http {

// Control characters in the value become spaces: whatever it was made of, it is one field (CRLF injection).
void append_field(std::string& out, std::string_view name, std::string_view value);
void append_fields(std::string& out, const Fields& fields);
// RFC 9112 §7.1. Nothing for nothing, as that would be the last chunk.
void append_chunk(std::string& out, std::string_view octets);
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

struct Version {
  unsigned major, minor;
};
// RFC 9112 §2.3: HTTP-version = "HTTP" "/" DIGIT "." DIGIT
[[nodiscard]] std::optional<Version> parse_version(std::string_view text) noexcept;

}  // namespace keystonemail::http
