// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "base/try.hpp"
#include "imap/command/parse.hpp"
#include "keystonemail/imap/limits.hpp"

namespace keystonemail::imap {
namespace {

constexpr std::size_t field_octets_max = 30;     // RFC 2971 §3.3
constexpr std::size_t value_octets_max = 1024;

Parsed<void> parse_field(Cursor& cursor, Id& id) {
  KM_TRY(auto name, cursor.string());
  KM_CHECK(cursor.space());
  std::optional<std::string> value;
  if (!cursor.take_word("NIL")) {
    KM_TRY(auto text, cursor.string());
    value = std::move(text);
  }
  if (name.size() > field_octets_max || (value && value->size() > value_octets_max) ||
      id.fields.size() == limits::id_fields_max) {
    return std::unexpected(Fault::bad_id);
  }
  id.fields.emplace_back(std::move(name), std::move(value));
  return {};
}

}  // namespace

// RFC 2971 §4: id = "ID" SP id_params_list; id_params_list = "(" #(string SPACE nstring) ")" / nil
Parsed<CommandVariant> parse_id(Cursor& cursor, NumberKind) {
  Id id;
  KM_CHECK(cursor.space());
  if (cursor.take_word("NIL")) return id;
  KM_CHECK(cursor.open());
  if (cursor.take(')')) return id;
  do {
    KM_CHECK(parse_field(cursor, id));
  } while (cursor.take(' '));
  KM_CHECK(cursor.close());
  return id;
}

}  // namespace keystonemail::imap
