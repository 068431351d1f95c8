// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// xtext (RFC 3461 §4) and the UTF-8 address forms of RFC 6533 §3.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keystonemail::smtp {

// Octets of `text`, where "+XX" stands for any; nothing when it is not xtext.
[[nodiscard]] std::optional<std::string> decode_xtext(std::string_view text);
[[nodiscard]] std::string encode_xtext(std::string_view octets);
// utf-8-addr-xtext, utf-8-addr-unitext or utf-8-address: "\x{HEX}" stands for a code point.
[[nodiscard]] std::optional<std::string> decode_utf8_address(std::string_view text);
// utf-8-addr-xtext of valid UTF-8.
[[nodiscard]] std::string encode_utf8_address(std::string_view text);
// No control character, and valid UTF-8: what may go into an envelope (attack A10).
[[nodiscard]] bool is_printable_text(std::string_view text) noexcept;

}  // namespace keystonemail::smtp
