// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// COPY and MOVE (RFC 9051 §6.4.7, §6.4.8) and their UID forms, with COPYUID (RFC 4315).
#include "service/imap/command/commands.hpp"
#include "service/imap/selection.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

namespace {

enum class Transfer : std::uint8_t { copy, move };

Task<Result<mailstore::Copied>> transfer(Session& session, std::span<const Uid> uids, MailboxId to, Transfer how) {
  auto& store = session.store();
  if (how == Transfer::copy) return store.copy(session.account(), session.view()->id, uids, to, session.working());
  return store.move(session.account(), session.view()->id, uids, to, session.working());
}

Task<Reply> execute(Session& session, Transfer how, engine::NumberKind numbers, engine::SequenceSet set, std::string mailbox) {
  const std::string_view done = how == Transfer::copy ? "COPY completed" : "MOVE completed";
  if (how == Transfer::move && session.view()->read_only) {
    co_return no(engine::Code::read_only, "The mailbox is open for reading only");
  }
  const auto selection = select_messages(*session.view(), set, numbers);
  if (!selection) co_return bad("No message has such a number");
  const auto to = co_await session.store().find_mailbox(session.account(), mailbox, session.working());
  if (!to && to.error().kind() == ErrorKind::not_found) co_return no(engine::Code::try_create, "No such mailbox");
  if (!to) co_return reply_for(to.error());
  const auto uids = uids_of(*session.view(), *selection);
  if (uids.empty()) co_return ok(done);
  const auto copied = co_await transfer(session, uids, to->id, how);
  if (!copied) {
    session.log_error("imap.copy.failed", copied.error());
    co_return reply_for(copied.error());
  }
  if (copied->uids.empty()) co_return ok(done);
  Reply reply = ok(done);
  reply.code = engine::ResponseCode::copy_uid(copied->uid_validity, copied->uids);
  if (how == Transfer::move) {  // RFC 6851 §4.3: before the EXPUNGE responses, which the session writes
    session.out().status(engine::StatusKind::ok, reply.code, "Moved");
    reply.code = {};
    reply.with_highest_modseq = true;
  }
  co_return reply;
}

}  // namespace

Task<Reply> execute(Session& session, engine::Copy command) {
  return execute(session, Transfer::copy, command.numbers, std::move(command.set), std::move(command.mailbox));
}

Task<Reply> execute(Session& session, engine::Move command) {
  return execute(session, Transfer::move, command.numbers, std::move(command.set), std::move(command.mailbox));
}

}  // namespace keystonemail::service::imap
