// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// COPY and MOVE (RFC 6851).
#include "base/try.hpp"
#include "imap/command/parse.hpp"

namespace keystonemail::imap {
namespace {

// copy = "COPY" SP sequence-set SP mailbox
template <class Kind>
Parsed<CommandVariant> parse(Cursor& cursor, NumberKind numbers) {
  Kind command;
  command.numbers = numbers;
  KM_CHECK(cursor.space());
  KM_TRY(command.set, cursor.sequence_set());
  KM_CHECK(cursor.space());
  KM_TRY(command.mailbox, cursor.mailbox());
  return command;
}

}  // namespace

Parsed<CommandVariant> parse_copy(Cursor& cursor, NumberKind numbers) { return parse<Copy>(cursor, numbers); }
Parsed<CommandVariant> parse_move(Cursor& cursor, NumberKind numbers) { return parse<Move>(cursor, numbers); }

}  // namespace keystonemail::imap
