// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/codec/modified_utf7.hpp"

#include <algorithm>

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/base64.hpp"

namespace keystonemail::codec {
namespace {

// RFC 3501 §5.1.3: these stand for themselves, '&' alone is written "&-".
bool is_direct(char c) { return c >= 0x20 && c <= 0x7e; }

void append_utf16(std::string& out, char32_t unit) {
  out.push_back(static_cast<char>(unit >> 8));
  out.push_back(static_cast<char>(unit));
}

// One run of what is not direct: UTF-16 in base64 with ',' for '/', unpadded.
void append_shifted(std::string& out, std::string_view utf16) {
  std::string run = encode_base64(utf16, Base64Alphabet::standard);
  while (run.ends_with('=')) run.pop_back();
  std::ranges::replace(run, '/', ',');
  out.push_back('&');
  out += run;
  out.push_back('-');
}

std::optional<std::string> decode_shifted(std::string_view run) {
  std::string text(run);
  if (text.find('/') != std::string::npos) return std::nullopt;
  std::ranges::replace(text, ',', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  return decode_base64(text);
}

// Nothing when odd, or a surrogate stands alone.
std::optional<std::string> utf16_to_utf8(std::string_view utf16) {
  if (utf16.empty() || utf16.size() % 2 != 0) return std::nullopt;
  const auto unit_at = [utf16](std::size_t i) -> char32_t {
    return static_cast<char32_t>(static_cast<unsigned char>(utf16[i])) << 8 | static_cast<unsigned char>(utf16[i + 1]);
  };
  std::string out;
  for (std::size_t i = 0; i < utf16.size(); i += 2) {
    char32_t c = unit_at(i);
    if (c >= 0xdc00 && c <= 0xdfff) return std::nullopt;
    if (c >= 0xd800 && c <= 0xdbff) {
      i += 2;
      if (i >= utf16.size()) return std::nullopt;
      const char32_t low = unit_at(i);
      if (low < 0xdc00 || low > 0xdfff) return std::nullopt;
      c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    append_utf8(out, c);
  }
  return out;
}

}  // namespace

std::optional<std::string> encode_modified_utf7(std::string_view utf8) {
  std::string out;
  std::string run;
  const auto end_run = [&] {
    if (!run.empty()) append_shifted(out, run);
    run.clear();
  };
  while (!utf8.empty()) {
    const auto decoded = decode_utf8(utf8);
    if (!decoded) return std::nullopt;
    if (decoded->octets == 1 && is_direct(utf8.front())) {
      end_run();
      out.push_back(utf8.front());
      if (utf8.front() == '&') out.push_back('-');
    } else if (decoded->value >= 0x10000) {
      append_utf16(run, 0xd800 + ((decoded->value - 0x10000) >> 10));
      append_utf16(run, 0xdc00 + ((decoded->value - 0x10000) & 0x3ff));
    } else {
      append_utf16(run, decoded->value);
    }
    utf8.remove_prefix(decoded->octets);
  }
  end_run();
  return out;
}

std::optional<std::string> decode_modified_utf7(std::string_view text) {
  const std::string_view whole = text;
  std::string out;
  while (!text.empty()) {
    if (!is_direct(text.front())) return std::nullopt;
    if (text.front() != '&') {
      out.push_back(text.front());
      text.remove_prefix(1);
      continue;
    }
    const std::size_t end = text.find('-');
    if (end == std::string_view::npos) return std::nullopt;
    if (end == 1) {
      out.push_back('&');
    } else {
      const auto utf16 = decode_shifted(text.substr(1, end - 1));
      if (!utf16) return std::nullopt;
      const auto decoded = utf16_to_utf8(*utf16);
      if (!decoded) return std::nullopt;
      out += *decoded;
    }
    text.remove_prefix(end + 1);
  }
  // One form only: no encoded ASCII, no two runs side by side.
  if (encode_modified_utf7(out) != whole) return std::nullopt;
  return out;
}

}  // namespace keystonemail::codec
