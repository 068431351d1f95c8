// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include "base/format.hpp"
#include "base/try.hpp"
#include "crypto/base64.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/crypto/password.hpp"

namespace keystonemail::crypto {
namespace {

std::string_view scheme_of(Hash hash) noexcept {
  switch (hash) {
    case Hash::sha1: return "SCRAM-SHA-1";
    case Hash::sha256: return "SCRAM-SHA-256";
    case Hash::sha512: return "SCRAM-SHA-512";
  }
  return {};
}

std::string_view take_field(std::string_view& rest, char end) noexcept {
  const auto part = rest.substr(0, rest.find(end));
  rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  return part;
}

}  // namespace

Result<ScramKeys> derive_scram_keys(Hash hash, std::string_view password, std::string_view salt, std::uint32_t iterations) {
  if (salt.empty() || iterations < 1 || iterations > limits::scram_iterations_max) {
    return fail(ErrorKind::invalid, "SCRAM keys need a salt and a number of iterations");
  }
  KM_TRY(const auto prepared, prepare_password(password));
  // RFC 5802 §3: SaltedPassword, ClientKey, StoredKey, ServerKey.
  auto salted = pbkdf2(hash, prepared.view(), salt, iterations, digest_octets(hash));
  auto client_key = hmac(hash, salted, "Client Key");
  ScramKeys keys{std::string(salt), iterations, digest(hash, client_key), hmac(hash, salted, "Server Key")};
  wipe(client_key);
  wipe(salted);
  return keys;
}

std::string ScramKeys::serialise(Hash hash) const {
  return format("{}${}:{}${}:{}", scheme_of(hash), iterations, to_base64(salt), to_base64(stored_key), to_base64(server_key));
}

Result<ScramKeys> ScramKeys::parse(std::string_view text, Hash hash) {
  const auto broken = [] { return fail(ErrorKind::corrupt, "These are not SCRAM keys"); };
  if (text.size() > limits::password_hash_octets_max || take_field(text, '$') != scheme_of(hash)) return broken();
  const auto iterations = parse_decimal(take_field(text, ':'), limits::scram_iterations_max);
  const auto salt = from_base64(take_field(text, '$'));
  const auto stored_key = from_base64(take_field(text, ':'));
  const auto server_key = from_base64(text);
  if (!iterations || *iterations == 0 || !salt || salt->empty()) return broken();
  if (!stored_key || stored_key->size() != digest_octets(hash)) return broken();
  if (!server_key || server_key->size() != digest_octets(hash)) return broken();
  return ScramKeys{*salt, static_cast<std::uint32_t>(*iterations), *stored_key, *server_key};
}

}  // namespace keystonemail::crypto
