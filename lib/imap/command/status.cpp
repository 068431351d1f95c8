// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <array>
#include <utility>

#include "base/try.hpp"
#include "imap/command/parse.hpp"
#include "keystonemail/base/text.hpp"

namespace keystonemail::imap {
namespace {

// RFC 9051 §6.3.11; RECENT RFC 3501; HIGHESTMODSEQ RFC 7162 §3.1.7; APPENDLIMIT RFC 7889 §4; MAILBOXID RFC 8474 §4.3;
// DELETED-STORAGE RFC 9208 §4.1.4.
constexpr std::array<std::pair<std::string_view, StatusItem>, 11> items{{
    {"MESSAGES", StatusItem::messages}, {"UIDNEXT", StatusItem::uid_next}, {"UIDVALIDITY", StatusItem::uid_validity},
    {"UNSEEN", StatusItem::unseen}, {"DELETED", StatusItem::deleted}, {"SIZE", StatusItem::size},
    {"RECENT", StatusItem::recent}, {"HIGHESTMODSEQ", StatusItem::highest_modseq},
    {"APPENDLIMIT", StatusItem::append_limit}, {"MAILBOXID", StatusItem::mailbox_id},
    {"DELETED-STORAGE", StatusItem::deleted_storage}}};

}  // namespace

Parsed<StatusItems> parse_status_items(Cursor& cursor) {
  StatusItems found;
  KM_CHECK(cursor.open());
  do {
    const auto name = cursor.word();
    bool known = false;
    for (const auto& [text, item] : items) {
      if (!iequals(name, text)) continue;
      found.bits = static_cast<std::uint16_t>(found.bits | static_cast<std::uint16_t>(item));
      known = true;
    }
    if (!known) return std::unexpected(Fault::bad_status_item);
  } while (cursor.take(' '));
  KM_CHECK(cursor.close());
  return found;
}

// status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"
Parsed<CommandVariant> parse_status(Cursor& cursor, NumberKind) {
  Status status;
  KM_CHECK(cursor.space());
  KM_TRY(status.mailbox, cursor.mailbox());
  KM_CHECK(cursor.space());
  KM_TRY(status.items, parse_status_items(cursor));
  return status;
}

}  // namespace keystonemail::imap
