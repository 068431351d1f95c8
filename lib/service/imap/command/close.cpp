// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// CLOSE (RFC 9051 §6.4.1) and UNSELECT (§6.4.2).
#include "service/imap/command/commands.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

// Expunges without telling, HIGHESTMODSEQ neither (RFC 7162 §3.2.8); not in a mailbox opened by EXAMINE.
Task<Reply> execute(Session& session, engine::Close) {
  Reply reply = ok("CLOSE completed");
  reply.leaves_mailbox = true;
  MailboxView& view = *session.view();
  if (view.read_only) co_return reply;
  const auto gone = co_await session.store().expunge(session.account(), view.id, mailstore::AllMessages{}, session.working());
  if (!gone && gone.error().kind() != ErrorKind::not_found) {
    session.log_error("imap.expunge.failed", gone.error());
    Reply failed = reply_for(gone.error());
    co_return failed;
  }
  co_return reply;
}

Task<Reply> execute(Session&, engine::Unselect) {
  Reply reply = ok("UNSELECT completed");
  reply.leaves_mailbox = true;
  co_return reply;
}

}  // namespace keystonemail::service::imap
