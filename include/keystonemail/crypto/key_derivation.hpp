// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Keys from passwords: PBKDF2 (RFC 8018 §5.2) and scrypt (RFC 7914).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "keystonemail/base/result.hpp"
#include "keystonemail/crypto/digest.hpp"

namespace keystonemail::crypto {

namespace limits {
inline constexpr std::uint32_t pbkdf2_iterations_max = 10'000'000;
inline constexpr std::size_t scrypt_memory_octets_max = 272u << 20;  // 2^18 blocks at r=8, and some
}  // namespace limits

// PBKDF2 with HMAC. REQUIRES: 1 <= iterations <= limits::pbkdf2_iterations_max, octets >= 1.
[[nodiscard]] std::string pbkdf2(Hash hash, std::string_view password, std::string_view salt, std::uint32_t iterations,
                                 std::size_t octets);

// The cost of scrypt (RFC 7914 §2): memory is 128 * r * 2^log2_n octets, work is that times p.
struct ScryptCost {
  std::uint8_t log2_n = 16;
  std::uint32_t r = 8;
  std::uint32_t p = 2;
  friend bool operator==(const ScryptCost&, const ScryptCost&) = default;
};

// Errors: invalid (a cost that RFC 7914 does not allow), too_large (limits::scrypt_memory_octets_max), unavailable (no memory).
[[nodiscard]] Result<std::string> scrypt(std::string_view password, std::string_view salt, ScryptCost cost, std::size_t octets);

}  // namespace keystonemail::crypto
