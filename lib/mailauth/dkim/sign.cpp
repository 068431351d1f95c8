// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "mailauth/dkim/sign.hpp"

#include <cassert>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/codec/base64.hpp"
#include "keystonemail/codec/idna.hpp"
#include "mailauth/dkim/check.hpp"

namespace keystonemail::mailauth::dkim {
namespace {

void write_names(FoldedField& out, const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string name = names[i] + (i + 1 < names.size() ? ":" : ";");
    if (i == 0) {
      out.word("h=" + name);
    } else {
      out.piece(name);
    }
  }
}

// RFC 6376 §2.11; folding is nobody's business here, so blanks are encoded.
std::string encode_quoted_printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet > 0x20 && octet < 0x7f && c != ';' && c != '=') {
      out += c;
    } else {
      format_to(out, "={:02X}", octet);
    }
  }
  return out;
}

}  // namespace

std::string_view algorithm_name(crypto::KeyType type) noexcept {
  return type == crypto::KeyType::ed25519 ? "ed25519-sha256" : "rsa-sha256";
}

Result<void> check_key(const SigningKey& key) {
  if (!key_name(key.selector, key.domain)) {
    return fail(ErrorKind::invalid, format("No key can be published for selector {} of {}", key.selector, key.domain));
  }
  if (key.key.type() == crypto::KeyType::ecdsa_p256) return fail(ErrorKind::invalid, "DKIM keys are RSA or Ed25519");
  if (key.key.type() == crypto::KeyType::rsa && key.key.bits() < limits::signing_rsa_bits_min) {
    return fail(ErrorKind::invalid, "RSA keys of DKIM have at least 1024 bits");
  }
  return {};
}

std::string ascii_name(std::string_view name) {
  auto ascii = codec::to_ascii_domain(name);
  assert(ascii);
  return *std::move(ascii);
}

Result<void> check_top(std::string_view header) {
  if (!header.starts_with(' ') && !header.starts_with('\t')) return {};
  return fail(ErrorKind::invalid, "The header begins with white space");
}

std::vector<std::string> names_to_sign(const HeaderFields& fields, std::span<const SignedField> rules) {
  std::vector<std::string> names;
  for (const SignedField& rule : rules) {
    const std::size_t times = fields.named(rule.name).size() + (rule.rule == FieldRule::oversigned ? 1 : 0);
    names.insert(names.end(), times, rule.name);
  }
  return names;
}

mime::Field field_of(std::string_view text) {
  mime::HeaderReader reader(text);
  auto field = reader.next();
  assert(field && !field->name.empty());
  return *field;
}

Result<std::string> write_signature(std::string_view name, std::string_view first_tag, const Signature& draft,
                                    const HeaderFields& fields, const crypto::PrivateKey& key) {
  assert(!draft.fields.empty());
  FoldedField out(name);
  out.word(format("{};", first_tag));
  out.word(format("a={};", draft.algorithm));
  out.word(format("c={}/{};", to_string(draft.header), to_string(draft.body)));
  out.word(format("d={};", draft.domain));
  out.word(format("s={};", draft.selector));
  if (!draft.identity.empty()) out.word(format("i={};", encode_quoted_printable(draft.identity)));
  if (draft.signed_at) out.word(format("t={};", *draft.signed_at));
  if (draft.expires_at) out.word(format("x={};", *draft.expires_at));
  write_names(out, draft.fields);
  out.word(format("bh={};", codec::encode_base64(draft.body_hash)));
  out.word("b=");
  // RFC 6376 §3.7: it signs itself with an empty b=.
  Signature unsigned_form = draft;
  const mime::Field own = field_of(out.text());
  unsigned_form.value_begin = unsigned_form.value_end = own.value.size();
  KM_TRY(const std::string signature, key.sign_digest(header_digest(fields, own, unsigned_form)));
  out.run(codec::encode_base64(signature));
  return out.take();
}

}  // namespace keystonemail::mailauth::dkim
