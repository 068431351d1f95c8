// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE: commands that name mailboxes.
#include "base/try.hpp"
#include "imap/command/parse.hpp"
#include "keystonemail/base/text.hpp"

namespace keystonemail::imap {
namespace {

Parsed<std::string> parse_name(Cursor& cursor) {
  KM_CHECK(cursor.space());
  return cursor.mailbox();
}

// RFC 9051 §6.3.4: any error in creation is NO, not BAD.
Parsed<std::string> parse_new_name(Cursor& cursor) {
  auto name = parse_name(cursor);
  if (!name && name.error() == Fault::bad_mailbox_name) return std::unexpected(Fault::bad_new_name);
  return name;
}

// RFC 6154 §6: use-attr; \Important is RFC 8457 §3.
Parsed<SpecialUse> parse_special_use(Cursor& cursor) {
  if (!cursor.take('\\')) return std::unexpected(Fault::bad_special_use);
  const auto name = cursor.word();
  if (iequals(name, "All")) return SpecialUse::all;
  if (iequals(name, "Archive")) return SpecialUse::archive;
  if (iequals(name, "Drafts")) return SpecialUse::drafts;
  if (iequals(name, "Flagged")) return SpecialUse::flagged;
  if (iequals(name, "Junk")) return SpecialUse::junk;
  if (iequals(name, "Sent")) return SpecialUse::sent;
  if (iequals(name, "Trash")) return SpecialUse::trash;
  if (iequals(name, "Important")) return SpecialUse::important;
  return std::unexpected(Fault::bad_special_use);
}

constexpr std::size_t special_uses_max = 8;

}  // namespace

// create = "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"]
Parsed<CommandVariant> parse_create(Cursor& cursor, NumberKind) {
  Create create;
  KM_TRY(create.mailbox, parse_new_name(cursor));
  if (!cursor.take(' ')) return create;
  KM_CHECK(cursor.open());
  if (!cursor.take_word("USE")) return std::unexpected(Fault::bad_modifier);
  KM_CHECK(cursor.space());
  KM_CHECK(cursor.open());
  if (!cursor.take(')')) {
    do {
      KM_TRY(const auto use, parse_special_use(cursor));
      if (create.special_uses.size() == special_uses_max) return std::unexpected(Fault::duplicate_modifier);
      create.special_uses.push_back(use);
    } while (cursor.take(' '));
    KM_CHECK(cursor.close());
  }
  KM_CHECK(cursor.close());
  return create;
}

Parsed<CommandVariant> parse_delete(Cursor& cursor, NumberKind) {
  KM_TRY(auto mailbox, parse_name(cursor));
  return Delete{std::move(mailbox)};
}

Parsed<CommandVariant> parse_rename(Cursor& cursor, NumberKind) {
  KM_TRY(auto from, parse_name(cursor));
  KM_TRY(auto to, parse_new_name(cursor));
  return Rename{std::move(from), std::move(to)};
}

Parsed<CommandVariant> parse_subscribe(Cursor& cursor, NumberKind) {
  KM_TRY(auto mailbox, parse_name(cursor));
  return Subscribe{std::move(mailbox)};
}

Parsed<CommandVariant> parse_unsubscribe(Cursor& cursor, NumberKind) {
  KM_TRY(auto mailbox, parse_name(cursor));
  return Unsubscribe{std::move(mailbox)};
}

}  // namespace keystonemail::imap
