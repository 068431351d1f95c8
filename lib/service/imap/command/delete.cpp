// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// DELETE (RFC 9051 §6.3.5).
#include "service/imap/command/commands.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

Task<Reply> execute(Session& session, engine::Delete command) {
  const auto mailbox = co_await session.store().find_mailbox(session.account(), command.mailbox, session.working());
  if (!mailbox) co_return reply_for(mailbox.error());
  const auto removed = co_await session.store().remove_mailbox(session.account(), mailbox->id, session.working());
  if (!removed && removed.error().kind() == ErrorKind::conflict) {
    co_return no(engine::Code::has_children, "The mailbox has others below it");
  }
  if (!removed) co_return reply_for(removed.error());
  // The client knows that the mailbox it has selected is gone: it did it.
  if (session.view() != nullptr && session.view()->id == mailbox->id) session.leave_mailbox();
  session.tell_old_name(command.mailbox, *mailbox, Session::Existence::removed);
  co_return ok("DELETE completed");
}

}  // namespace keystonemail::service::imap
