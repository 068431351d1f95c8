// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Base64 (RFC 4648 §4) for stored secrets: decoding is strict. Private to lib/crypto and lib/sasl; mail has lib/codec.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keystonemail::crypto {

enum class Padding : std::uint8_t { with, without };

[[nodiscard]] std::string to_base64(std::string_view octets, Padding padding = Padding::with);
// Nothing unless `text` is what to_base64 makes.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text, Padding padding = Padding::with);

}  // namespace keystonemail::crypto
