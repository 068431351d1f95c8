// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include "sasl/text.hpp"

#include <algorithm>

#include "keystonemail/base/text.hpp"

namespace keystonemail::sasl {

bool is_identity(std::string_view text, std::size_t octets_max) noexcept {
  if (text.empty() || text.size() > octets_max || !is_utf8(text)) return false;
  return std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::optional<std::string_view> take_until(std::string_view& rest, char end) noexcept {
  const auto position = rest.find(end);
  if (position == std::string_view::npos) return std::nullopt;
  const auto part = rest.substr(0, position);
  rest.remove_prefix(position + 1);
  return part;
}

}  // namespace keystonemail::sasl
