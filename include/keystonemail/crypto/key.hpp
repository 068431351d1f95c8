// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Key pairs and signatures: RSA (RFC 8017), ECDSA on P-256, Ed25519 (RFC 8032).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "keystonemail/base/result.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/crypto/secret.hpp"

namespace keystonemail::crypto {

namespace limits {
inline constexpr std::size_t key_pem_octets_max = 64 * 1024;
}  // namespace limits

enum class KeyType : std::uint8_t { rsa, ecdsa_p256, ed25519 };

[[nodiscard]] std::string_view to_string(KeyType type) noexcept;

// PublicKey verifies. Ownership: a value that shares its immutable key. Threads: any.
class PublicKey {
 public:
  // Errors of both: invalid, or too_large (RSA above 8192 bits).
  [[nodiscard]] static Result<PublicKey> from_der(std::string_view subject_public_key_info);  // RFC 5280 §4.1.2.7
  [[nodiscard]] static Result<PublicKey> from_rsa_der(std::string_view rsa_public_key);       // RFC 8017 §A.1.1
  [[nodiscard]] static Result<PublicKey> from_ed25519(std::string_view raw);                  // the 32 octets, RFC 8463 §4

  [[nodiscard]] KeyType type() const noexcept;
  [[nodiscard]] unsigned bits() const noexcept;
  [[nodiscard]] std::string der() const;  // SubjectPublicKeyInfo
  // The 32 octets of an Ed25519 key. REQUIRES: type() == ed25519.
  [[nodiscard]] std::string raw() const;
  // RSA: PKCS #1 v1.5 with SHA-256. ECDSA: SHA-256, DER signature. Ed25519: pure, over the message itself.
  [[nodiscard]] bool verify(std::string_view message, std::string_view signature) const;
  // The same when the message was hashed elsewhere: for RSA and ECDSA equal to verify() of what has that digest, for
  // Ed25519 the digest is the message (RFC 8463 §3).
  [[nodiscard]] bool verify_digest(const Sha256Value& digest, std::string_view signature) const;

  struct State;
  explicit PublicKey(std::shared_ptr<const State> state) noexcept : state_(std::move(state)) {}
  [[nodiscard]] const State& state() const noexcept { return *state_; }

 private:
  std::shared_ptr<const State> state_;
};

// PrivateKey signs. Ownership: a value that shares its immutable key. Threads: any.
class PrivateKey {
 public:
  // `rsa_bits` is 2048 to 8192. Takes up to seconds for RSA. Errors: invalid, unavailable.
  [[nodiscard]] static Result<PrivateKey> generate(KeyType type, unsigned rsa_bits = 2048);
  // PKCS #8 or the traditional RSA and EC forms, unencrypted. Errors: invalid, too_large.
  [[nodiscard]] static Result<PrivateKey> from_pem(std::string_view pem);
  // The 32 octets of RFC 8032 §5.1.5, which RFC 8463 §A.2 writes in base64. Errors: invalid.
  [[nodiscard]] static Result<PrivateKey> from_ed25519(std::string_view raw);

  [[nodiscard]] KeyType type() const noexcept;
  [[nodiscard]] unsigned bits() const noexcept;
  [[nodiscard]] SecretString pem() const;  // PKCS #8
  [[nodiscard]] PublicKey public_key() const;
  // The counterpart of PublicKey::verify. Errors: internal.
  [[nodiscard]] Result<std::string> sign(std::string_view message) const;
  // The counterpart of PublicKey::verify_digest. Errors: internal.
  [[nodiscard]] Result<std::string> sign_digest(const Sha256Value& digest) const;

  struct State;
  explicit PrivateKey(std::shared_ptr<const State> state) noexcept : state_(std::move(state)) {}
  [[nodiscard]] const State& state() const noexcept { return *state_; }

 private:
  std::shared_ptr<const State> state_;
};

}  // namespace keystonemail::crypto
