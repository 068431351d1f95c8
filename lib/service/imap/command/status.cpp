// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// STATUS (RFC 9051 §6.3.11) with SIZE, HIGHESTMODSEQ (RFC 7162), APPENDLIMIT (RFC 7889), MAILBOXID (RFC 8474) and
// DELETED-STORAGE (RFC 9208 §4.1.4).
#include "service/imap/command/status.hpp"

#include "base/try.hpp"
#include "service/imap/command/commands.hpp"
#include "service/imap/selection.hpp"
#include "service/imap/session.hpp"
#include "service/imap/special_use.hpp"

namespace keystonemail::service::imap {

namespace {

constexpr Sequence status_rows_at_once = 2048;

// The sizes of what is marked \Deleted.
Task<Result<std::uint64_t>> deleted_octets(Session& session, const mailstore::Mailbox& mailbox) {
  std::uint64_t octets = 0;
  if (mailbox.deleted == 0) co_return octets;
  KM_CO_TRY(const auto there, co_await session.store().uids(session.account(), mailbox.id, session.working()));
  const UidList uids(there.uids);
  if (uids.size() == 0) co_return octets;
  const Selection all{{1, uids.size()}};
  for (Windows windows(all, status_rows_at_once); const auto window = windows.next();) {
    const UidRange range{uids.uid_of(window->first), uids.uid_of(window->last)};
    KM_CO_TRY(const auto rows, co_await session.store().messages(session.account(), mailbox.id, range, 0, session.working()));
    for (const MessageRow& row : rows) octets += row.deleted ? row.octets : 0;
    co_await yield(*session.working().executor);
  }
  co_return octets;
}

}  // namespace

Task<Result<void>> write_status(Session& session, const mailstore::Mailbox& mailbox, engine::StatusItems items) {
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
  if (items.has(StatusItem::deleted_storage)) {
    KM_CO_TRY(data.deleted_storage, co_await deleted_octets(session, mailbox));
  }
  session.out().status_data(mailbox.path, data);
  co_return {};
}

Task<Reply> execute(Session& session, engine::Status command) {
  const auto mailbox = co_await session.store().find_mailbox(session.account(), command.mailbox, session.working());
  if (!mailbox) co_return reply_for(mailbox.error());
  const auto written = co_await write_status(session, *mailbox, command.items);
  if (!written) co_return reply_for(written.error());
  co_return ok("STATUS completed");
}

}  // namespace keystonemail::service::imap
