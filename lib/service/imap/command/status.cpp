// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// STATUS (RFC 9051 §6.3.11) with SIZE, HIGHESTMODSEQ (RFC 7162), APPENDLIMIT (RFC 7889), MAILBOXID (RFC 8474) and
// DELETED-STORAGE (RFC 9208), which is not known apart from the whole and left out.
#include "service/imap/command/status.hpp"

#include "service/imap/command/commands.hpp"
#include "service/imap/session.hpp"
#include "service/imap/special_use.hpp"

namespace keystonemail::service::imap {

void write_status(Session& session, const mailstore::Mailbox& mailbox, engine::StatusItems items) {
  using engine::StatusItem;
  engine::StatusData data;
  const std::string id = object_id(mailbox.id);
  if (items.has(StatusItem::messages)) data.messages = mailbox.messages;
  if (items.has(StatusItem::recent)) data.recent = 0;
  if (items.has(StatusItem::uid_next)) data.uid_next = mailbox.uid_next;
  if (items.has(StatusItem::uid_validity)) data.uid_validity = mailbox.uid_validity;
  if (items.has(StatusItem::unseen)) data.unseen = mailbox.unseen;
  if (items.has(StatusItem::deleted)) data.deleted = mailbox.deleted;
  if (items.has(StatusItem::size)) data.size = mailbox.octets;
  if (items.has(StatusItem::highest_modseq)) data.highest_modseq = mailbox.highest_modseq;
  if (items.has(StatusItem::append_limit)) data.append_limit = session.append_octets_max();
  if (items.has(StatusItem::mailbox_id)) data.mailbox_id = id;
  session.out().status_data(mailbox.path, data);
}

Task<Reply> execute(Session& session, engine::Status command) {
  const auto mailbox = co_await session.store().find_mailbox(session.account(), command.mailbox, session.working());
  if (!mailbox) co_return reply_for(mailbox.error());
  write_status(session, *mailbox, command.items);
  co_return ok("STATUS completed");
}

}  // namespace keystonemail::service::imap
