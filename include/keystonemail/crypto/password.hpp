// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Passwords at rest: human ones as scrypt, imported ones as crypt(5) hashes, generated ones (app passwords).
//
// Every function here prepares the password itself (prepare_password), so callers pass what was typed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/random.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/crypto/key_derivation.hpp"
#include "keystonemail/crypto/secret.hpp"

namespace keystonemail::crypto {

namespace limits {
inline constexpr std::size_t password_octets_max = 1'024;
inline constexpr std::size_t password_hash_octets_max = 512;
inline constexpr std::size_t human_password_characters_min = 12;
}  // namespace limits

// The form in which a password is compared: RFC 4013 (SASLprep, which RFC 5802 §2.2 asks for), that is NFKC with spaces of
// every kind made U+0020 and invisible characters dropped. As RFC 8265 §4.2 does, it takes unassigned code points and text of
// mixed direction, which RFC 4013 §2.4 refuses. ASCII stays as it is.
// Errors: invalid (empty, NUL or other control characters, not UTF-8), too_large (limits::password_octets_max).
[[nodiscard]] Result<SecretString> prepare_password(std::string_view password);

// A new scrypt hash as a PHC string: "$scrypt$ln=16,r=8,p=2$salt$hash". Errors: those of prepare_password and scrypt.
[[nodiscard]] Result<std::string> hash_password(std::string_view password, Random& random, ScryptCost cost = {});

enum class PasswordCheck : std::uint8_t {
  correct,
  wrong,
  unsupported,  // a kind of hash that is not verified here ($argon2id$, {SCHEME}...), or a malformed one
  unavailable,  // no memory for the hash; try again later
};

// Checks `password` against `stored`: $scrypt$ PHC, or what libxcrypt verifies ($2b$ $5$ $6$ $7$ $y$ $gy$ $sha1).
// Blocks for as long as the hash costs; memory for it is taken and given back. Threads: any.
[[nodiscard]] PasswordCheck verify_password(std::string_view password, std::string_view stored);

// Whether verify_password can tell right from wrong by `stored`, which is tried. Blocks as that does. Errors: invalid (another kind,
// or cut short), unavailable (no memory).
[[nodiscard]] Result<void> check_password_hash(std::string_view stored);
// What kind of hash it is: "$scrypt$", "$6$"; empty when it is none.
[[nodiscard]] std::string_view password_hash_kind(std::string_view stored) noexcept;

// Whether `stored` is not a scrypt hash of at least this cost, so that a login that knew the password should replace it.
[[nodiscard]] bool needs_rehash(std::string_view stored, ScryptCost cost = {});

// Takes as long as verify_password with a hash of `cost` does: for logins that do not exist.
void spend_password_time(std::string_view password, ScryptCost cost = {});

// Why a human password is weak, as sentences for people; empty when nothing speaks against it.
[[nodiscard]] std::vector<std::string> password_weaknesses(std::string_view password, std::string_view login = {});

// A new random password of 160 bits in readable groups, without letters that look alike: "k7m2-9fqx-...".
[[nodiscard]] SecretString generate_app_password(Random& random);
// The form of an app password that is hashed: without spaces and hyphens, in lower case, as people type it.
[[nodiscard]] SecretString normalise_app_password(std::string_view typed);
// What is stored to check one: the SHA-256 of the normalised form. Its 160 random bits need no stretching.
[[nodiscard]] std::string hash_app_password(std::string_view typed);
[[nodiscard]] bool verify_app_password(std::string_view typed, std::string_view stored) noexcept;

// What a server keeps to check SCRAM logins (RFC 5802 §3).
struct ScramKeys {
  std::string salt;
  std::uint32_t iterations = 0;
  std::string stored_key;
  std::string server_key;

  // RFC 5803 style: "SCRAM-SHA-256$4096:<salt>$<stored key>:<server key>", in base64.
  [[nodiscard]] std::string serialise(Hash hash) const;
  [[nodiscard]] static Result<ScramKeys> parse(std::string_view text, Hash hash);
  friend bool operator==(const ScramKeys&, const ScramKeys&) = default;
};
namespace limits {
inline constexpr std::uint32_t scram_iterations_min = 4'096;           // RFC 7677 §4
inline constexpr std::uint32_t scram_iterations_human = 100'000;       // where a person chose the password
inline constexpr std::uint32_t scram_iterations_max = 1'000'000;
inline constexpr std::size_t scram_salt_octets = 16;
}  // namespace limits

// Errors: those of prepare_password; invalid (iterations out of bounds, no salt).
// All SCRAM credentials of one account must share salt and iterations, as the server names them before it knows
// which one the client has (RFC 5802 §5).
[[nodiscard]] Result<ScramKeys> derive_scram_keys(Hash hash, std::string_view password, std::string_view salt,
                                                  std::uint32_t iterations);

}  // namespace keystonemail::crypto
