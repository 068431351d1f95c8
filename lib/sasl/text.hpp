// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What every mechanism asks of names. Private to lib/sasl.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace keystonemail::sasl {

// A login or authorization identity may be that: UTF-8 of 1 to `octets_max` octets without control characters.
[[nodiscard]] bool is_identity(std::string_view text, std::size_t octets_max) noexcept;

// The text before `end`, which is dropped with it; nothing, and `rest` unchanged, when it is not there.
[[nodiscard]] std::optional<std::string_view> take_until(std::string_view& rest, char end) noexcept;

}  // namespace keystonemail::sasl
