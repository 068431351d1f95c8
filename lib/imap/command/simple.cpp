// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The commands without arguments.
#include "base/try.hpp"
#include "imap/command/parse.hpp"

namespace keystonemail::imap {

Parsed<CommandVariant> parse_noop(Cursor&, NumberKind) { return Noop{}; }
Parsed<CommandVariant> parse_check(Cursor&, NumberKind) { return Check{}; }
Parsed<CommandVariant> parse_namespace(Cursor&, NumberKind) { return Namespace{}; }
Parsed<CommandVariant> parse_close(Cursor&, NumberKind) { return Close{}; }
Parsed<CommandVariant> parse_unselect(Cursor&, NumberKind) { return Unselect{}; }

// RFC 4978 §3: compress = "COMPRESS" SP algorithm
Parsed<CommandVariant> parse_compress(Cursor& cursor, NumberKind) {
  KM_CHECK(cursor.space());
  if (!cursor.take_word("DEFLATE")) return std::unexpected(Fault::bad_compression);
  return Compress{};
}

}  // namespace keystonemail::imap
