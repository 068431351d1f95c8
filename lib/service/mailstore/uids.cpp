// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What a session asks when it opens a mailbox: its UIDs and the first message that is not seen. Kept from one asking to
// the next, and brought up to date by what changed in between.
#include <algorithm>

#include "service/mailstore/message_rows.hpp"
#include "service/mailstore/store_impl.hpp"

namespace keystonemail::service {

namespace {

using mailstore::Uid;
using mailstore::UidRange;

void append_uid(std::vector<UidRange>& uids, Uid uid) {
  if (!uids.empty() && uids.back().last + 1 == uid) {
    uids.back().last = uid;
  } else {
    uids.push_back({uid, uid});
  }
}

// `kept` without those of `gone` (ascending) that it has.
std::vector<UidRange> without(const std::vector<UidRange>& kept, const Uids& gone) {
  std::vector<UidRange> left;
  left.reserve(kept.size() + 1);
  auto next = gone.begin();
  for (UidRange range : kept) {
    next = std::lower_bound(next, gone.end(), range.first);
    bool over = false;
    for (; next != gone.end() && *next <= range.last; ++next) {
      if (*next > range.first) left.push_back({range.first, *next - 1});
      over = *next == range.last;
      range.first = *next + 1;
    }
    if (!over) left.push_back(range);
  }
  return left;
}

// One pass over the rows of a mailbox from `from` on: each UID to `each`, which may end it with false.
template <class Each>
Task<Result<void>> scan_uids(kv::Reader& reader, const StoreCore& core, mailstore::AccountId account,
                             mailstore::MailboxId mailbox, Uid from, Each each) {
  Key first(account, mailbox, from);
  const Key end = Key(account, mailbox).after_prefix();
  for (std::size_t batch_rows = 64;; batch_rows = std::min(batch_rows * 4, scan_rows)) {
    const kv::Range range{.first = first, .end = end, .rows_max = batch_rows};
    KM_CO_TRY(const auto batch, co_await reader.scan(core.tables.message, range));
    for (const kv::Row& row : batch) {
      const auto record = MessageRecord::read(row.value);
      if (!record) co_return damaged("message");
      if (!each(static_cast<Uid>(key_number(row.key, 8, 4)), *record)) co_return Result<void>();
    }
    if (batch.size() < batch_rows) co_return Result<void>();
    first = Key(account, mailbox, static_cast<Uid>(key_number(batch.back().key, 8, 4)) + 1);
  }
}

class UidReader {
 public:
  UidReader(kv::Reader& reader, const StoreCore& core, mailstore::AccountId account, mailstore::MailboxId mailbox,
            const MailboxRow& row)
      : reader_(reader), core_(core), account_(account), mailbox_(mailbox), row_(row) {}

  Task<Result<std::shared_ptr<const MailboxUidList>>> from_rows() {
    auto made = fresh();
    const auto note = [&made](Uid uid, const MessageRecord& record) {
      append_uid(made->uids, uid);
      if (made->first_unseen == 0 && !record.seen()) made->first_unseen = uid;
      return true;
    };
    KM_CO_CHECK(co_await scan_uids(reader_, core_, account_, mailbox_, 1, note));
    made->uids.shrink_to_fit();
    co_return std::shared_ptr<const MailboxUidList>(std::move(made));
  }

  // REQUIRES: the log is whole since kept.modseq.
  Task<Result<std::shared_ptr<const MailboxUidList>>> from_changes(const MailboxUidList& kept) {
    auto made = fresh();
    KM_CO_TRY(const LogEntry log, co_await read_log(reader_, core_, account_, mailbox_, kept.modseq));
    made->uids = without(kept.uids, log.expunged);
    const Uid last = kept.uids.empty() ? 0 : kept.uids.back().last;
    Uid unseen_new = 0;
    const auto note = [&](Uid uid, const MessageRecord& record) {
      append_uid(made->uids, uid);
      if (unseen_new == 0 && !record.seen()) unseen_new = uid;
      return true;
    };
    KM_CO_CHECK(co_await scan_uids(reader_, core_, account_, mailbox_, last + 1, note));
    KM_CO_TRY(made->first_unseen, co_await first_unseen(kept, log, unseen_new));
    co_return std::shared_ptr<const MailboxUidList>(std::move(made));
  }

 private:
  [[nodiscard]] std::shared_ptr<MailboxUidList> fresh() const {
    auto made = std::make_shared<MailboxUidList>();
    made->uid_validity = row_.uid_validity;
    made->modseq = row_.highest_modseq;
    return made;
  }

  // Below the one that was first all are seen still, but for those that changed.
  Task<Result<Uid>> first_unseen(const MailboxUidList& kept, const LogEntry& log, Uid unseen_new) {
    if (row_.unseen == 0) co_return Uid{0};
    const Uid before = kept.first_unseen;
    bool stands = before != 0 && !std::ranges::binary_search(log.expunged, before);
    Uid first = unseen_new;
    for (const Uid uid : log.changed) {
      if (before != 0 && uid > before) break;
      KM_CO_TRY(const auto message, co_await read_message(reader_, core_, account_, mailbox_, uid));
      if (!message) continue;
      if (!message->record.seen()) {
        first = first == 0 ? uid : std::min(first, uid);
        break;
      }
      if (uid == before) stands = false;
    }
    if (first != 0 && (before == 0 || first <= before)) co_return first;
    if (stands || before == 0) co_return stands ? before : first;
    Uid found = 0;
    const auto look = [&found](Uid uid, const MessageRecord& record) {
      if (!record.seen()) found = uid;
      return found == 0;
    };
    KM_CO_CHECK(co_await scan_uids(reader_, core_, account_, mailbox_, before, look));
    co_return found;
  }

  kv::Reader& reader_;
  const StoreCore& core_;
  const mailstore::AccountId account_;
  const mailstore::MailboxId mailbox_;
  const MailboxRow& row_;
};

}  // namespace

StoreImpl::Answer<mailstore::MailboxUids> StoreImpl::uids(AccountId account, MailboxId mailbox, Context context) {
  KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context));
  KM_CO_TRY(const MailboxRow row, co_await get_mailbox(*snapshot, core_, account, mailbox));
  auto known = core_.uid_lists.find(account, mailbox);
  if (known && known->uid_validity != row.uid_validity) known = nullptr;
  if (!known || known->modseq != row.highest_modseq) {
    UidReader reader(*snapshot, core_, account, mailbox, row);
    if (known && known->modseq >= row.log_floor && known->modseq < row.highest_modseq) {
      KM_CO_TRY(known, co_await reader.from_changes(*known));
    } else {
      KM_CO_TRY(known, co_await reader.from_rows());
    }
    core_.uid_lists.keep(account, mailbox, known);
  }
  mailstore::MailboxUids answer;
  answer.uid_validity = row.uid_validity;
  answer.uid_next = row.uid_next;
  answer.highest_modseq = row.highest_modseq;
  answer.first_unseen = known->first_unseen;
  answer.uids = known->uids;
  co_return answer;
}

}  // namespace keystonemail::service
