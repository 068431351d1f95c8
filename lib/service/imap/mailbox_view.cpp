// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/mailbox_view.hpp"

#include <algorithm>
#include <iterator>

#include "base/try.hpp"

namespace keystonemail::service::imap {

namespace {

constexpr Uid window_uids = 8192;  // rows held at once while a view is made

// Every UID that is there now, in windows so that a large mailbox is not held as rows.
Task<Result<UidList>> all_uids(MailStore& store, AccountId account, MailboxId mailbox, Uid uid_next, Context context) {
  UidList uids;
  for (Uid first = 1; first < uid_next;) {
    const Uid last = uid_next - first > window_uids ? first + window_uids - 1 : uid_next - 1;
    KM_CO_TRY(const auto rows, co_await store.messages(account, mailbox, {first, last}, 0, context));
    for (const MessageRow& row : rows) uids.append(row.uid);
    first = last + 1;
  }
  co_return uids;
}

// What went: from tombstones, or, where they are gone, from what is left.
Task<Result<std::vector<Uid>>> gone_since(MailStore& store, AccountId account, const MailboxView& view, Uid uid_next,
                                          Context context) {
  auto gone = co_await store.expunged(account, view.id, view.expunges_told, context);
  if (gone || gone.error().kind() != ErrorKind::not_found) co_return gone;
  KM_CO_TRY(const UidList left, co_await all_uids(store, account, view.id, uid_next, context));
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

Task<Result<void>> load(MailStore& store, AccountId account, MailboxView& view, ModSeq highest_modseq, Context context) {
  KM_CO_TRY(const auto mailbox, co_await store.mailbox(account, view.id, context));
  KM_CO_TRY(view.uids, co_await all_uids(store, account, view.id, mailbox.uid_next, context));
  view.changes_told = view.expunges_told = highest_modseq;
  view.own_changes.clear();
  co_return {};
}

// The mailbox's last change is read first and what happened after it is read second, so nothing falls between; what is
// thereby read twice is told twice at worst, for flags, and not at all for arrivals and expunges.
Task<Result<ViewUpdate>> pull(MailStore& store, AccountId account, MailboxView& view, Expunges expunges, Context context) {
  ViewUpdate update;
  KM_CO_TRY(const auto mailbox, co_await store.mailbox(account, view.id, context));
  if (expunges == Expunges::show && mailbox.highest_modseq > view.expunges_told) {
    KM_CO_TRY(const auto gone, co_await gone_since(store, account, view, mailbox.uid_next, context));
    view.remove(gone, update);
    view.expunges_told = mailbox.highest_modseq;
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
