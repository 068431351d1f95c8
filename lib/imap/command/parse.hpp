// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The grammar of each command's arguments: what follows its name, up to the end of the text. One file each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "imap/cursor.hpp"
#include "imap/fault.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/imap/command.hpp"

namespace keystonemail::imap {

using ParseCommand = Parsed<CommandVariant> (*)(Cursor& cursor, NumberKind numbers);

Parsed<CommandVariant> parse_noop(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_check(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_namespace(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_close(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_unselect(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_login(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_id(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_select(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_examine(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_create(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_delete(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_rename(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_subscribe(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_unsubscribe(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_status(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_list(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_lsub(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_fetch(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_store(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_copy(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_move(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_expunge(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_search(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_sort(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_thread(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_get_quota(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_get_quota_root(Cursor& cursor, NumberKind numbers);
Parsed<CommandVariant> parse_compress(Cursor& cursor, NumberKind numbers);

// "(" status-att *(SP status-att) ")"; STATUS and LIST-STATUS.
Parsed<StatusItems> parse_status_items(Cursor& cursor);
// SP "RETURN" SP "(" ... ")", the word RETURN being taken already.
Parsed<SearchReturn> parse_search_return(Cursor& cursor);
// search-key *(SP search-key), strings in `charset` (empty: as the mode has it).
Parsed<SearchProgram> parse_search_program(Cursor& cursor, std::string_view charset);
// Checks the name and gives it; SP and all that follows are not read.
Parsed<std::string> parse_charset(Cursor& cursor);

// What ENABLE names that we know (RFC 5161 §3.1: the rest is ignored).
struct EnableRequest { bool imap4rev2 = false, utf8_accept = false, condstore = false, qresync = false; };
Parsed<EnableRequest> parse_enable(Cursor& cursor);

struct AuthenticateRequest {
  std::string mechanism;                         // upper case
  std::optional<std::string> initial_response;   // decoded
};
Parsed<AuthenticateRequest> parse_authenticate(Cursor& cursor);

// What APPEND says before a message: SP [flag-list SP] [date-time SP] ["UTF8" SP "("], up to the literal's mark, which
// must end the text. Fault::incomplete: the literal at the end is an earlier argument.
struct AppendMessage {
  FlagSet flags;
  std::optional<WallTime> date;
  bool utf8 = false;
};
Parsed<std::string> parse_append_mailbox(Cursor& cursor);
Parsed<AppendMessage> parse_append_message(Cursor& cursor);

}  // namespace keystonemail::imap
