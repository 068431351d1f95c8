// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The SASL mechanisms by name, and the limits of their messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace keystonemail::sasl {

namespace limits {
inline constexpr std::size_t message_octets_max = 9 * 1024;      // decoded; 12,288 in base64 (RFC 4954 §4)
inline constexpr std::size_t login_octets_max = 255;
inline constexpr std::size_t authorization_id_octets_max = 255;
inline constexpr std::size_t password_octets_max = 1'024;
inline constexpr std::size_t nonce_octets_max = 256;             // SCRAM, the client's part
}  // namespace limits

enum class Mechanism : std::uint8_t {
  plain,
  login,
  scram_sha_256,
  scram_sha_256_plus,
  scram_sha_1,        // not offered unless asked for
  scram_sha_1_plus,
  external,
};

[[nodiscard]] std::string_view to_string(Mechanism mechanism) noexcept;  // "SCRAM-SHA-256-PLUS"
[[nodiscard]] std::optional<Mechanism> parse_mechanism(std::string_view name) noexcept;  // in any case
// Whether the mechanism shows the password to whoever reads the connection.
[[nodiscard]] bool is_plaintext(Mechanism mechanism) noexcept;
[[nodiscard]] bool needs_channel_binding(Mechanism mechanism) noexcept;  // the -PLUS forms

}  // namespace keystonemail::sasl
