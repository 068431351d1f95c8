// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the module's files share of BoringSSL. Private to lib/crypto.
#pragma once

#include <openssl/base.h>
#include <openssl/bytestring.h>
#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/crypto/key.hpp"

namespace keystonemail::crypto {

[[nodiscard]] inline const std::uint8_t* octets(std::string_view text) noexcept {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}
[[nodiscard]] inline std::uint8_t* octets(std::string& text) noexcept { return reinterpret_cast<std::uint8_t*>(text.data()); }

[[nodiscard]] const EVP_MD* message_digest(Hash hash) noexcept;

// What was appended to a CBB.
[[nodiscard]] inline std::string take(CBB* builder) {
  if (CBB_flush(builder) != 1) throw std::bad_alloc();
  return {reinterpret_cast<const char*>(CBB_data(builder)), CBB_len(builder)};
}

// "function: reason" of the oldest error of this thread; empties the queue.
[[nodiscard]] std::string take_error_text();

struct PublicKey::State {
  bssl::UniquePtr<EVP_PKEY> key;
  KeyType type;
};
struct PrivateKey::State {
  bssl::UniquePtr<EVP_PKEY> key;
  KeyType type;
};

}  // namespace keystonemail::crypto
