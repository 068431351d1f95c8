// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// How many lines a text has and whether their ends are whole, at the speed of memory.
#pragma once

#include <cstdint>
#include <string_view>

namespace keystonemail::mime {

struct LineEndCount {
  std::uint32_t line_feeds = 0;
  std::uint32_t carriage_returns = 0;
  std::uint32_t pairs = 0;  // CR followed by LF
};

[[nodiscard]] LineEndCount count_line_ends(std::string_view text) noexcept;

}  // namespace keystonemail::mime
