// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>

#include "service/mailstore/message_rows.hpp"
#include "service/mailstore/store_impl.hpp"

namespace keystonemail::service {

namespace {

constexpr std::size_t expunge_step = 1'000;  // messages in one operation: each may touch a page of its own in some tables

struct ExpungePlan {
  mailstore::AccountId account{};
  mailstore::MailboxId mailbox{};
  std::span<const mailstore::Uid> uids;
  // Set anew by each run.
  Uids gone;
  mailstore::ModSeq modseq = 0;
};

Task<Result<void>> apply_expunge(kv::Transaction& t, const StoreCore& core, ExpungePlan& plan) {
  plan.gone.clear();
  KM_CO_TRY(AccountRow account, co_await get_account(t, core, plan.account));
  KM_CO_TRY(MailboxRow mailbox, co_await get_mailbox(t, core, plan.account, plan.mailbox));
  KM_CO_TRY(const auto held, co_await read_messages(t, core, plan.account, plan.mailbox, plan.uids));
  LogEntry entry;
  for (const HeldMessage& message : held) {
    if (!message.record.deleted) continue;
    KM_CO_CHECK(co_await erase_message(t, core, plan.account, plan.mailbox, message));
    uncount(mailbox, message.record);
    account.octets_used -= std::min<std::uint64_t>(account.octets_used, message.record.size);
    account.messages_used -= std::min<std::uint64_t>(account.messages_used, 1);
    entry.expunged.push_back(message.uid);
  }
  if (entry.expunged.empty()) co_return Result<void>();
  mailbox.highest_modseq = plan.modseq = ++account.modseq;
  KM_CO_CHECK(co_await add_log_entry(t, core, plan.account, plan.mailbox, mailbox, plan.modseq, entry));
  put_account(t, core, plan.account, account);
  put_mailbox(t, core, plan.account, plan.mailbox, mailbox);
  plan.gone = std::move(entry.expunged);
  co_return Result<void>();
}

}  // namespace

StoreImpl::Answer<std::vector<mailstore::Uid>> StoreImpl::expunge(AccountId account, MailboxId mailbox,
                                                                  std::span<const Uid> uids, Context context) {
  Uids sorted(uids.begin(), uids.end());
  sort_unique(sorted);
  Uids gone;
  std::size_t at = 0;
  do {
    ExpungePlan plan{.account = account, .mailbox = mailbox};
    plan.uids = std::span(sorted).subspan(at, std::min(expunge_step, sorted.size() - at));
    KM_CO_CHECK(co_await core_.kv.transact([&](kv::Transaction& t) { return apply_expunge(t, core_, plan); },
                                           StoreCore::frees(), context));
    if (!plan.gone.empty()) core_.notifier.notify(account, plan.modseq);
    gone.insert(gone.end(), plan.gone.begin(), plan.gone.end());
    at += expunge_step;
  } while (at < sorted.size());
  co_return gone;
}

StoreImpl::Answer<std::vector<mailstore::Uid>> StoreImpl::expunge(AccountId account, MailboxId mailbox,
                                                                  mailstore::AllMessages, Context context) {
  Uids marked;
  {
    KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context));
    KM_CO_TRY(const MailboxRow row, co_await get_mailbox(*snapshot, core_, account, mailbox));
    if (row.deleted == 0) co_return marked;
    KM_CO_TRY(const auto all, co_await listing(*snapshot, account, mailbox, row));
    for (const auto& message : all->rows) {
      if (message.deleted) marked.push_back(message.uid);
    }
  }
  co_return co_await expunge(account, mailbox, marked, context);
}

}  // namespace keystonemail::service
