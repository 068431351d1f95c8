// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "smtp/xtext.hpp"

#include <algorithm>

#include "keystonemail/base/text.hpp"

namespace keystonemail::smtp {
namespace {

// RFC 3461 §4: upper case. LENIENT: lower case is read as well.
int hex_value(char c) noexcept {
  if (is_digit(c)) return c - '0';
  c = to_upper(c);
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool is_xchar(char c) noexcept { return c >= '!' && c <= '~' && c != '+' && c != '='; }

// EmbeddedUnicodeChar = "\x{" HEXPOINT "}"; takes it from the front of `text`.
bool take_embedded(std::string_view& text, std::string& out) {
  const std::size_t end = text.find('}');
  if (!text.starts_with("\\x{") || end == std::string_view::npos || end < 4 || end > 9) return false;
  char32_t value = 0;
  for (const char c : text.substr(3, end - 3)) {
    if (hex_value(c) < 0) return false;
    value = value * 16 + static_cast<char32_t>(hex_value(c));
  }
  if (value < 0x20 || value == 0x7f || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return false;
  append_utf8(out, value);
  text.remove_prefix(end + 1);
  return true;
}

}  // namespace

std::optional<std::string> decode_xtext(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '+') {
      if (at + 2 >= text.size() || hex_value(text[at + 1]) < 0 || hex_value(text[at + 2]) < 0) return std::nullopt;
      out += static_cast<char>(hex_value(text[at + 1]) * 16 + hex_value(text[at + 2]));
      at += 2;
    } else if (is_xchar(text[at])) {
      out += text[at];
    } else {
      return std::nullopt;
    }
  }
  return out;
}

std::string encode_xtext(std::string_view octets) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : octets) {
    if (is_xchar(c)) {
      out += c;
    } else {
      const auto octet = static_cast<unsigned char>(c);
      out += {'+', digits[octet / 16], digits[octet % 16]};
    }
  }
  return out;
}

// LENIENT: senders also write plain xtext under "utf-8;" (RFC 6533 §3 tells readers to cope), so "+XX" is decoded.
std::optional<std::string> decode_utf8_address(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.front() == '\\') {
      if (!take_embedded(text, out)) return std::nullopt;
    } else if (text.front() == '+') {
      const auto decoded = decode_xtext(text.substr(0, 3));
      if (!decoded) return std::nullopt;
      out += *decoded;
      text.remove_prefix(3);
    } else {
      if (!is_xchar(text.front()) && static_cast<unsigned char>(text.front()) < 0x80) return std::nullopt;
      out += text.front();
      text.remove_prefix(1);
    }
  }
  return out;
}

std::string encode_utf8_address(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  while (!text.empty()) {
    const auto point = decode_utf8(text);
    if (!point) return encode_xtext(text);  // not UTF-8, so not of this type
    if (point->octets == 1 && is_xchar(text.front()) && text.front() != '\\') {
      out += text.front();
    } else {
      std::string hex;
      for (char32_t rest = point->value; rest != 0 || hex.size() < 2; rest /= 16) hex.insert(hex.begin(), digits[rest % 16]);
      out.append("\\x{").append(hex).append("}");
    }
    text.remove_prefix(point->octets);
  }
  return out;
}

bool is_printable_text(std::string_view text) noexcept {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return std::ranges::none_of(text, control) && is_utf8(text);
}

}  // namespace keystonemail::smtp
