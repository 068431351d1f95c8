// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "base/try.hpp"
#include "imap/command/parse.hpp"
#include "keystonemail/mime/date.hpp"

namespace keystonemail::imap {
namespace {

// date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
Parsed<WallTime> parse_date_time(Cursor& cursor) {
  KM_TRY(const auto text, cursor.string());
  const auto when = mime::parse_internal_date(text);
  if (!when) return std::unexpected(Fault::bad_date);
  return when->time;
}

}  // namespace

// append = "APPEND" SP mailbox 1*append-message (RFC 3502 §6.3.11)
Parsed<std::string> parse_append_mailbox(Cursor& cursor) {
  KM_CHECK(cursor.space());
  return cursor.mailbox();
}

// append-message = [SP flag-list] [SP date-time] SP (literal / literal8 / "UTF8" SP "(" literal8 ")")
Parsed<AppendMessage> parse_append_message(Cursor& cursor) {
  AppendMessage message;
  KM_CHECK(cursor.space());
  if (cursor.peek() == '(') {
    KM_TRY(message.flags, cursor.flag_list());
    KM_CHECK(cursor.space());
  }
  if (cursor.peek() == '"') {
    KM_TRY(message.date, parse_date_time(cursor));
    KM_CHECK(cursor.space());
  }
  if (cursor.take_word("UTF8")) {  // RFC 6855 §4: only once enabled, and only as literal8
    if (!cursor.features().utf8()) return std::unexpected(Fault::bad_modifier);
    KM_CHECK(cursor.space());
    KM_CHECK(cursor.open());
    message.utf8 = true;
  }
  LiteralMark mark;
  if (find_literal_mark(cursor.rest(), mark) != MarkKind::literal || mark.begin != 0) {
    return std::unexpected(Fault::bad_literal);
  }
  if (message.utf8 && !mark.binary) return std::unexpected(Fault::bad_literal);
  return message;
}

}  // namespace keystonemail::imap
