// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/crypto/key.hpp"

#include <doctest/doctest.h>

#include "keystonemail/crypto/digest.hpp"

using namespace keystonemail;
using namespace keystonemail::crypto;

TEST_CASE("crypto: keys of every type sign, verify, and survive PEM and DER") {
  for (const auto type : {KeyType::rsa, KeyType::ecdsa_p256, KeyType::ed25519}) {
    CAPTURE(to_string(type));
    const auto key = PrivateKey::generate(type).value();
    CHECK(key.type() == type);
    const auto again = PrivateKey::from_pem(key.pem().view()).value();
    const auto signature = again.sign("a message").value();
    const auto public_key = PublicKey::from_der(key.public_key().der()).value();
    CHECK(public_key.type() == type);
    CHECK(public_key.verify("a message", signature));
    CHECK_FALSE(public_key.verify("a massage", signature));
    CHECK_FALSE(public_key.verify("a message", signature.substr(1)));
    CHECK_FALSE(public_key.verify("a message", ""));
    CHECK_FALSE(PrivateKey::generate(type)->public_key().verify("a message", signature));
  }
}

TEST_CASE("crypto: Ed25519 agrees with RFC 8032 §7.1 test 2") {
  const std::string raw =
      "\x3d\x40\x17\xc3\xe8\x43\x89\x5a\x92\xb7\x0a\xa7\x4d\x1b\x7e\xbc\x9c\x98\x2c\xcf\x2e\xc4\x96\x8c\xc0\xcd\x55\xf1\x2a\xf4\x66\x0c";
  const std::string signature =
      "\x92\xa0\x09\xa9\xf0\xd4\xca\xb8\x72\x0e\x82\x0b\x5f\x64\x25\x40\xa2\xb2\x7b\x54\x16\x50\x3f\x8f\xb3\x76\x22\x23\xeb\xdb\x69\xda"
      "\x08\x5a\xc1\xe4\x3e\x15\x99\x6e\x45\x8f\x36\x13\xd0\xf1\x1d\x8c\x38\x7b\x2e\xae\xb4\x30\x2a\xee\xb0\x0d\x29\x16\x12\xbb\x0c" + std::string(1, '\0');
  const auto key = PublicKey::from_ed25519(raw).value();
  CHECK(key.raw() == raw);
  CHECK(key.verify("\x72", signature));
  CHECK_FALSE(key.verify("\x73", signature));
}

TEST_CASE("crypto: what is not a key is an error, not a crash") {
  CHECK_FALSE(PrivateKey::from_pem("").has_value());
  CHECK_FALSE(PrivateKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").has_value());
  CHECK(PrivateKey::from_pem(std::string(100'000, '-')).error().kind() == ErrorKind::too_large);
  CHECK_FALSE(PublicKey::from_der("").has_value());
  CHECK_FALSE(PublicKey::from_rsa_der("\x30\x03").has_value());
  CHECK_FALSE(PublicKey::from_ed25519("short").has_value());
  CHECK_FALSE(PrivateKey::generate(KeyType::rsa, 1024).has_value());
  const auto der = PrivateKey::generate(KeyType::ecdsa_p256)->public_key().der();
  for (std::size_t size = 0; size < der.size(); ++size) CHECK_FALSE(PublicKey::from_der(der.substr(0, size)).has_value());
  CHECK_FALSE(PublicKey::from_der(der + "x").has_value());
}

TEST_CASE("crypto: an encrypted key is refused without asking for its passphrase") {
  const std::string pem =
      "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,000102030405060708090A0B0C0D0E0F\n\n"
      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END RSA PRIVATE KEY-----\n";
  CHECK(PrivateKey::from_pem(pem).error().kind() == ErrorKind::invalid);
}

TEST_CASE("crypto: a message hashed elsewhere has the same signature, and for Ed25519 that of its digest") {
  const auto digest_value = sha256("a message");
  const std::string digest_text(reinterpret_cast<const char*>(digest_value.data()), digest_value.size());
  for (const auto type : {KeyType::rsa, KeyType::ecdsa_p256, KeyType::ed25519}) {
    CAPTURE(to_string(type));
    const auto key = PrivateKey::generate(type).value();
    const auto signature = key.sign_digest(digest_value).value();
    const std::string_view signed_text = type == KeyType::ed25519 ? std::string_view(digest_text) : "a message";
    CHECK(key.public_key().verify(signed_text, signature));
    CHECK(key.public_key().verify_digest(digest_value, key.sign(signed_text).value()));
    CHECK_FALSE(key.public_key().verify_digest(sha256("a massage"), signature));
    CHECK_FALSE(key.public_key().verify_digest(digest_value, ""));
  }
}

TEST_CASE("crypto: an Ed25519 key is made of its 32 octets and no fewer") {
  const std::string raw(32, '\x07');
  const auto key = PrivateKey::from_ed25519(raw).value();
  CHECK(key.public_key().verify("x", key.sign("x").value()));
  CHECK_FALSE(PrivateKey::from_ed25519(raw.substr(1)).has_value());
  CHECK_FALSE(PrivateKey::from_ed25519(raw + raw).has_value());
}
