// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "base/try.hpp"
#include "imap/command/parse.hpp"

namespace keystonemail::imap {
namespace {

bool has_largest(const SequenceSet& set) noexcept {
  for (const auto& range : set.ranges) {
    if (range.first == largest_number || range.last == largest_number) return true;
  }
  return set.saved_result;
}

// RFC 7162 §7: known-uids, known-sequence-set and known-uid-set may not hold "*" (§3.2.5).
Parsed<SequenceSet> parse_known(Cursor& cursor) {
  KM_TRY(auto set, cursor.sequence_set());
  if (has_largest(set)) return std::unexpected(Fault::bad_sequence_set);
  return set;
}

// "(" known-sequence-set SP known-uid-set ")"
Parsed<void> parse_known_pairs(Cursor& cursor, ResyncParameters& resync) {
  KM_CHECK(cursor.open());
  KM_TRY(auto numbers, parse_known(cursor));
  KM_CHECK(cursor.space());
  KM_TRY(auto uids, parse_known(cursor));
  KM_CHECK(cursor.close());
  resync.known_pairs.emplace(std::move(numbers), std::move(uids));
  return {};
}

// "QRESYNC" SP "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"
Parsed<ResyncParameters> parse_resync(Cursor& cursor) {
  ResyncParameters resync;
  KM_CHECK(cursor.space());
  KM_CHECK(cursor.open());
  KM_TRY(resync.uid_validity, cursor.nonzero_number());
  KM_CHECK(cursor.space());
  KM_TRY(resync.modseq, cursor.nonzero_number64());
  if (cursor.take(' ')) {
    if (cursor.peek() != '(') {
      KM_TRY(resync.known_uids, parse_known(cursor));
      if (cursor.take(' ')) { KM_CHECK(parse_known_pairs(cursor, resync)); }
    } else {
      KM_CHECK(parse_known_pairs(cursor, resync));
    }
  }
  KM_CHECK(cursor.close());
  return resync;
}

Parsed<void> parse_parameter(Cursor& cursor, Select& select) {
  if (cursor.take_word("CONDSTORE")) {
    select.condstore = true;
  } else if (cursor.take_word("QRESYNC")) {
    if (!cursor.features().qresync) return std::unexpected(Fault::resync_not_enabled);  // RFC 7162 §3.2.5
    if (select.resync) return std::unexpected(Fault::duplicate_modifier);
    KM_TRY(select.resync, parse_resync(cursor));
  } else {
    return std::unexpected(Fault::bad_modifier);
  }
  return {};
}

// select = "SELECT" SP mailbox [SP "(" select-param *(SP select-param) ")"] (RFC 4466 §6)
Parsed<CommandVariant> parse(Cursor& cursor, AccessMode access) {
  Select select{.mailbox = {}, .access = access, .condstore = false, .resync = {}};
  KM_CHECK(cursor.space());
  KM_TRY(select.mailbox, cursor.mailbox());
  if (!cursor.take(' ')) return select;
  KM_CHECK(cursor.open());
  do {
    KM_CHECK(parse_parameter(cursor, select));
  } while (cursor.take(' '));
  KM_CHECK(cursor.close());
  return select;
}

}  // namespace

Parsed<CommandVariant> parse_select(Cursor& cursor, NumberKind) { return parse(cursor, AccessMode::read_write); }
Parsed<CommandVariant> parse_examine(Cursor& cursor, NumberKind) { return parse(cursor, AccessMode::read_only); }

}  // namespace keystonemail::imap
