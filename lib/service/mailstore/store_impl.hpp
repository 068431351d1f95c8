// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The mail store's class. Its calls stand in files by subject: accounts, mailboxes, messages, flags, copy, expunge,
// removal, verify, repair.
#pragma once

#include "service/mailstore/append.hpp"
#include "service/mailstore/message_rows.hpp"
#include "service/mailstore/store_core.hpp"

namespace keystonemail::service {

class StoreImpl final : public KvMailStore {
 public:
  using AccountId = mailstore::AccountId;
  using MailboxId = mailstore::MailboxId;
  using EmailId = mailstore::EmailId;
  using ModSeq = mailstore::ModSeq;
  using Uid = mailstore::Uid;
  template <class T>
  using Answer = Task<Result<T>>;

  StoreImpl(kv::Store& store, blob::Store& blobs, MailStoreOptions options, SipKey key)
      : core_(store, blobs, options, key) {}

  Answer<void> create_account(AccountId account, mailstore::Quota limits, Context context) override;
  Answer<void> remove_account(AccountId account, Context context) override;
  Answer<mailstore::AccountInfo> account(AccountId account, Context context) override;
  Answer<void> set_quota(AccountId account, mailstore::Quota limits, Context context) override;

  Answer<std::vector<mailstore::Mailbox>> mailboxes(AccountId account, Context context) override;
  Answer<mailstore::Mailbox> mailbox(AccountId account, MailboxId mailbox, Context context) override;
  Answer<mailstore::Mailbox> find_mailbox(AccountId account, std::string_view path, Context context) override;
  Answer<mailstore::Mailbox> create_mailbox(AccountId account, mailstore::NewMailbox request, Context context) override;
  Answer<void> rename_mailbox(AccountId account, MailboxId mailbox, std::string_view new_path, Context context) override;
  Answer<void> remove_mailbox(AccountId account, MailboxId mailbox, Context context) override;
  Answer<void> set_subscribed(AccountId account, MailboxId mailbox, bool subscribed, Context context) override;
  Answer<std::vector<std::string>> kept_subscriptions(AccountId account, Context context) override;
  Answer<void> forget_subscription(AccountId account, std::string_view path, Context context) override;

  Answer<std::vector<mailstore::KeywordNumber>> keyword_numbers(AccountId account, std::span<const std::string> names,
                                                                Context context) override;
  Answer<std::vector<std::string>> keyword_names(AccountId account, Context context) override;

  Answer<mailstore::MailboxUids> uids(AccountId account, MailboxId mailbox, Context context) override;
  Answer<std::vector<mailstore::MessageRow>> messages(AccountId account, MailboxId mailbox, mailstore::UidRange uids,
                                                      ModSeq since, Context context) override;
  Answer<std::vector<Uid>> expunged(AccountId account, MailboxId mailbox, ModSeq since, Context context) override;
  Answer<std::vector<std::string>> summaries(AccountId account, std::span<const EmailId> emails, Context context) override;
  Answer<std::unique_ptr<mailstore::MessageReader>> open(AccountId account, EmailId email, Context context) override;

  Result<std::unique_ptr<mailstore::MessageWriter>> create_message() override;
  Answer<mailstore::Appended> append(AccountId account, MailboxId mailbox, std::span<const mailstore::NewMessage> messages,
                                     Context context) override;
  Answer<mailstore::Copied> copy(AccountId account, MailboxId from, std::span<const Uid> uids, MailboxId to,
                                 Context context) override;
  Answer<mailstore::Copied> move(AccountId account, MailboxId from, std::span<const Uid> uids, MailboxId to,
                                 Context context) override;
  Answer<mailstore::FlagsChanged> change_flags(AccountId account, MailboxId mailbox, std::span<const Uid> uids,
                                               mailstore::FlagChange change, Context context) override;
  Answer<std::vector<Uid>> expunge(AccountId account, MailboxId mailbox, std::span<const Uid> uids, Context context) override;
  Answer<std::vector<Uid>> expunge(AccountId account, MailboxId mailbox, mailstore::AllMessages, Context context) override;
  std::unique_ptr<mailstore::Subscription> subscribe(AccountId account, Executor& executor,
                                                     std::function<void(ModSeq)> changed) override {
    return core_.notifier.subscribe(account, executor, std::move(changed));
  }

  Answer<void> finish_removals(Context context) override;
  Answer<std::vector<AccountId>> accounts(Context context) override;
  Answer<VerifyReport> verify(VerifyOptions options, Context context) override;
  Answer<RepairReport> repair(std::function<void(const VerifyProgress&)> progress, Context context) override;
  StoreCore& core() noexcept override { return core_; }

 private:
  Answer<std::shared_ptr<const MailboxListing>> listing(kv::Reader& reader, AccountId account, MailboxId mailbox,
                                                        const MailboxRow& row);
  Answer<mailstore::Copied> copy_or_move(AccountId account, MailboxId from, std::span<const Uid> uids, MailboxId to,
                                         bool move, Context context);
  Answer<std::shared_ptr<const MailboxPaths>> paths_of(AccountId account, Context context);
  Answer<void> empty_inbox_into(AccountId account, std::string_view path, Context context);
  Answer<void> purge(AccountId account, MailboxId mailbox, Context context);

  StoreCore core_;
};

// The accounts of which there is any row, though their own may be lost; not those that are being removed. Ascending.
[[nodiscard]] Task<Result<std::vector<mailstore::AccountId>>> accounts_with_rows(const StoreCore& core, Context context);

}  // namespace keystonemail::service
