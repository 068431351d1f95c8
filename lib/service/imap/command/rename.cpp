// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// RENAME (RFC 9051 §6.3.6).
#include "service/imap/command/commands.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

Task<Reply> execute(Session& session, engine::Rename command) {
  const auto mailbox = co_await session.store().find_mailbox(session.account(), command.from, session.working());
  if (!mailbox) co_return reply_for(mailbox.error());
  if (command.to.ends_with(mailstore::limits::hierarchy_separator)) command.to.pop_back();
  const auto renamed = co_await session.store().rename_mailbox(session.account(), mailbox->id, command.to, session.working());
  if (!renamed) co_return reply_for(renamed.error());
  if (session.features().imap4rev2) {  // RFC 9051 §6.3.6: from the name given to what the new one has become
    const auto after = co_await session.store().find_mailbox(session.account(), command.to, session.working());
    if (after && (after->path != command.to || mailbox->path != command.from)) session.tell_old_name(command.from, *after);
  }
  co_return ok("RENAME completed");
}

}  // namespace keystonemail::service::imap
