// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "mailauth/dkim/check.hpp"

#include <algorithm>
#include <array>
#include <cassert>

#include "base/format.hpp"
#include "mailauth/dkim/signature_reader.hpp"

namespace keystonemail::mailauth::dkim {
namespace {

constexpr std::size_t records_tried_max = 4;   // RFC 6376 §3.6.2.2 knows one; several are tried in turn

// RFC 5322 §3.6 and, for MIME, RFC 2045 §3: more than one of these makes readers disagree on what the message says.
// Not so MIME-Version, of which gateways and lists add another.
constexpr std::array<std::string_view, 15> single_fields = {
    "from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references", "subject", "date",
    "content-type", "content-transfer-encoding", "content-id", "content-disposition"};

std::optional<Problem> check_answer(const dns::Answer& answer) {
  if (dns::is_temporary(answer.status)) return Problem{Outcome::temperror, "key unavailable"};
  if (answer.status != dns::AnswerStatus::found) return permanent("no key for signature");
  return std::nullopt;
}

// i= in the very domain of d=. Both are names that were checked.
bool is_exact_domain(const Signature& signature) {
  const auto identity = dns::Name::from_domain(signature.identity.substr(signature.identity.rfind('@') + 1));
  return identity && identity == dns::Name::from_domain(signature.domain);
}

std::optional<Problem> check_size(const crypto::PublicKey& key, KeyPolicy policy) {
  if (key.type() != crypto::KeyType::rsa) return std::nullopt;
  // RFC 8301 §3.2: below 1024 bits it MUST NOT count, above 4096 it need not be verified (attack D4).
  if (key.bits() < policy.rsa_bits_min) return Problem{Outcome::policy, format("key of {} bits is too short", key.bits())};
  if (key.bits() > policy.rsa_bits_max) return Problem{Outcome::neutral, format("key of {} bits is too long", key.bits())};
  return std::nullopt;
}

std::optional<Problem> check_record(const KeyRecord& record, const Signature& signature, KeyPolicy policy) {
  if (!record.for_mail && !(policy.takes_report_keys && record.for_tls_reports)) return key_not_for_mail();
  if (!record.sha256) return permanent("inappropriate hash algorithm");
  if (record.revoked()) return permanent("key revoked");
  if (record.type != signature.key_type) return permanent("inappropriate key algorithm");
  if (record.exact_domain && !signature.identity.empty() && !is_exact_domain(signature)) return permanent("domain mismatch");
  return check_size(*record.key, policy);
}

}  // namespace

Problem key_not_for_mail() { return permanent("key not for mail"); }

std::expected<std::vector<KeyRecord>, Problem> usable_keys(const dns::Answer& answer, const Signature& signature,
                                                           KeyPolicy policy) {
  if (auto problem = check_answer(answer)) return std::unexpected(*std::move(problem));
  std::vector<KeyRecord> keys;
  std::optional<Problem> first_problem;
  for (const dns::RecordData& data : answer.records) {
    const auto* txt = std::get_if<dns::Txt>(&data);
    if (!txt || keys.size() == records_tried_max) continue;
    auto record = parse_key_record(txt->joined());
    auto problem = record ? check_record(*record, signature, policy) : permanent("key syntax error: " + record.error().text());
    if (!problem) {
      keys.push_back(*std::move(record));
    } else if (!first_problem) {
      first_problem = std::move(problem);
    }
  }
  if (keys.empty()) return std::unexpected(first_problem.value_or(permanent("no key for signature")));
  return keys;
}

crypto::Sha256Value header_digest(const HeaderFields& fields, const mime::Field& own, const Signature& signature) {
  crypto::Digester digester(crypto::Hash::sha256);
  FieldPicker picker(fields);
  std::string text;
  for (const std::string& name : signature.fields) {
    const mime::Field* field = picker.take(name);
    if (field && field->raw.data() == own.raw.data()) field = picker.take(name);  // it never signs itself
    if (!field) continue;  // RFC 6376 §5.4: as if it were empty, name and all
    append_canonical_field(text, *field, signature.header);
    if (text.size() < 16 * 1024) continue;
    digester.update(text);
    text.clear();
  }
  append_signed_form(text, own, signature);
  digester.update(text);
  return digester.finish_sha256();
}

std::optional<Problem> check_body_hash(const BodyHashes& hashes, const Signature& signature) {
  const auto value = hashes.of(signature.body).value(signature.body_octets);
  if (!value) return permanent("body is shorter than l=");
  if (!std::ranges::equal(*value, signature.body_hash, {}, {}, [](char c) { return static_cast<std::uint8_t>(c); })) {
    return Problem{Outcome::fail, "body hash did not verify"};
  }
  return std::nullopt;
}

const KeyRecord* matching_key(std::span<const KeyRecord> keys, const crypto::Sha256Value& digest, const Signature& signature) {
  const auto found = std::ranges::find_if(
      keys, [&](const KeyRecord& record) { return record.key->verify_digest(digest, signature.signature); });
  return found == keys.end() ? nullptr : &*found;
}

std::optional<Problem> check_duplicates(const HeaderFields& fields, const Signature& signature) {
  for (const std::string_view name : single_fields) {
    const auto times_signed = static_cast<std::size_t>(std::ranges::count(signature.fields, name));
    const std::size_t times = fields.named(name).size();
    if (times > 1 && times_signed != 0 && times_signed < times) {
      return Problem{Outcome::policy, format("{} stands {} times, signed {}", name, times, times_signed)};
    }
  }
  return std::nullopt;
}

std::optional<Problem> check_times(const Signature& signature, std::uint64_t now, std::uint64_t skew) {
  if (signature.expires_at && *signature.expires_at + skew < now) return Problem{Outcome::fail, "signature expired"};
  if (signature.signed_at && *signature.signed_at > now + skew) return Problem{Outcome::neutral, "signed in the future"};
  return std::nullopt;
}

}  // namespace keystonemail::mailauth::dkim
