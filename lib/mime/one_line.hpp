// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <string>
#include <string_view>

namespace keystonemail::mime {

// What would end a line or hide text becomes a space: a value from outside cannot add a field to a header.
[[nodiscard]] inline std::string one_line(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  return out;
}

}  // namespace keystonemail::mime
