// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "base/try.hpp"
#include "imap/command/parse.hpp"

namespace keystonemail::imap {
namespace {

// store-modifier: "(" "UNCHANGEDSINCE" SP mod-sequence-valzer ")" (RFC 7162 §7)
Parsed<void> parse_modifiers(Cursor& cursor, Store& store) {
  KM_CHECK(cursor.open());
  do {
    if (!cursor.take_word("UNCHANGEDSINCE")) return std::unexpected(Fault::bad_modifier);
    if (store.unchanged_since) return std::unexpected(Fault::duplicate_modifier);
    KM_CHECK(cursor.space());
    KM_TRY(store.unchanged_since, cursor.number64());
  } while (cursor.take(' '));
  KM_CHECK(cursor.close());
  return cursor.space();
}

Parsed<void> parse_action(Cursor& cursor, Store& store) {
  if (cursor.take('+')) store.action = StoreAction::add;
  else if (cursor.take('-')) store.action = StoreAction::remove;
  if (cursor.take_word("FLAGS.SILENT")) store.silent = true;
  else if (!cursor.take_word("FLAGS")) return std::unexpected(Fault::bad_store_action);
  return cursor.space();
}

}  // namespace

// store = "STORE" SP sequence-set [SP store-modifiers] SP store-att-flags, whose flags may do without parentheses
Parsed<CommandVariant> parse_store(Cursor& cursor, NumberKind numbers) {
  Store store;
  store.numbers = numbers;
  KM_CHECK(cursor.space());
  KM_TRY(store.set, cursor.sequence_set());
  KM_CHECK(cursor.space());
  if (cursor.peek() == '(') { KM_CHECK(parse_modifiers(cursor, store)); }
  KM_CHECK(parse_action(cursor, store));
  if (cursor.peek() == '(') {
    KM_TRY(store.flags, cursor.flag_list());
    return store;
  }
  do {
    KM_CHECK(cursor.flag(store.flags));
  } while (cursor.take(' '));
  return store;
}

}  // namespace keystonemail::imap
