// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/smtp/reply.hpp"

#include <cassert>

namespace keystonemail::smtp {
namespace {

void append_status(std::string& out, std::uint16_t code, EnhancedStatus status) {
  if (!status.given()) status.category = static_cast<std::uint8_t>(code / 100);
  out += std::to_string(status.category) + '.';
  out += std::to_string(status.subject) + '.';
  out += std::to_string(status.detail) + ' ';
}

void append_code(std::string& out, std::uint16_t code) {
  assert(code >= 200);
  assert(code <= 599);
  out += static_cast<char>('0' + code / 100);
  out += static_cast<char>('0' + code / 10 % 10);
  out += static_cast<char>('0' + code % 10);
}

// RFC 5321 §4.2: textstring is HTAB and printable ASCII; RFC 6531 §3.7.4 lets UTF-8 through. No control ever.
void append_clean(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    out += octet < 0x20 || octet == 0x7f ? '?' : c;
  }
}

}  // namespace

std::string EnhancedStatus::to_string() const {
  if (!given()) return {};
  return std::to_string(category) + '.' + std::to_string(subject) + '.' + std::to_string(detail);
}

std::string Reply::to_string() const {
  std::string out = std::to_string(code);
  if (status.given()) out += ' ' + status.to_string();
  if (!text.empty()) out += ' ' + text;
  return out;
}

// RFC 5321 §4.2.1: "250-first", "250 last"; RFC 2034 §4: the status on every line.
void append_reply(std::string& out, std::uint16_t code, EnhancedStatus status, std::string_view text,
                  EnhancedCodes codes) {
  const bool with_status = codes == EnhancedCodes::include && code / 100 != 3;
  for (bool last = false; !last;) {
    const std::size_t end = text.find('\n');
    last = end == std::string_view::npos;
    append_code(out, code);
    out += last ? ' ' : '-';
    if (with_status) append_status(out, code, status);
    append_clean(out, text.substr(0, end));
    out += "\r\n";
    if (!last) text.remove_prefix(end + 1);
  }
}

}  // namespace keystonemail::smtp
