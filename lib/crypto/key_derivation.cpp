// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include "keystonemail/crypto/key_derivation.hpp"

#include <openssl/err.h>

#include <cassert>
#include <new>

#include "crypto/boringssl.hpp"

namespace keystonemail::crypto {

std::string pbkdf2(Hash hash, std::string_view password, std::string_view salt, std::uint32_t iterations, std::size_t size) {
  assert(iterations >= 1);
  assert(iterations <= limits::pbkdf2_iterations_max);
  assert(size >= 1);
  std::string key(size, '\0');
  if (PKCS5_PBKDF2_HMAC(password.empty() ? "" : password.data(), password.size(), octets(salt), salt.size(), iterations,
                        message_digest(hash), size, octets(key)) != 1) {
    throw std::bad_alloc();
  }
  return key;
}

namespace {
// RFC 7914 §2: N a power of two above 1 and below 2^(128 * r / 8), p at most (2^32 - 1) * 32 / (128 * r).
bool is_allowed(const ScryptCost& cost) noexcept {
  if (cost.log2_n < 1 || cost.log2_n > 32 || cost.r == 0 || cost.p == 0) return false;
  if (cost.log2_n >= 16ull * cost.r) return false;
  return std::uint64_t{cost.p} * cost.r < (1u << 30);
}
}  // namespace

Result<std::string> scrypt(std::string_view password, std::string_view salt, ScryptCost cost, std::size_t size) {
  if (!is_allowed(cost)) return fail(ErrorKind::invalid, "This scrypt cost is not allowed");
  const std::uint64_t blocks = (std::uint64_t{1} << cost.log2_n) + cost.p + 1;
  if (cost.r > limits::scrypt_memory_octets_max || blocks > limits::scrypt_memory_octets_max / (128ull * cost.r)) {
    return fail(ErrorKind::too_large, "This scrypt cost takes too much memory");
  }
  std::string key(size, '\0');
  if (EVP_PBE_scrypt(password.empty() ? "" : password.data(), password.size(), octets(salt), salt.size(),
                     std::uint64_t{1} << cost.log2_n, cost.r, cost.p, limits::scrypt_memory_octets_max, octets(key),
                     key.size()) != 1) {
    return fail(ErrorKind::unavailable, "No memory to check a password", take_error_text());
  }
  return key;
}

}  // namespace keystonemail::crypto
