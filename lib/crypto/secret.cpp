// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include "keystonemail/crypto/secret.hpp"

#include <openssl/mem.h>

namespace keystonemail::crypto {

void wipe(void* octets, std::size_t size) noexcept {
  if (size != 0) OPENSSL_cleanse(octets, size);
}

void wipe(std::string& text) noexcept {
  text.resize(text.capacity());  // the spare octets may hold what a longer value left
  wipe(text.data(), text.size());
  text.clear();
}

bool constant_time_equal(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

SecretString SecretString::adopt(std::string& octets) noexcept {
  SecretString secret;
  secret.value_ = std::move(octets);
  wipe(octets);  // a short string is copied by a move
  return secret;
}

SecretString& SecretString::operator=(SecretString&& other) noexcept {
  if (this == &other) return *this;
  wipe(value_);
  value_ = std::move(other.value_);
  wipe(other.value_);
  return *this;
}

}  // namespace keystonemail::crypto
