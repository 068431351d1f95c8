// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "base/try.hpp"
#include "imap/command/parse.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/imap/limits.hpp"

namespace keystonemail::imap {
namespace {

// RFC 5258 §6: list-select-opts. RECURSIVEMATCH needs an option it can modify.
Parsed<void> parse_selection(Cursor& cursor, List& list) {
  KM_CHECK(cursor.open());
  list.extended = true;
  if (cursor.take(')')) return {};
  do {
    const auto name = cursor.word();
    if (iequals(name, "SUBSCRIBED")) list.select.subscribed = true;
    else if (iequals(name, "REMOTE")) list.select.remote = true;
    else if (iequals(name, "RECURSIVEMATCH")) list.select.recursive_match = true;
    else if (iequals(name, "SPECIAL-USE")) list.select.special_use = true;  // RFC 6154 §5.2
    else return std::unexpected(Fault::bad_list_option);
  } while (cursor.take(' '));
  if (list.select.recursive_match && !list.select.subscribed) return std::unexpected(Fault::bad_list_option);
  return cursor.close();
}

// list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")"; STATUS is RFC 5819.
Parsed<void> parse_return(Cursor& cursor, List& list) {
  if (!cursor.take_word("RETURN")) return std::unexpected(Fault::expected_end);
  list.extended = true;
  KM_CHECK(cursor.space());
  KM_CHECK(cursor.open());
  if (cursor.take(')')) return {};
  do {
    const auto name = cursor.word();
    if (iequals(name, "SUBSCRIBED")) {
      list.give.subscribed = true;
    } else if (iequals(name, "CHILDREN")) {
      list.give.children = true;
    } else if (iequals(name, "SPECIAL-USE")) {
      list.give.special_use = true;
    } else if (iequals(name, "STATUS")) {
      KM_CHECK(cursor.space());
      KM_TRY(list.give.status, parse_status_items(cursor));
    } else {
      return std::unexpected(Fault::bad_list_option);
    }
  } while (cursor.take(' '));
  return cursor.close();
}

// RFC 9051 §6.3.9: a pattern that is not accepted is ignored. What is not modified UTF-7 names nothing.
Parsed<void> parse_pattern(Cursor& cursor, List& list) {
  auto pattern = cursor.list_mailbox();
  if (!pattern && pattern.error() != Fault::bad_mailbox_name) return std::unexpected(pattern.error());
  if (pattern) list.patterns.push_back(*std::move(pattern));
  return {};
}

// mbox-or-pat = list-mailbox / "(" list-mailbox *(SP list-mailbox) ")"
Parsed<void> parse_patterns(Cursor& cursor, List& list) {
  if (!cursor.take('(')) return parse_pattern(cursor, list);
  list.extended = true;
  do {
    if (list.patterns.size() == limits::list_patterns_max) return std::unexpected(Fault::too_many_patterns);
    KM_CHECK(parse_pattern(cursor, list));
  } while (cursor.take(' '));
  return cursor.close();
}

// SP mailbox SP patterns. Below a reference that names nothing there is nothing either.
template <class Patterns>
Parsed<void> parse_names(Cursor& cursor, List& list, Patterns patterns) {
  auto reference = cursor.mailbox();
  if (!reference && reference.error() != Fault::bad_mailbox_name) return std::unexpected(reference.error());
  KM_CHECK(cursor.space());
  KM_CHECK(patterns(cursor, list));
  if (reference) list.reference = *std::move(reference);
  else list.patterns.clear();
  return {};
}

}  // namespace

// list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]
Parsed<CommandVariant> parse_list(Cursor& cursor, NumberKind) {
  List list;
  KM_CHECK(cursor.space());
  if (cursor.peek() == '(') {
    KM_CHECK(parse_selection(cursor, list));
    KM_CHECK(cursor.space());
  }
  KM_CHECK(parse_names(cursor, list, parse_patterns));
  if (cursor.take(' ')) { KM_CHECK(parse_return(cursor, list)); }
  return list;
}

// RFC 3501 §9: lsub = "LSUB" SP mailbox SP list-mailbox
Parsed<CommandVariant> parse_lsub(Cursor& cursor, NumberKind) {
  List list;
  list.lsub = true;
  KM_CHECK(cursor.space());
  KM_CHECK(parse_names(cursor, list, parse_pattern));
  return list;
}

}  // namespace keystonemail::imap
