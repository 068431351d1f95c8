// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dkim/signature.hpp"

#include <algorithm>

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/base64.hpp"
#include "keystonemail/codec/idna.hpp"
#include "mailauth/dkim/signature_reader.hpp"

namespace keystonemail::mailauth::dkim {
namespace {

constexpr unsigned arc_instance_max = 50;  // RFC 8617 §4.2.1

// RFC 6376 §2.11: white space is no part of it.
std::optional<std::string> decode_quoted_printable(std::string_view value) {
  std::string out;
  const std::string text = without_white_space(value);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
      continue;
    }
    const auto digit = [&](std::size_t at) -> int {
      const char c = at < text.size() ? text[at] : '\0';
      return is_digit(c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    };
    if (digit(i + 1) < 0 || digit(i + 2) < 0) return std::nullopt;
    out += static_cast<char>(digit(i + 1) * 16 + digit(i + 2));
    i += 2;
  }
  return out;
}

std::optional<Canonicalization> canonicalization(std::string_view name) {
  if (name == "simple") return Canonicalization::simple;
  if (name == "relaxed") return Canonicalization::relaxed;
  return std::nullopt;
}

Reading read_version(const TagList& tags, Signature&) {
  const auto version = tags.value("v");
  if (!version) return permanent("no v= tag");
  if (*version != "1") return permanent("version is not 1");
  return std::nullopt;
}

Reading read_canonicalization(const TagList& tags, Signature& signature) {
  const auto value = tags.value("c").value_or("simple/simple");
  const std::size_t slash = value.find('/');
  const auto header = canonicalization(value.substr(0, slash));
  const auto body = slash == std::string_view::npos ? Canonicalization::simple : canonicalization(value.substr(slash + 1));
  if (!header || !body) return Problem{Outcome::neutral, "unknown canonicalization"};
  signature.header = *header;
  signature.body = *body;
  return std::nullopt;
}

Reading read_body_hash(const TagList& tags, Signature& signature) {
  const auto value = tags.value("bh");
  if (!value) return permanent("no bh= tag");
  auto hash = codec::decode_base64(without_white_space(*value));
  if (!hash || hash->size() != sizeof(crypto::Sha256Value)) return permanent("bad bh= tag");
  signature.body_hash = *std::move(hash);
  return std::nullopt;
}

enum class Empty : std::uint8_t { refuse, skip };

Reading read_field_names(const TagList& tags, Signature& signature, Empty empty) {
  const auto value = tags.value("h");
  if (!value) return permanent("no h= tag");
  const auto names = split_colons(*value);
  if (names.size() > limits::signed_fields_max) return permanent("too many names in h=");
  for (const std::string_view name : names) {
    if (name.empty() && empty == Empty::skip) continue;
    const auto is_printable = [](char c) { return c > ' ' && c < '\x7f'; };
    if (name.empty() || !std::ranges::all_of(name, is_printable)) return permanent("bad name in h=");
    signature.fields.push_back(to_lower(name));
  }
  return std::nullopt;
}

Reading read_fields(const TagList& tags, Signature& signature) {
  if (auto problem = read_field_names(tags, signature, Empty::refuse)) return problem;
  if (std::ranges::find(signature.fields, "from") == signature.fields.end()) return permanent("From field not signed");
  return std::nullopt;
}

Reading read_body_octets(const TagList& tags, Signature& signature) {
  const auto value = tags.value("l");
  if (!value) return std::nullopt;
  // More than fits is more than any body has, and so is refused like it.
  signature.body_octets = parse_decimal(*value);
  if (!signature.body_octets) return permanent("bad l= tag");
  return std::nullopt;
}

Reading read_query_methods(const TagList& tags, Signature&) {
  const auto value = tags.value("q");
  if (!value) return std::nullopt;
  const auto methods = split_colons(*value);
  if (std::ranges::any_of(methods, [](std::string_view method) { return iequals(method, "dns/txt"); })) return std::nullopt;
  return Problem{Outcome::neutral, "no known query method"};
}

bool is_same_or_below(std::string_view name, std::string_view domain) {
  const auto child = codec::to_ascii_domain(name);
  const auto parent = codec::to_ascii_domain(domain);
  if (!child || !parent) return false;
  return *child == *parent || child->ends_with("." + *parent);
}

// RFC 6376 §3.5 on i=: an address whose local part may be absent, in the domain of d= or below.
Reading read_identity(const TagList& tags, Signature& signature) {
  const auto value = tags.value("i");
  if (!value) {
    signature.identity = "@" + signature.domain;
    return std::nullopt;
  }
  auto identity = decode_quoted_printable(*value);
  if (!identity) return permanent("bad i= tag");
  const std::size_t at = identity->rfind('@');
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; };
  if (at == std::string::npos || std::ranges::any_of(*identity, is_control)) return permanent("bad i= tag");
  if (!is_same_or_below(std::string_view(*identity).substr(at + 1), signature.domain)) return permanent("domain mismatch");
  signature.identity = *std::move(identity);
  return std::nullopt;
}

// RFC 8617 §4.1.2. The seal is made after this signature, so one that covers it covers an older seal only.
// LENIENT: other fields that a sealer may not sign are let be; they can only break the signature. Which fields it signed, From
// among them, is the sealer's affair, as is an empty name: believed are those that the operator trusts, and other verifiers agree.
Reading read_sealed_fields(const TagList& tags, Signature& signature) {
  if (auto problem = read_field_names(tags, signature, Empty::skip)) return problem;
  if (std::ranges::find(signature.fields, "arc-seal") == signature.fields.end()) return std::nullopt;
  return permanent("ARC-Seal is signed");
}

using Reader = Reading (*)(const TagList&, Signature&);

// The names come first, so that a result can tell whose signature is broken.
constexpr Reader dkim_readers[] = {read_key_name, read_value, read_version, read_algorithm, read_canonicalization,
                                   read_query_methods, read_identity, read_fields, read_body_hash, read_body_octets,
                                   read_times};
constexpr Reader arc_readers[] = {read_instance, read_key_name, read_value, read_algorithm, read_canonicalization,
                                  read_query_methods, read_sealed_fields, read_body_hash, read_body_octets, read_times};

// All are run, so that as much as possible is known; the first problem stands.
template <std::size_t count>
void read_all(const Reader (&readers)[count], const TagList& tags, SignatureReading& reading) {
  for (const Reader reader : readers) {
    auto problem = reader(tags, reading.signature);
    if (!reading.problem) reading.problem = std::move(problem);
  }
}

}  // namespace

Problem permanent(std::string_view reason) { return {Outcome::permerror, std::string(reason)}; }

Reading read_algorithm(const TagList& tags, Signature& signature) {
  const auto value = tags.value("a");
  if (!value) return permanent("no a= tag");
  signature.algorithm = to_lower(*value);
  if (signature.algorithm == "rsa-sha256") {
    signature.key_type = crypto::KeyType::rsa;
  } else if (signature.algorithm == "ed25519-sha256") {
    signature.key_type = crypto::KeyType::ed25519;
  } else if (signature.algorithm == "rsa-sha1") {
    return permanent("rsa-sha1 is historic");  // RFC 8301 §3.1
  } else {
    return Problem{Outcome::neutral, "unknown algorithm"};
  }
  return std::nullopt;
}

Reading read_value(const TagList& tags, Signature& signature) {
  const Tag* tag = tags.find("b");
  if (!tag) return permanent("no b= tag");
  signature.value_begin = tag->raw_begin;
  signature.value_end = tag->raw_end;
  signature.signature_text = without_white_space(tag->value);
  auto octets = codec::decode_base64(signature.signature_text);
  if (!octets || octets->empty() || octets->size() > limits::signature_octets_max) return permanent("bad b= tag");
  signature.signature = *std::move(octets);
  return std::nullopt;
}

Reading read_key_name(const TagList& tags, Signature& signature) {
  const auto domain = tags.value("d");
  const auto selector = tags.value("s");
  if (domain) signature.domain = *domain;
  if (selector) signature.selector = *selector;
  if (!domain) return permanent("no d= tag");
  if (!selector) return permanent("no s= tag");
  auto name = key_name(*selector, *domain);
  if (!name) return permanent("d= and s= are no name");
  signature.key_name = *std::move(name);
  return std::nullopt;
}

Reading read_times(const TagList& tags, Signature& signature) {
  for (const auto& [name, time] : {std::pair("t", &signature.signed_at), std::pair("x", &signature.expires_at)}) {
    const auto value = tags.value(name);
    if (!value) continue;
    if (!value->empty() && std::ranges::all_of(*value, [](char c) { return is_digit(c); })) {
      // RFC 6376 §3.5: longer ones may be taken as infinite.
      *time = parse_decimal(*value, limits::time_seconds_max).value_or(limits::time_seconds_max);
    } else {
      return permanent("bad t= or x= tag");
    }
  }
  if (signature.signed_at && signature.expires_at && *signature.expires_at <= *signature.signed_at) {
    return permanent("expires before it was made");
  }
  return std::nullopt;
}

Reading read_instance(const TagList& tags, Signature& signature) {
  const auto instance = parse_decimal(tags.value("i").value_or(""), arc_instance_max);
  if (!instance || *instance == 0) return permanent("bad instance");
  signature.instance = static_cast<unsigned>(*instance);
  return std::nullopt;
}

std::string_view to_string(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::none: return "none";
    case Outcome::pass: return "pass";
    case Outcome::fail: return "fail";
    case Outcome::policy: return "policy";
    case Outcome::neutral: return "neutral";
    case Outcome::temperror: return "temperror";
    case Outcome::permerror: return "permerror";
  }
  return {};
}

std::optional<dns::Name> key_name(std::string_view selector, std::string_view domain) {
  // RFC 6376 §3.5: a domain has two labels at least, so that nobody signs for "com".
  if (selector.empty() || domain.find('.') == std::string_view::npos || domain.ends_with('.')) return std::nullopt;
  if (!dns::Name::from_domain(domain)) return std::nullopt;
  std::string text(selector);
  text += "._domainkey.";
  text += domain;
  return dns::Name::from_domain(text);
}

SignatureReading read_signature(std::string_view value, SignatureField field) {
  SignatureReading reading;
  const auto tags = TagList::parse(value);
  if (!tags) {
    reading.problem = permanent(tags.error().text());
    return reading;
  }
  if (field == SignatureField::dkim_signature) {
    read_all(dkim_readers, *tags, reading);
  } else {
    read_all(arc_readers, *tags, reading);
  }
  return reading;
}

void append_signed_form(std::string& out, const mime::Field& field, const Signature& signature) {
  const std::size_t name_octets = static_cast<std::size_t>(field.value.data() - field.raw.data());
  std::string text;
  text.reserve(field.raw.size() + 2);
  text += field.raw.substr(0, name_octets);
  text += field.value.substr(0, signature.value_begin);
  text += field.value.substr(signature.value_end);
  const mime::Field without_value{field.id, field.name, std::string_view(text).substr(name_octets), text};
  append_canonical_field(out, without_value, signature.header);
  out.resize(out.size() - 2);
}

}  // namespace keystonemail::mailauth::dkim
