// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "http/wire.hpp"

#include <cassert>

#include "base/format.hpp"
#include "keystonemail/base/text.hpp"

namespace keystonemail::http {

void append_field(std::string& out, std::string_view name, std::string_view value) {
  assert(is_token(name));
  out.append(name).append(": ");
  for (const char c : value) out += (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f ? ' ' : c;
  out += "\r\n";
}

void append_fields(std::string& out, const Fields& fields) {
  for (const Field& field : fields) append_field(out, field.name, field.value);
}

void append_chunk(std::string& out, std::string_view octets) {
  if (octets.empty()) return;
  format_to(out, "{:x}\r\n", octets.size());
  out.append(octets).append("\r\n");
}

std::optional<Version> parse_version(std::string_view text) noexcept {
  if (text.size() != 8 || !text.starts_with("HTTP/") || !is_digit(text[5]) || text[6] != '.' || !is_digit(text[7])) return std::nullopt;
  return Version{static_cast<unsigned>(text[5] - '0'), static_cast<unsigned>(text[7] - '0')};
}

}  // namespace keystonemail::http
