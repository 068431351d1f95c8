// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Numbers and strings of the protocol: 32 bits in network order, octets up to a NUL.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keystonemail::milter {

inline void append_number(std::string& out, std::uint32_t number) {
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(number >> shift & 0xff);
}
// A NUL within would be two strings.
inline void append_string(std::string& out, std::string_view text) { out.append(text.substr(0, text.find('\0'))).push_back('\0'); }

inline std::optional<std::uint32_t> take_number(std::string_view& data) noexcept {
  if (data.size() < 4) return std::nullopt;
  std::uint32_t number = 0;
  for (int i = 0; i < 4; ++i) number = number << 8 | static_cast<unsigned char>(data[static_cast<std::size_t>(i)]);
  data.remove_prefix(4);
  return number;
}
// LENIENT: the NUL of the last one may be missing, as filters that do without libmilter have it.
inline std::string_view take_string(std::string_view& data) noexcept {
  const auto end = data.find('\0');
  const std::string_view text = data.substr(0, end);
  data.remove_prefix(end == std::string_view::npos ? data.size() : end + 1);
  return text;
}

}  // namespace keystonemail::milter
