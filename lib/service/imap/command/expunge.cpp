// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// EXPUNGE (RFC 9051 §6.4.3) and UID EXPUNGE (§6.4.9): the session tells what went, as it does for others' expunges.
#include "service/imap/command/commands.hpp"
#include "service/imap/selection.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

namespace {

Task<Result<std::vector<Uid>>> expunge(Session& session, const std::optional<engine::SequenceSet>& set) {
  auto& store = session.store();
  const MailboxView& view = *session.view();
  if (!set) co_return co_await store.expunge(session.account(), view.id, mailstore::AllMessages{}, session.working());
  const auto selection = select_messages(view, *set, engine::NumberKind::uid);
  const auto uids = uids_of(view, selection.value_or(Selection{}));
  if (uids.empty()) co_return std::vector<Uid>{};
  co_return co_await store.expunge(session.account(), view.id, uids, session.working());
}

}  // namespace

Task<Reply> execute(Session& session, engine::Expunge command) {
  if (session.view()->read_only) co_return no(engine::Code::read_only, "The mailbox is open for reading only");
  const auto gone = co_await expunge(session, command.uids);
  if (!gone) {
    session.log_error("imap.expunge.failed", gone.error());
    co_return reply_for(gone.error());
  }
  co_return Reply{.text = "EXPUNGE completed", .with_highest_modseq = !gone->empty()};
}

}  // namespace keystonemail::service::imap
