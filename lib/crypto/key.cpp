// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include "keystonemail/crypto/key.hpp"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/digest.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <cassert>
#include <new>
#include <optional>

#include "base/try.hpp"
#include "crypto/boringssl.hpp"

namespace keystonemail::crypto {
namespace {

constexpr unsigned rsa_bits_max = 8'192;

std::optional<KeyType> type_of(const EVP_PKEY* key) noexcept {
  switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_RSA: return KeyType::rsa;
    case EVP_PKEY_ED25519: return KeyType::ed25519;
    case EVP_PKEY_EC:
      if (EC_GROUP_get_curve_name(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key))) == NID_X9_62_prime256v1) {
        return KeyType::ecdsa_p256;
      }
      return std::nullopt;
    default: return std::nullopt;
  }
}

template <class Key>
Result<Key> wrap(bssl::UniquePtr<EVP_PKEY> key) {
  if (!key) return fail(ErrorKind::invalid, "This is not a key", take_error_text());
  const auto type = type_of(key.get());
  if (!type) return fail(ErrorKind::invalid, "Keys are RSA, ECDSA on P-256 or Ed25519");
  if (*type == KeyType::rsa && EVP_PKEY_bits(key.get()) > static_cast<int>(rsa_bits_max)) {
    return fail(ErrorKind::too_large, "RSA keys have at most 8192 bits");
  }
  using State = typename Key::State;
  return Key(std::make_shared<const State>(State{std::move(key), *type}));
}

bssl::UniquePtr<EVP_PKEY> generate_rsa(unsigned bits) {
  bssl::UniquePtr<BIGNUM> exponent(BN_new());
  bssl::UniquePtr<RSA> rsa(RSA_new());
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (!exponent || !rsa || !key || !BN_set_word(exponent.get(), RSA_F4) ||
      !RSA_generate_key_ex(rsa.get(), static_cast<int>(bits), exponent.get(), nullptr) ||
      !EVP_PKEY_set1_RSA(key.get(), rsa.get())) {
    return nullptr;
  }
  return key;
}

bssl::UniquePtr<EVP_PKEY> generate_ecdsa() {
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (!ec || !key || !EC_KEY_generate_key(ec.get()) || !EVP_PKEY_set1_EC_KEY(key.get(), ec.get())) return nullptr;
  return key;
}

bssl::UniquePtr<EVP_PKEY> generate_ed25519() {
  bssl::UniquePtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nullptr));
  EVP_PKEY* key = nullptr;
  if (!context || !EVP_PKEY_keygen_init(context.get()) || !EVP_PKEY_keygen(context.get(), &key)) return nullptr;
  return bssl::UniquePtr<EVP_PKEY>(key);
}

std::string_view as_text(const Sha256Value& digest) noexcept {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

bssl::UniquePtr<EVP_PKEY_CTX> digest_context(EVP_PKEY* key) { return bssl::UniquePtr<EVP_PKEY_CTX>(EVP_PKEY_CTX_new(key, nullptr)); }

const EVP_MD* signature_digest(KeyType type) noexcept { return type == KeyType::ed25519 ? nullptr : EVP_sha256(); }

}  // namespace

std::string_view to_string(KeyType type) noexcept {
  switch (type) {
    case KeyType::rsa: return "rsa";
    case KeyType::ecdsa_p256: return "ecdsa-p256";
    case KeyType::ed25519: return "ed25519";
  }
  return {};
}

Result<PublicKey> PublicKey::from_der(std::string_view subject_public_key_info) {
  CBS input;
  CBS_init(&input, octets(subject_public_key_info), subject_public_key_info.size());
  bssl::UniquePtr<EVP_PKEY> key(EVP_parse_public_key(&input));
  if (CBS_len(&input) != 0) key.reset();
  return wrap<PublicKey>(std::move(key));
}

Result<PublicKey> PublicKey::from_rsa_der(std::string_view rsa_public_key) {
  bssl::UniquePtr<RSA> rsa(RSA_public_key_from_bytes(octets(rsa_public_key), rsa_public_key.size()));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (!rsa || !key || !EVP_PKEY_set1_RSA(key.get(), rsa.get())) key.reset();
  return wrap<PublicKey>(std::move(key));
}

Result<PublicKey> PublicKey::from_ed25519(std::string_view raw) {
  return wrap<PublicKey>(bssl::UniquePtr<EVP_PKEY>(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets(raw), raw.size())));
}

KeyType PublicKey::type() const noexcept { return state_->type; }
unsigned PublicKey::bits() const noexcept { return static_cast<unsigned>(EVP_PKEY_bits(state_->key.get())); }

std::string PublicKey::der() const {
  bssl::ScopedCBB builder;
  if (!CBB_init(builder.get(), 512) || !EVP_marshal_public_key(builder.get(), state_->key.get())) throw std::bad_alloc();
  return take(builder.get());
}

std::string PublicKey::raw() const {
  assert(type() == KeyType::ed25519);
  std::string value(32, '\0');
  std::size_t size = value.size();
  [[maybe_unused]] const int done = EVP_PKEY_get_raw_public_key(state_->key.get(), octets(value), &size);
  assert(done == 1);
  assert(size == value.size());
  return value;
}

bool PublicKey::verify(std::string_view message, std::string_view signature) const {
  bssl::ScopedEVP_MD_CTX context;
  const bool valid =
      EVP_DigestVerifyInit(context.get(), nullptr, signature_digest(state_->type), nullptr, state_->key.get()) == 1 &&
      EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(message), message.size()) == 1;
  ERR_clear_error();
  return valid;
}

bool PublicKey::verify_digest(const Sha256Value& digest, std::string_view signature) const {
  if (state_->type == KeyType::ed25519) return verify(as_text(digest), signature);
  const auto context = digest_context(state_->key.get());
  const bool valid = context && EVP_PKEY_verify_init(context.get()) == 1 &&
                     EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) == 1 &&
                     EVP_PKEY_verify(context.get(), octets(signature), signature.size(), digest.data(), digest.size()) == 1;
  ERR_clear_error();
  return valid;
}

Result<PrivateKey> PrivateKey::generate(KeyType type, unsigned rsa_bits) {
  bssl::UniquePtr<EVP_PKEY> key;
  switch (type) {
    case KeyType::rsa:
      if (rsa_bits < 2'048 || rsa_bits > rsa_bits_max) return fail(ErrorKind::invalid, "RSA keys have 2048 to 8192 bits");
      key = generate_rsa(rsa_bits);
      break;
    case KeyType::ecdsa_p256: key = generate_ecdsa(); break;
    case KeyType::ed25519: key = generate_ed25519(); break;
  }
  if (!key) return fail(ErrorKind::unavailable, "No key could be made", take_error_text());
  return wrap<PrivateKey>(std::move(key));
}

Result<PrivateKey> PrivateKey::from_pem(std::string_view pem) {
  if (pem.size() > limits::key_pem_octets_max) return fail(ErrorKind::too_large, "This key file is too large");
  bssl::UniquePtr<BIO> input(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (!input) throw std::bad_alloc();
  // An encrypted key must not make the library ask the terminal for its passphrase.
  const auto no_passphrase = [](char*, int, int, void*) { return -1; };
  bssl::UniquePtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(input.get(), nullptr, no_passphrase, nullptr));
  return wrap<PrivateKey>(std::move(key));
}

Result<PrivateKey> PrivateKey::from_ed25519(std::string_view raw) {
  return wrap<PrivateKey>(bssl::UniquePtr<EVP_PKEY>(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, octets(raw), raw.size())));
}

KeyType PrivateKey::type() const noexcept { return state_->type; }
unsigned PrivateKey::bits() const noexcept { return static_cast<unsigned>(EVP_PKEY_bits(state_->key.get())); }

SecretString PrivateKey::pem() const {
  bssl::UniquePtr<BIO> output(BIO_new(BIO_s_mem()));
  if (!output || !PEM_write_bio_PKCS8PrivateKey(output.get(), state_->key.get(), nullptr, nullptr, 0, nullptr, nullptr)) {
    throw std::bad_alloc();
  }
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;
  BIO_mem_contents(output.get(), &data, &size);
  SecretString text(std::string_view(reinterpret_cast<const char*>(data), size));
  wipe(const_cast<std::uint8_t*>(data), size);
  return text;
}

PublicKey PrivateKey::public_key() const {
  // Through DER, so that what is handed out holds no private part.
  bssl::ScopedCBB builder;
  if (!CBB_init(builder.get(), 512) || !EVP_marshal_public_key(builder.get(), state_->key.get())) throw std::bad_alloc();
  auto key = PublicKey::from_der(take(builder.get()));
  assert(key);
  return *std::move(key);
}

Result<std::string> PrivateKey::sign(std::string_view message) const {
  bssl::ScopedEVP_MD_CTX context;
  std::size_t size = 0;
  if (!EVP_DigestSignInit(context.get(), nullptr, signature_digest(state_->type), nullptr, state_->key.get()) ||
      !EVP_DigestSign(context.get(), nullptr, &size, octets(message), message.size())) {
    return fail(ErrorKind::internal, "No signature could be made", take_error_text());
  }
  std::string signature(size, '\0');
  if (!EVP_DigestSign(context.get(), octets(signature), &size, octets(message), message.size())) {
    return fail(ErrorKind::internal, "No signature could be made", take_error_text());
  }
  signature.resize(size);
  return signature;
}

Result<std::string> PrivateKey::sign_digest(const Sha256Value& digest) const {
  if (state_->type == KeyType::ed25519) return sign(as_text(digest));
  const auto context = digest_context(state_->key.get());
  std::size_t size = 0;
  if (!context || EVP_PKEY_sign_init(context.get()) != 1 || EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) != 1 ||
      EVP_PKEY_sign(context.get(), nullptr, &size, digest.data(), digest.size()) != 1) {
    return fail(ErrorKind::internal, "No signature could be made", take_error_text());
  }
  std::string signature(size, '\0');
  if (EVP_PKEY_sign(context.get(), octets(signature), &size, digest.data(), digest.size()) != 1) {
    return fail(ErrorKind::internal, "No signature could be made", take_error_text());
  }
  signature.resize(size);
  return signature;
}

}  // namespace keystonemail::crypto
