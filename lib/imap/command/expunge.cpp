// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "base/try.hpp"
#include "imap/command/parse.hpp"

namespace keystonemail::imap {

// "EXPUNGE" / "UID" SP "EXPUNGE" SP sequence-set (RFC 4315 §2.1)
Parsed<CommandVariant> parse_expunge(Cursor& cursor, NumberKind numbers) {
  Expunge expunge;
  if (numbers == NumberKind::sequence) return expunge;
  KM_CHECK(cursor.space());
  KM_TRY(expunge.uids, cursor.sequence_set());
  return expunge;
}

}  // namespace keystonemail::imap
