// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/mailbox_view.hpp"

#include <algorithm>
#include <iterator>

#include "base/try.hpp"

namespace keystonemail::service::imap {

namespace {

// What went: from tombstones, or, where they are gone, from what is left.
Task<Result<std::vector<Uid>>> gone_since(MailStore& store, AccountId account, const MailboxView& view, Context context) {
  auto gone = co_await store.expunged(account, view.id, view.expunges_told, context);
  if (gone || gone.error().kind() != ErrorKind::not_found) co_return gone;
  KM_CO_TRY(const auto there, co_await store.uids(account, view.id, context));
  const UidList left(there.uids);
  std::vector<Uid> missing;
  for (const UidRange& range : view.uids.ranges()) {
    for (Uid uid = range.first; uid <= range.last; ++uid) {
      if (!left.contains(uid)) missing.push_back(uid);
    }
  }
  co_return missing;
}

void take_rows(MailboxView& view, std::vector<MessageRow>&& rows, ViewUpdate& update) {
  const Uid last_known = view.uids.last();
  for (MessageRow& row : rows) {
    if (row.uid > last_known) {
      view.uids.append(row.uid);
      update.arrived = true;
    } else if (std::ranges::find(view.own_changes, row.modseq) == view.own_changes.end() && view.uids.contains(row.uid)) {
      update.changed.push_back(std::move(row));
    }
  }
}

}  // namespace

void MailboxView::remove(std::span<const Uid> gone, ViewUpdate& update) {
  std::ranges::copy_if(gone, std::back_inserter(update.vanished), [&](Uid uid) { return uids.contains(uid); });
  update.expunged = uids.remove(update.vanished);
}

// Where nothing happened in between there is nothing left to read.
void MailboxView::took(ModSeq modseq, ModSeq before) {
  if (before > changes_told) return own_changes.push_back(modseq);
  if (before <= expunges_told) expunges_told = modseq;
  changes_told = modseq;
}

Task<Result<Loaded>> load(MailStore& store, AccountId account, MailboxView& view, Context context) {
  KM_CO_TRY(const auto there, co_await store.uids(account, view.id, context));
  view.uid_validity = there.uid_validity;
  view.uids = UidList(there.uids);
  view.changes_told = view.expunges_told = there.highest_modseq;
  view.own_changes.clear();
  const auto first_unseen = there.first_unseen == 0 ? std::nullopt : view.uids.sequence_of(there.first_unseen);
  co_return Loaded{first_unseen.value_or(0), there.uid_next};
}

// The mailbox's last change is read first and what happened after it is read second, so nothing falls between; what is
// thereby read twice is told twice at worst, for flags, and not at all for arrivals and expunges.
Task<Result<ViewUpdate>> pull(MailStore& store, AccountId account, MailboxView& view, Expunges expunges, Context context) {
  ViewUpdate update;
  KM_CO_TRY(const auto mailbox, co_await store.mailbox(account, view.id, context));
  // What is held back stays so, whatever went since: it is read again once it may be shown, and not by each command until then.
  if (mailbox.highest_modseq > view.expunges_told && (expunges == Expunges::show || !view.holds_back)) {
    KM_CO_TRY(const auto gone, co_await gone_since(store, account, view, context));
    view.holds_back = expunges == Expunges::hold_back &&
                      std::ranges::any_of(gone, [&](Uid uid) { return view.uids.contains(uid); });
    if (expunges == Expunges::show) view.remove(gone, update);
    if (!view.holds_back) view.expunges_told = mailbox.highest_modseq;
  }
  if (mailbox.highest_modseq > view.changes_told) {
    KM_CO_TRY(auto rows, co_await store.messages(account, view.id, {}, view.changes_told, context));
    ModSeq last = mailbox.highest_modseq;
    for (const MessageRow& row : rows) last = std::max(last, row.modseq);
    take_rows(view, std::move(rows), update);
    view.changes_told = last;
    std::erase_if(view.own_changes, [&](ModSeq modseq) { return modseq <= last; });
  }
  co_return update;
}

}  // namespace keystonemail::service::imap
