// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What strangers wrote, as values that can be kept and shown. Private to the module.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "keystonemail/base/text.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/reports/limits.hpp"

namespace keystonemail::reports {

// Trimmed, cut between characters, and without what drives a terminal.
[[nodiscard]] inline std::string plain(std::string_view text) {
  std::string out;
  text = trim(text);
  while (!text.empty()) {
    const auto point = decode_utf8(text);
    const char32_t c = point ? point->value : U'?';
    const bool is_control = c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
                            (c >= 0x2066 && c <= 0x2069);
    if (out.size() + (point ? point->octets : 1) > limits::text_octets_max) break;
    if (is_control) out += '?';
    else append_utf8(out, c);
    text.remove_prefix(point ? point->octets : 1);
  }
  while (out.ends_with(' ')) out.pop_back();  // where it was cut
  return out;
}

// Since 1970.
[[nodiscard]] inline std::uint64_t seconds_of(WallTime time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count(), 0));
}

[[nodiscard]] inline std::string plain_word(std::string_view text) { return to_lower(plain(text)); }

// A domain or address to look for: in lower case, without its final dot.
[[nodiscard]] inline std::string plain_domain(std::string_view text) {
  std::string out = plain_word(text);
  while (out.ends_with('.') || out.ends_with(' ')) out.pop_back();
  return out;
}

}  // namespace keystonemail::reports
