// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dkim/key_record.hpp"

#include <algorithm>
#include <cassert>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/base64.hpp"
#include "keystonemail/mailauth/tag_list.hpp"

namespace keystonemail::mailauth::dkim {
namespace {

constexpr std::size_t txt_string_octets_max = 255;  // RFC 1035 §3.3

bool lists(const TagList& tags, std::string_view tag, std::string_view word) {
  const auto value = tags.value(tag);
  if (!value) return false;
  const auto words = split_colons(*value);
  return std::ranges::find(words, word) != words.end();
}

// RFC 6376 §3.6.1 says RSAPublicKey, its own example and all practice SubjectPublicKeyInfo.
Result<crypto::PublicKey> read_rsa(std::string_view der) {
  auto key = crypto::PublicKey::from_der(der);
  if (!key) key = crypto::PublicKey::from_rsa_der(der);
  if (key && key->type() != crypto::KeyType::rsa) return fail(ErrorKind::invalid, "k= and p= do not agree");
  return key;
}

Result<crypto::PublicKey> read_key(crypto::KeyType type, std::string_view value) {
  const auto octets = codec::decode_base64(without_white_space(value));
  if (!octets) return fail(ErrorKind::invalid, "bad base64 in p=");
  auto key = type == crypto::KeyType::rsa ? read_rsa(*octets) : crypto::PublicKey::from_ed25519(*octets);
  if (!key) return fail(ErrorKind::invalid, "bad key in p=");
  return key;
}

Result<crypto::KeyType> read_type(const TagList& tags) {
  const auto value = tags.value("k").value_or("rsa");
  if (value == "rsa") return crypto::KeyType::rsa;
  if (value == "ed25519") return crypto::KeyType::ed25519;
  return fail(ErrorKind::invalid, "unknown key type");
}

}  // namespace

Result<KeyRecord> parse_key_record(std::string_view text) {
  if (text.size() > limits::key_record_octets_max) return fail(ErrorKind::invalid, "key record too long");
  KM_TRY(const TagList tags, TagList::parse(text));
  // RFC 6376 §3.6.1: v= is first, and one word.
  if (const Tag* version = tags.find("v"); version && (version != &tags.tags().front() || version->value != "DKIM1")) {
    return fail(ErrorKind::invalid, "not a DKIM1 record");
  }
  KeyRecord record;
  KM_TRY(record.type, read_type(tags));
  record.sha256 = !tags.find("h") || lists(tags, "h", "sha256");
  record.for_mail = !tags.find("s") || lists(tags, "s", "*") || lists(tags, "s", "email");
  record.for_tls_reports = record.for_mail || lists(tags, "s", "tlsrpt");
  record.testing = lists(tags, "t", "y");
  record.exact_domain = lists(tags, "t", "s");
  const auto value = tags.value("p");
  if (!value) return fail(ErrorKind::invalid, "no p= tag");
  if (value->empty()) return record;
  KM_TRY(record.key, read_key(record.type, *value));
  return record;
}

std::string key_record_text(const crypto::PublicKey& key, KeyUse use) {
  assert(key.type() != crypto::KeyType::ecdsa_p256);
  const std::string octets = key.type() == crypto::KeyType::rsa ? key.der() : key.raw();
  return format("v=DKIM1; k={};{} p={}", to_string(key.type()), use == KeyUse::testing ? " t=y;" : "",
                codec::encode_base64(octets));
}

std::string revoked_key_record_text(crypto::KeyType type) { return format("v=DKIM1; k={}; p=", to_string(type)); }

std::vector<std::string> txt_strings(std::string_view text) {
  std::vector<std::string> strings;
  do {
    strings.emplace_back(text.substr(0, txt_string_octets_max));
    text.remove_prefix(strings.back().size());
  } while (!text.empty());
  return strings;
}

}  // namespace keystonemail::mailauth::dkim
