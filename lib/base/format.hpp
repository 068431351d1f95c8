// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Text formatting by {fmt}, whose headers appear nowhere else. Private to the library and the program.
#pragma once

#include <fmt/format.h>

#include <iterator>
#include <string>
#include <utility>

namespace keystonemail {

template <class... Arguments>
[[nodiscard]] std::string format(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  return fmt::format(text, std::forward<Arguments>(arguments)...);
}

// Appends to `out`.
template <class... Arguments>
void format_to(std::string& out, fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(out), text, std::forward<Arguments>(arguments)...);
}

}  // namespace keystonemail
