// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Readers of command arguments.
#pragma once

#include <string_view>

#include "keystonemail/base/text.hpp"

namespace keystonemail::smtp {

// Takes "FROM:" or "TO:" in any case.
// LENIENT: a space after the colon, which RFC 5321 §3.3 forbids and many devices and scripts send.
inline bool take_prefix(std::string_view& argument, std::string_view prefix) noexcept {
  if (!istarts_with(argument, prefix)) return false;
  argument.remove_prefix(prefix.size());
  while (argument.starts_with(' ')) argument.remove_prefix(1);
  return true;
}

}  // namespace keystonemail::smtp
