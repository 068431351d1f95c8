// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SELECT and EXAMINE (RFC 9051 §6.3.2, §6.3.3) with CONDSTORE and QRESYNC (RFC 7162 §3.2.5) and MAILBOXID (RFC 8474).
#include <algorithm>

#include "base/try.hpp"
#include "service/imap/command/commands.hpp"
#include "service/imap/selection.hpp"
#include "service/imap/session.hpp"
#include "service/imap/special_use.hpp"

namespace keystonemail::service::imap {

namespace {

using engine::NumberRange;
using engine::ResponseCode;

void write_state(Session& session, const mailstore::Mailbox& mailbox, const Loaded& loaded) {
  auto& out = session.out();
  const MailboxView& view = *session.view();
  const auto ok_with = [&](const ResponseCode& code, std::string_view text) { out.status(engine::StatusKind::ok, code, text); };
  const engine::FlagView flags = session.keywords().tell();
  out.flags_defined(flags);
  ok_with(ResponseCode::permanent_flags(view.read_only ? engine::FlagView{} : flags, !view.read_only && !session.keywords().full()),
          view.read_only ? "No permanent flags here" : "Flags permitted");
  out.exists(view.uids.size());
  out.recent(0);
  if (loaded.first_unseen != 0 && !session.features().imap4rev2) {
    ok_with(ResponseCode::unseen(loaded.first_unseen), "First unseen");
  }
  ok_with(ResponseCode::uid_validity(view.uid_validity), "UIDs valid");
  ok_with(ResponseCode::uid_next(loaded.uid_next), "Predicted next UID");
  ok_with(ResponseCode::highest_modseq(view.changes_told), "Highest");
  ok_with(ResponseCode::mailbox_id(object_id(mailbox.id)), "Id of this mailbox");
}

// RFC 9051 §6.3.2: LIST with accurate attributes, and with the name given where it is not the normal one.
Task<Result<void>> write_list(Session& session, const mailstore::Mailbox& mailbox, std::string_view given) {
  using engine::MailboxAttribute;
  KM_CO_TRY(const auto all, co_await session.store().mailboxes(session.account(), session.working()));
  const bool parent = std::ranges::any_of(all, [&](const mailstore::Mailbox& other) { return other.parent == mailbox.id; });
  engine::ListEntry entry{.separator = mailstore::limits::hierarchy_separator, .mailbox = mailbox.path};
  entry.attributes = static_cast<std::uint32_t>(parent ? MailboxAttribute::has_children : MailboxAttribute::has_no_children);
  if (mailbox.subscribed) entry.attributes |= static_cast<std::uint32_t>(MailboxAttribute::subscribed);
  const auto use = special_use_of(mailbox.role);
  if (use) entry.special_uses = {&*use, 1};
  if (given != mailbox.path) entry.old_name = given;
  session.out().list(entry);
  co_return {};
}

// The UIDs that the client knows: those it says, or all that there can be.
std::vector<NumberRange> known_uids(const engine::ResyncParameters& resync, Uid uid_next) {
  const Uid last = uid_next - 1;
  if (resync.known_uids) return resync.known_uids->resolve(last);
  return last == 0 ? std::vector<NumberRange>{} : std::vector<NumberRange>{{1, last}};
}

// Where tombstones of that age are gone: all that is known and not there. What the client has matched by sequence number
// (§3.2.5.2) has lost nothing in front of it, so that only what follows need be named.
std::vector<NumberRange> missing(const MailboxView& view, const engine::ResyncParameters& resync, std::vector<NumberRange> known,
                                 Uid last) {
  Uid intact = 0;
  if (resync.known_pairs) {
    const auto sequences = resync.known_pairs->first.resolve(UINT32_MAX);
    const auto uids = resync.known_pairs->second.resolve(UINT32_MAX);
    for (std::size_t i = 0; i < std::min(sequences.size(), uids.size()); ++i) {
      const auto place = view.uids.sequence_of(uids[i].first);
      if (place && *place == sequences[i].first) intact = std::max(intact, uids[i].first);
    }
  }
  std::erase_if(known, [&](const NumberRange& range) { return range.last <= intact; });
  if (!known.empty()) known.front().first = std::max(known.front().first, intact + 1);
  return absent(view.uids, known, last);
}

// RFC 7162 §3.2.5.1: what went and what changed since the client was last here.
Task<Result<void>> resync(Session& session, Uid uid_next, const engine::ResyncParameters& resync) {
  MailboxView& view = *session.view();
  if (resync.uid_validity != view.uid_validity) co_return {};
  const auto known = known_uids(resync, uid_next);
  auto gone = co_await session.store().expunged(session.account(), view.id, resync.modseq, session.working());
  if (!gone && gone.error().kind() != ErrorKind::not_found) co_return std::unexpected(gone.error());
  std::vector<NumberRange> vanished;
  if (gone) {
    std::erase_if(*gone, [&](Uid uid) { return !engine::contains(known, uid) || view.uids.contains(uid); });
    vanished = engine::to_ranges(*gone);
  } else {
    vanished = missing(view, resync, known, uid_next - 1);
  }
  session.out().vanished(vanished, engine::ResponseWriter::Vanished::earlier);
  KM_CO_TRY(const auto rows, co_await session.store().messages(session.account(), view.id, {}, resync.modseq, session.working()));
  for (const MessageRow& row : rows) {
    const auto sequence = view.uids.sequence_of(row.uid);
    if (!sequence || !engine::contains(known, row.uid)) continue;
    co_await session.learn_keywords(row.keywords);
    session.out().fetch_flags(*sequence, row.uid, session.keywords().flags(row.keywords, row.deleted), row.modseq);
    if (session.output_full() && !co_await session.flush()) break;
  }
  co_return {};
}

Task<Result<void>> open(Session& session, const engine::Select& command) {
  KM_CO_TRY(const auto mailbox, co_await session.store().find_mailbox(session.account(), command.mailbox, session.working()));
  KM_CO_CHECK(co_await session.keywords().refresh(session.store(), session.account(), session.working()));
  auto view = std::make_unique<MailboxView>();
  view->id = mailbox.id;
  view->read_only = command.access == engine::AccessMode::read_only;
  KM_CO_TRY(const Loaded loaded, co_await load(session.store(), session.account(), *view, session.working()));
  session.set_view(std::move(view));
  write_state(session, mailbox, loaded);
  if (session.features().imap4rev2) KM_CO_CHECK(co_await write_list(session, mailbox, command.mailbox));
  if (command.resync) KM_CO_CHECK(co_await resync(session, loaded.uid_next, *command.resync));
  co_return {};
}

}  // namespace

Task<Reply> execute(Session& session, engine::Select command) {
  if (session.view() != nullptr) {
    session.set_view(nullptr);
    session.out().status(engine::StatusKind::ok, engine::Code::closed, "Previous mailbox closed");
  }
  const bool read_only = command.access == engine::AccessMode::read_only;
  const auto opened = co_await open(session, command);
  if (!opened) {
    session.set_view(nullptr);
    co_return reply_for(opened.error());
  }
  co_return Reply{.code = read_only ? engine::Code::read_only : engine::Code::read_write,
                  .text = read_only ? "EXAMINE completed" : "SELECT completed"};
}

}  // namespace keystonemail::service::imap
