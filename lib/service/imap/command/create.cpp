// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// CREATE (RFC 9051 §6.3.4) with special uses (RFC 6154 §5.3).
#include "service/imap/command/commands.hpp"
#include "service/imap/session.hpp"
#include "service/imap/special_use.hpp"

namespace keystonemail::service::imap {

Task<Reply> execute(Session& session, engine::Create command) {
  // A trailing separator only says that children will follow (§6.3.4); all our mailboxes may have some.
  std::string path = std::move(command.mailbox);
  if (path.ends_with(mailstore::limits::hierarchy_separator)) path.pop_back();
  if (command.special_uses.size() > 1) co_return no(engine::Code::use_attribute, "One special use at most");
  const auto role = command.special_uses.empty() ? mailstore::Role::none : role_of(command.special_uses.front());
  // Of these a mailbox would have to show all that is in others (RFC 6154 §2), and none here does.
  if (role == mailstore::Role::all || role == mailstore::Role::flagged) co_return no(engine::Code::use_attribute, "Not supported");
  mailstore::NewMailbox wanted{.path = path, .role = role};
  const auto made = co_await session.store().create_mailbox(session.account(), std::move(wanted), session.working());
  if (!made && made.error().kind() == ErrorKind::conflict) {
    const bool there = (co_await session.store().find_mailbox(session.account(), path, session.working())).has_value();
    if (there) co_return no(engine::Code::already_exists, "There is such a mailbox already");
    co_return no(engine::Code::use_attribute, "Another mailbox has this special use");
  }
  if (!made) co_return reply_for(made.error());
  session.tell_old_name(path, *made);
  Reply reply = ok("CREATE completed");
  reply.code = engine::ResponseCode::mailbox_id(object_id(made->id));  // RFC 8474 §4.1
  co_return reply;
}

}  // namespace keystonemail::service::imap
