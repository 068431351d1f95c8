// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Digests (FIPS 180-4) and keyed digests (RFC 2104).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace keystonemail::crypto {

enum class Hash : std::uint8_t { sha1, sha256, sha512 };

[[nodiscard]] std::size_t digest_octets(Hash hash) noexcept;  // 20, 32, 64

using Sha256Value = std::array<std::uint8_t, 32>;

// The raw digest of `data`.
[[nodiscard]] std::string digest(Hash hash, std::string_view data);
// The same without an allocation.
[[nodiscard]] Sha256Value sha256(std::string_view data) noexcept;

// Digester takes data piece by piece.
//
// Ownership: a value, wiped when destroyed; a copy continues on its own. Threads: not synchronised.
class Digester {
 public:
  explicit Digester(Hash hash) noexcept;
  Digester(const Digester&) noexcept = default;
  Digester& operator=(const Digester&) noexcept = default;
  ~Digester();

  void update(std::string_view data) noexcept;
  // The raw digest of all data. REQUIRES: called once, and nothing after it.
  [[nodiscard]] std::string finish();
  // The same. REQUIRES: made for Hash::sha256.
  [[nodiscard]] Sha256Value finish_sha256() noexcept;

 private:
  Hash hash_;
  alignas(8) std::array<unsigned char, 216> state_{};
};

// HMAC (RFC 2104) of `data`, raw.
[[nodiscard]] std::string hmac(Hash hash, std::string_view key, std::string_view data);

// Lower-case hexadecimal.
[[nodiscard]] std::string to_hex(std::string_view octets);

}  // namespace keystonemail::crypto
