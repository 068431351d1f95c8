// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The value of a signature field and a key record. Invariants: what is accepted keeps to the rules, nothing odd would be
// looked up, and the signed form of the field is the field without its b=.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mailauth/dkim/key_record.hpp"
#include "keystonemail/mailauth/dkim/signature.hpp"

using namespace keystonemail;
using namespace keystonemail::mailauth::dkim;

namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

void check_signature(std::string_view value, SignatureField field) {
  const auto [signature, problem] = read_signature(value, field);
  require(signature.value_begin <= signature.value_end && signature.value_end <= value.size());
  require(std::ranges::all_of(signature.key_name.text(), [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.'; }));
  if (problem) return require(!problem->reason.empty() && problem->outcome != Outcome::pass);
  require(!signature.key_name.is_root() && signature.key_type.has_value() && signature.body_hash.size() == 32 && !signature.signature.empty());
  require(std::ranges::find(signature.fields, "from") != signature.fields.end());
}

void check_signed_form(std::string_view value) {
  const std::string raw = "X:" + std::string(value) + "\r\n";
  mime::HeaderReader reader(raw);
  const auto own = reader.next();
  if (!own || own->raw.size() != raw.size() || own->name != "X") return;
  auto [signature, problem] = read_signature(own->value);
  signature.header = Canonicalization::relaxed;
  std::string form;
  append_signed_form(form, *own, signature);
  require(form.starts_with("x:") && form.find('\n') == std::string::npos && form.size() <= raw.size());
}

void check_key_record(std::string_view text) {
  const auto record = parse_key_record(text);
  if (!record) return require(!record.error().text().empty());
  if (record->revoked()) return;
  require(record->key->type() == record->type);
  require(parse_key_record(key_record_text(*record->key))->key->der() == record->key->der());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_signature(text, SignatureField::dkim_signature);
  check_signature(text, SignatureField::arc_message_signature);
  check_signed_form(text);
  check_key_record(text);
  return 0;
}
