// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The escapes of zone files (RFC 1035 §5.1): \X is X, \DDD is the octet of that decimal number.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keystonemail::dns {

// The octets that `text` stands for; nothing when an escape is not one.
[[nodiscard]] std::optional<std::string> unescape(std::string_view text);

}  // namespace keystonemail::dns
