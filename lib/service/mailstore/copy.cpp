// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// COPY and MOVE: another membership of the same email (RFC 8474 §5.1), or the same one elsewhere.
#include <algorithm>

#include "service/mailstore/append.hpp"
#include "service/mailstore/message_rows.hpp"
#include "service/mailstore/store_impl.hpp"

namespace keystonemail::service {

namespace {

constexpr std::size_t copy_messages_max = 100'000;  // in one operation, as all or none of them are copied

struct CopyPlan {
  mailstore::AccountId account{};
  mailstore::MailboxId from{}, to{};
  Uids uids;
  bool move = false;
  std::int64_t now = 0;
  // Set anew by each run.
  mailstore::Copied copied;
  mailstore::ModSeq modseq = 0;
};

class CopyOperation {
 public:
  CopyOperation(kv::Transaction& t, const StoreCore& core, CopyPlan& plan) : t_(t), core_(core), plan_(plan) {}

  Task<Result<void>> run() {
    plan_.copied = {};
    KM_CO_TRY(account_, co_await get_account(t_, core_, plan_.account));
    KM_CO_TRY(source_, co_await get_mailbox(t_, core_, plan_.account, plan_.from));
    KM_CO_TRY(target_, co_await get_mailbox(t_, core_, plan_.account, plan_.to));
    plan_.copied.uid_validity = target_.uid_validity;
    plan_.modseq = account_.modseq;
    KM_CO_TRY(const auto held, co_await read_messages(t_, core_, plan_.account, plan_.from, plan_.uids));
    if (held.empty()) co_return Result<void>();
    if (!plan_.move) KM_CO_CHECK(charge(held));
    plan_.modseq = ++account_.modseq;
    for (const HeldMessage& message : held) KM_CO_CHECK(co_await copy(message));
    co_return co_await finish();
  }

 private:
  [[nodiscard]] Result<void> charge(const std::vector<HeldMessage>& held) {
    std::uint64_t octets = 0;
    for (const HeldMessage& message : held) octets += message.record.size;
    KM_CHECK(check_quota(account_, octets, held.size()));
    account_.octets_used += octets;
    account_.messages_used += held.size();
    return {};
  }

  // With one mailbox as source and target, its row is target_.
  [[nodiscard]] MailboxRow& source() noexcept { return plan_.from == plan_.to ? target_ : source_; }

  void put_membership(std::uint64_t email, mailstore::MailboxId mailbox, mailstore::Uid uid) {
    t_.put(core_.tables.membership, Key(plan_.account, email, mailbox, uid), std::string_view("\1", 1));
  }

  Task<Result<void>> copy(const HeldMessage& message) {
    if (target_.uid_next == UINT32_MAX) co_return fail(ErrorKind::too_large, "mailbox has used up its numbers");
    const mailstore::Uid uid = target_.uid_next++;
    MessageRecord record = message.whole();
    if (plan_.move) {
      KM_CO_CHECK(take_from_source(message));
    } else {
      KM_CO_CHECK(co_await list_source(message));
    }
    put_membership(record.email, plan_.to, uid);
    record.listed = true;
    record.modseq = record.created = plan_.modseq;
    record.saved = plan_.now;
    t_.put(core_.tables.message, Key(plan_.account, plan_.to, uid), record.encode());
    count(target_, record);
    plan_.copied.uids.emplace_back(message.uid, uid);
    co_return Result<void>();
  }

  Result<void> take_from_source(const HeldMessage& message) {
    t_.erase(core_.tables.message, Key(plan_.account, plan_.from, message.uid));
    if (message.record.listed) {
      t_.erase(core_.tables.membership, Key(plan_.account, message.record.email, plan_.from, message.uid));
    }
    uncount(source(), message.record);
    return {};
  }

  Task<Result<void>> list_source(const HeldMessage& message) {
    if (message.record.listed) {
      KM_CO_TRY(const auto there, co_await read_memberships(t_, core_, plan_.account, message.record.email, memberships_max));
      if (there.size() >= memberships_max) co_return fail(ErrorKind::too_large, "too many copies of one message");
      co_return Result<void>();
    }
    put_membership(message.record.email, plan_.from, message.uid);
    MessageRecord record = message.whole();
    record.listed = true;
    t_.put(core_.tables.message, Key(plan_.account, plan_.from, message.uid), record.encode());
    co_return Result<void>();
  }

  Task<Result<void>> finish() {
    if (plan_.move) {
      LogEntry entry;
      for (const auto& [from, to] : plan_.copied.uids) entry.expunged.push_back(from);
      source().highest_modseq = plan_.modseq;
      KM_CO_CHECK(co_await add_log_entry(t_, core_, plan_.account, plan_.from, source(), plan_.modseq, entry));
      if (plan_.from != plan_.to) put_mailbox(t_, core_, plan_.account, plan_.from, source_);
    }
    target_.highest_modseq = plan_.modseq;
    put_mailbox(t_, core_, plan_.account, plan_.to, target_);
    put_account(t_, core_, plan_.account, account_);
    co_return Result<void>();
  }

  kv::Transaction& t_;
  const StoreCore& core_;
  CopyPlan& plan_;
  AccountRow account_;
  MailboxRow source_, target_;
};

Task<Result<void>> apply_copy(kv::Transaction& t, const StoreCore& core, CopyPlan& plan) {
  CopyOperation operation(t, core, plan);
  co_return co_await operation.run();
}

}  // namespace

StoreImpl::Answer<mailstore::Copied> StoreImpl::copy_or_move(AccountId account, MailboxId from, std::span<const Uid> uids,
                                                             MailboxId to, bool move, Context context) {
  if (uids.size() > copy_messages_max) co_return fail(ErrorKind::too_large, "too many messages at once");
  CopyPlan plan{.account = account, .from = from, .to = to, .uids = Uids(uids.begin(), uids.end()), .move = move};
  sort_unique(plan.uids);
  plan.now = to_milliseconds(context.executor->wall_now());
  KM_CO_CHECK(co_await core_.kv.transact([&](kv::Transaction& t) { return apply_copy(t, core_, plan); },
                                         move ? StoreCore::frees() : core_.adds(), context));
  if (!plan.copied.uids.empty()) core_.notifier.notify(account, plan.modseq);
  co_return std::move(plan.copied);
}

StoreImpl::Answer<mailstore::Copied> StoreImpl::copy(AccountId account, MailboxId from, std::span<const Uid> uids,
                                                     MailboxId to, Context context) {
  return copy_or_move(account, from, uids, to, false, context);
}

StoreImpl::Answer<mailstore::Copied> StoreImpl::move(AccountId account, MailboxId from, std::span<const Uid> uids,
                                                     MailboxId to, Context context) {
  return copy_or_move(account, from, uids, to, true, context);
}

}  // namespace keystonemail::service
