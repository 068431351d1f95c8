// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include "keystonemail/crypto/digest.hpp"

#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <cassert>
#include <new>
#include <type_traits>

#include "crypto/boringssl.hpp"
#include "keystonemail/crypto/secret.hpp"

namespace keystonemail::crypto {
namespace {

template <class Context>
Context& as(std::array<unsigned char, 216>& state) noexcept {
  static_assert(sizeof(Context) <= sizeof(state) && alignof(Context) <= 8);
  static_assert(std::is_trivially_copyable_v<Context>);
  return *std::launder(reinterpret_cast<Context*>(state.data()));
}

}  // namespace

std::size_t digest_octets(Hash hash) noexcept {
  switch (hash) {
    case Hash::sha1: return SHA_DIGEST_LENGTH;
    case Hash::sha256: return SHA256_DIGEST_LENGTH;
    case Hash::sha512: return SHA512_DIGEST_LENGTH;
  }
  return 0;
}

const EVP_MD* message_digest(Hash hash) noexcept {
  switch (hash) {
    case Hash::sha1: return EVP_sha1();
    case Hash::sha256: return EVP_sha256();
    case Hash::sha512: return EVP_sha512();
  }
  return nullptr;
}

std::string take_error_text() {
  const std::uint32_t code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return {};
  const char* reason = ERR_reason_error_string(code);
  const char* library = ERR_lib_error_string(code);
  return std::string(library ? library : "?") + ": " + (reason ? reason : "?");
}

Sha256Value sha256(std::string_view data) noexcept {
  Sha256Value value;
  SHA256(octets(data), data.size(), value.data());
  return value;
}

std::string digest(Hash hash, std::string_view data) {
  Digester digester(hash);
  digester.update(data);
  return digester.finish();
}

Digester::Digester(Hash hash) noexcept : hash_(hash) {
  switch (hash_) {
    case Hash::sha1: SHA1_Init(new (state_.data()) SHA_CTX); break;
    case Hash::sha256: SHA256_Init(new (state_.data()) SHA256_CTX); break;
    case Hash::sha512: SHA512_Init(new (state_.data()) SHA512_CTX); break;
  }
}

Digester::~Digester() { wipe(state_.data(), state_.size()); }

void Digester::update(std::string_view data) noexcept {
  if (data.empty()) return;
  switch (hash_) {
    case Hash::sha1: SHA1_Update(&as<SHA_CTX>(state_), data.data(), data.size()); break;
    case Hash::sha256: SHA256_Update(&as<SHA256_CTX>(state_), data.data(), data.size()); break;
    case Hash::sha512: SHA512_Update(&as<SHA512_CTX>(state_), data.data(), data.size()); break;
  }
}

std::string Digester::finish() {
  std::string value(digest_octets(hash_), '\0');
  switch (hash_) {
    case Hash::sha1: SHA1_Final(octets(value), &as<SHA_CTX>(state_)); break;
    case Hash::sha256: SHA256_Final(octets(value), &as<SHA256_CTX>(state_)); break;
    case Hash::sha512: SHA512_Final(octets(value), &as<SHA512_CTX>(state_)); break;
  }
  return value;
}

Sha256Value Digester::finish_sha256() noexcept {
  assert(hash_ == Hash::sha256);
  Sha256Value value;
  SHA256_Final(value.data(), &as<SHA256_CTX>(state_));
  return value;
}

std::string hmac(Hash hash, std::string_view key, std::string_view data) {
  std::string value(digest_octets(hash), '\0');
  unsigned size = 0;
  // The key may not be null even when it is empty.
  const auto* made = HMAC(message_digest(hash), key.empty() ? "" : key.data(), key.size(), octets(data), data.size(),
                          octets(value), &size);
  if (!made) throw std::bad_alloc();
  assert(size == value.size());
  return value;
}

std::string to_hex(std::string_view data) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(data.size() * 2);
  for (const unsigned char c : data) {
    text.push_back(digits[c >> 4]);
    text.push_back(digits[c & 15]);
  }
  return text;
}

}  // namespace keystonemail::crypto
