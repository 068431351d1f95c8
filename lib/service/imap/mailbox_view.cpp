// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/mailbox_view.hpp"

#include <algorithm>
#include <iterator>

#include "base/try.hpp"

namespace keystonemail::service::imap {

namespace {

constexpr Uid window_uids = 8192;  // of rows held at once while a view is made

struct Listed {
  UidList uids;
  Sequence first_unseen = 0;
};

// Every UID that is there now, in windows so that a large mailbox is not held as rows. Windows that bring little grow, so
// that a mailbox of few messages with large UIDs is not searched number by number.
Task<Result<Listed>> list_uids(MailStore& store, AccountId account, MailboxId mailbox, Uid uid_next, Context context) {
  Listed listed;
  Uid width = window_uids;
  for (Uid first = 1; first < uid_next;) {
    const Uid last = uid_next - first > width ? first + width - 1 : uid_next - 1;
    KM_CO_TRY(const auto rows, co_await store.messages(account, mailbox, {first, last}, 0, context));
    for (const MessageRow& row : rows) {
      listed.uids.append(row.uid);
      const bool seen = row.keywords.has(mailstore::SystemKeyword::seen);
      if (!seen && listed.first_unseen == 0) listed.first_unseen = listed.uids.size();
    }
    width = rows.size() < window_uids / 2 && width < UINT32_MAX / 2 ? width * 2 : window_uids;
    first = last + 1;
  }
  co_return listed;
}

// What went: from tombstones, or, where they are gone, from what is left.
Task<Result<std::vector<Uid>>> gone_since(MailStore& store, AccountId account, const MailboxView& view, Uid uid_next,
                                          Context context) {
  auto gone = co_await store.expunged(account, view.id, view.expunges_told, context);
  if (gone || gone.error().kind() != ErrorKind::not_found) co_return gone;
  KM_CO_TRY(const Listed left, co_await list_uids(store, account, view.id, uid_next, context));
  std::vector<Uid> missing;
  for (const UidRange& range : view.uids.ranges()) {
    for (Uid uid = range.first; uid <= range.last; ++uid) {
      if (!left.uids.contains(uid)) missing.push_back(uid);
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

Task<Result<Sequence>> load(MailStore& store, AccountId account, MailboxView& view, const mailstore::Mailbox& mailbox,
                            Context context) {
  KM_CO_TRY(auto listed, co_await list_uids(store, account, view.id, mailbox.uid_next, context));
  view.uids = std::move(listed.uids);
  view.changes_told = view.expunges_told = mailbox.highest_modseq;
  view.own_changes.clear();
  co_return listed.first_unseen;
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
