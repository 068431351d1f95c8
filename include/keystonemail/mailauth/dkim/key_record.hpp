// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The TXT record in which a domain publishes a key (RFC 6376 §3.6.1, RFC 8463 §4.2).
//
// Ownership: values. Threads: pure functions. Errors: invalid, with the reason as text.
// Limits: dkim::limits.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/result.hpp"
#include "keystonemail/crypto/key.hpp"

namespace keystonemail::mailauth::dkim {

namespace limits {
inline constexpr std::size_t key_record_octets_max = 16 * 1024;
}  // namespace limits

struct KeyRecord {
  crypto::KeyType type = crypto::KeyType::rsa;    // k=
  std::optional<crypto::PublicKey> key;           // p=; nothing: revoked
  bool sha256 = true;                             // h= lets it be used
  bool for_mail = true;                           // s= lets it be used
  bool for_tls_reports = true;                    // likewise, of such mail alone (RFC 8460 §3)
  bool testing = false;                           // t=y
  bool exact_domain = false;                      // t=s: i= may not be below d=

  [[nodiscard]] bool revoked() const noexcept { return !key; }
};

[[nodiscard]] Result<KeyRecord> parse_key_record(std::string_view text);

enum class KeyUse : std::uint8_t { live, testing };

// The record for a key. REQUIRES: RSA or Ed25519.
[[nodiscard]] std::string key_record_text(const crypto::PublicKey& key, KeyUse use = KeyUse::live);
// Of a key that is used no more: p= is empty.
[[nodiscard]] std::string revoked_key_record_text(crypto::KeyType type);
// `text` in the strings of a TXT record, of at most 255 octets each (RFC 6376 §3.6.2.2).
[[nodiscard]] std::vector<std::string> txt_strings(std::string_view text);

}  // namespace keystonemail::mailauth::dkim
