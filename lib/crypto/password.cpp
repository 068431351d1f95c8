// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include "keystonemail/crypto/password.hpp"

#include <crypt.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <span>

#include "base/format.hpp"
#include "base/try.hpp"
#include "crypto/base64.hpp"
#include "keystonemail/base/text.hpp"

namespace keystonemail::crypto {
namespace {

constexpr std::size_t scrypt_salt_octets = 16;
constexpr std::size_t scrypt_key_octets = 32;
constexpr std::string_view scrypt_prefix = "$scrypt$";

std::string random_octets(Random& random, std::size_t size) {
  std::string value(size, '\0');
  random.fill(std::as_writable_bytes(std::span(value)));
  return value;
}

struct ScryptHash {
  ScryptCost cost;
  std::string salt;
  std::string key;
};

// The text up to `end`, which is dropped with it; nothing when `end` is missing.
std::optional<std::string_view> take_until(std::string_view& rest, char end) noexcept {
  const auto position = rest.find(end);
  if (position == std::string_view::npos) return std::nullopt;
  const auto part = rest.substr(0, position);
  rest.remove_prefix(position + 1);
  return part;
}

std::optional<std::uint64_t> take_parameter(std::string_view& rest, std::string_view name, char end) noexcept {
  const auto part = take_until(rest, end);
  if (!part || !part->starts_with(name)) return std::nullopt;
  return parse_decimal(part->substr(name.size()), UINT32_MAX);
}

// "$scrypt$ln=16,r=8,p=2$salt$hash", as the PHC string format has it.
std::optional<ScryptHash> parse_scrypt(std::string_view text) {
  if (text.size() > limits::password_hash_octets_max || !text.starts_with(scrypt_prefix)) return std::nullopt;
  text.remove_prefix(scrypt_prefix.size());
  const auto log2_n = take_parameter(text, "ln=", ',');
  const auto r = take_parameter(text, "r=", ',');
  const auto p = take_parameter(text, "p=", '$');
  const auto salt_text = take_until(text, '$');
  if (!log2_n || *log2_n > 32 || !r || !p || !salt_text) return std::nullopt;
  auto salt = from_base64(*salt_text, Padding::without);
  auto key = from_base64(text, Padding::without);
  if (!salt || !key || key->size() < 16 || key->size() > 64) return std::nullopt;
  const ScryptCost cost{static_cast<std::uint8_t>(*log2_n), static_cast<std::uint32_t>(*r), static_cast<std::uint32_t>(*p)};
  return ScryptHash{cost, *std::move(salt), *std::move(key)};
}

PasswordCheck check_scrypt(std::string_view prepared, const ScryptHash& stored) {
  auto key = scrypt(prepared, stored.salt, stored.cost, stored.key.size());
  if (!key) return key.error().kind() == ErrorKind::unavailable ? PasswordCheck::unavailable : PasswordCheck::unsupported;
  const bool equal = constant_time_equal(*key, stored.key);
  wipe(*key);
  return equal ? PasswordCheck::correct : PasswordCheck::wrong;
}

// Other servers name the scheme in braces before a crypt(5) hash.
std::string_view without_scheme(std::string_view stored) noexcept {
  if (!stored.starts_with('{')) return stored;
  for (const std::string_view scheme : {"{CRYPT}", "{BLF-CRYPT}", "{SHA256-CRYPT}", "{SHA512-CRYPT}", "{MD5-CRYPT}"}) {
    if (istarts_with(stored, scheme)) return stored.substr(scheme.size());
  }
  return stored;
}

bool is_crypt_hash(const std::string& hash) noexcept {
  // Without '$' it would be DES, which reads eight characters of a password.
  if (!hash.starts_with('$') || hash.size() > limits::password_hash_octets_max) return false;
  const int verdict = crypt_checksalt(hash.c_str());
  return verdict == CRYPT_SALT_OK || verdict == CRYPT_SALT_METHOD_LEGACY || verdict == CRYPT_SALT_TOO_CHEAP;
}

PasswordCheck check_crypt(std::string_view password, const std::string& stored) {
  const SecretString terminated(password);
  const auto scratch = std::make_unique<crypt_data>();
  const char* made = crypt_rn(terminated.c_str(), stored.c_str(), scratch.get(), sizeof(crypt_data));
  const bool failed = !made || made[0] == '*';
  const bool equal = !failed && constant_time_equal(made, stored);
  const bool no_memory = failed && errno == ENOMEM;
  wipe(scratch.get(), sizeof(crypt_data));
  if (no_memory) return PasswordCheck::unavailable;
  if (failed) return PasswordCheck::unsupported;
  return equal ? PasswordCheck::correct : PasswordCheck::wrong;
}

}  // namespace

Result<std::string> hash_password(std::string_view password, Random& random, ScryptCost cost) {
  KM_TRY(const auto prepared, prepare_password(password));
  const auto salt = random_octets(random, scrypt_salt_octets);
  KM_TRY(const auto key, scrypt(prepared.view(), salt, cost, scrypt_key_octets));
  return format("{}ln={},r={},p={}${}${}", scrypt_prefix, cost.log2_n, cost.r, cost.p, to_base64(salt, Padding::without),
                to_base64(key, Padding::without));
}

PasswordCheck verify_password(std::string_view password, std::string_view stored) {
  const auto prepared = prepare_password(password);
  if (const auto hash = parse_scrypt(stored)) {
    // A password that cannot be right costs what a wrong one does.
    const auto verdict = check_scrypt(prepared ? prepared->view() : "\x01", *hash);
    return prepared || verdict != PasswordCheck::correct ? verdict : PasswordCheck::wrong;
  }
  const std::string crypt_hash(without_scheme(stored));
  if (!is_crypt_hash(crypt_hash)) return PasswordCheck::unsupported;
  if (password.size() > limits::password_octets_max || password.find('\0') != std::string_view::npos) {
    return PasswordCheck::wrong;
  }
  // Where the hash comes from the password was hashed as typed.
  const auto verdict = check_crypt(password, crypt_hash);
  if (verdict != PasswordCheck::wrong || !prepared || prepared->view() == password) return verdict;
  return check_crypt(prepared->view(), crypt_hash);
}

Result<void> check_password_hash(std::string_view stored) {
  const auto unknown = [] {
    return fail(ErrorKind::invalid, "this is no password hash of a kind that can be checked here: $2b$, $5$, $6$, $7$, $y$, $gy$ and $1$ of crypt(5), "
                                    "and $scrypt$ with ln, r and p");
  };
  constexpr std::string_view any_password = "x";
  if (const auto hash = parse_scrypt(stored)) {
    const auto verdict = check_scrypt(any_password, *hash);
    if (verdict == PasswordCheck::unavailable) return fail(ErrorKind::unavailable, "there is no memory for this hash");
    return verdict == PasswordCheck::unsupported ? Result<void>(unknown()) : Result<void>();
  }
  const std::string hash(without_scheme(stored));
  if (!is_crypt_hash(hash)) return unknown();
  const auto scratch = std::make_unique<crypt_data>();
  const char* made = crypt_rn(std::string(any_password).c_str(), hash.c_str(), scratch.get(), sizeof(crypt_data));
  if (!made && errno == ENOMEM) return fail(ErrorKind::unavailable, "there is no memory for this hash");
  if (!made || made[0] == '*') return unknown();
  // The setting, which ends with the last '$' or in bcrypt's case does not, has to come back, and be followed by as much.
  const std::string_view again(made);
  const auto setting = hash.rfind('$') + 1;
  if (again.size() != hash.size() || again.substr(0, setting) != std::string_view(hash).substr(0, setting))
    return fail(ErrorKind::invalid, "this password hash is not whole");
  return {};
}

std::string_view password_hash_kind(std::string_view stored) noexcept {
  const auto hash = without_scheme(stored);
  const auto end = hash.starts_with('$') ? hash.find('$', 1) : std::string_view::npos;
  return end == std::string_view::npos ? std::string_view() : hash.substr(0, end + 1);
}

bool needs_rehash(std::string_view stored, ScryptCost cost) {
  const auto hash = parse_scrypt(stored);
  if (!hash || hash->salt.size() < scrypt_salt_octets || hash->key.size() < scrypt_key_octets) return true;
  const auto work = [](const ScryptCost& c) { return (std::uint64_t{1} << c.log2_n) * c.r * c.p; };
  const auto memory = [](const ScryptCost& c) { return (std::uint64_t{1} << c.log2_n) * c.r; };
  return work(hash->cost) < work(cost) || memory(hash->cost) < memory(cost);
}

void spend_password_time(std::string_view password, ScryptCost cost) {
  const auto prepared = prepare_password(password);
  static constexpr std::string_view salt = "0123456789abcdef";
  (void)scrypt(prepared ? prepared->view() : "\x01", salt, cost, scrypt_key_octets);
}

}  // namespace keystonemail::crypto
