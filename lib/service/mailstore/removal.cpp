// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Removing mailboxes and accounts. One operation takes them out of sight and notes a removal; steps that survive
// interruption then erase what is left. Mailbox 0 of a removal stands for the whole account.
#include <algorithm>

#include "service/mailstore/kept_names.hpp"
#include "service/mailstore/mailbox_tree.hpp"
#include "service/mailstore/message_rows.hpp"
#include "service/mailstore/store_impl.hpp"

namespace keystonemail::service {

namespace {

constexpr std::size_t purge_step = 1'000;  // rows with all that belongs to them, in one operation
constexpr mailstore::MailboxId whole_account{0};

Task<Result<void>> begin_mailbox_removal(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account_id,
                                         mailstore::MailboxId mailbox_id, mailstore::ModSeq* modseq) {
  KM_CO_TRY(AccountRow account, co_await get_account(t, core, account_id));
  KM_CO_TRY(const MailboxRow mailbox, co_await get_mailbox(t, core, account_id, mailbox_id));
  KM_CO_TRY(const auto tree, co_await read_tree(t, core, account_id));
  if (tree.has_children(mailbox_id)) co_return fail(ErrorKind::conflict, "mailbox has children");
  account.octets_used -= std::min(account.octets_used, mailbox.octets_total);
  account.messages_used -= std::min<std::uint64_t>(account.messages_used, mailbox.messages);
  *modseq = account.tree_modseq = ++account.modseq;
  if (const auto* named = tree.find(mailbox_id); named && named->subscribed) {
    KM_CO_TRY(KeptNames kept, co_await KeptNames::read(t, core, account_id));
    kept.keep(t, named->path, *modseq, mailbox_id);
  }
  t.erase(core.tables.counter, Key(account_id, mailbox_id));
  t.erase(core.tables.mailbox, Key(account_id, mailbox_id));
  t.put(core.tables.removal, Key(account_id, mailbox_id), std::string_view("\1", 1));
  put_account(t, core, account_id, account);
  co_return Result<void>();
}

Task<Result<void>> begin_account_removal(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account) {
  KM_CO_CHECK(co_await get_account(t, core, account));
  t.erase(core.tables.counter, Key(account, std::uint32_t{0}));
  t.put(core.tables.removal, Key(account, whole_account), std::string_view("\1", 1));
  co_return Result<void>();
}

// Erases up to a step of the rows that begin with `prefix`; returns how many there were.
Task<Result<std::size_t>> erase_prefix(kv::Transaction& t, kv::Table table, Key prefix) {
  const Key end = prefix.after_prefix();
  const kv::Range range{.first = prefix, .end = end, .rows_max = purge_step};
  KM_CO_TRY(const auto rows, co_await t.scan(table, range));
  std::vector<std::string> keys;
  for (const kv::Row& row : rows) keys.emplace_back(row.key);
  for (const auto& key : keys) t.erase(table, key);
  co_return keys.size();
}

Task<Result<std::size_t>> purge_messages(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account,
                                         mailstore::MailboxId mailbox) {
  const Key first(account, mailbox), end = first.after_prefix();
  const kv::Range range{.first = first, .end = end, .rows_max = purge_step};
  KM_CO_TRY(const auto rows, co_await t.scan(core.tables.message, range));
  std::vector<HeldMessage> held;
  Uids damaged_uids;
  for (const kv::Row& row : rows) {
    const auto uid = static_cast<mailstore::Uid>(key_number(row.key, 8, 4));
    const auto record = MessageRecord::read(row.value);
    if (record) held.push_back(hold(uid, *record));
    else damaged_uids.push_back(uid);
  }
  for (const auto& message : held) KM_CO_CHECK(co_await erase_message(t, core, account, mailbox, message));
  for (const auto uid : damaged_uids) t.erase(core.tables.message, Key(account, mailbox, uid));
  co_return held.size() + damaged_uids.size();
}

Task<Result<std::size_t>> purge_emails(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account) {
  const Key first(account), end = first.after_prefix();
  const kv::Range range{.first = first, .end = end, .rows_max = purge_step};
  KM_CO_TRY(const auto rows, co_await t.scan(core.tables.email, range));
  std::vector<std::uint64_t> ids;
  for (const kv::Row& row : rows) ids.push_back(key_number(row.key, 4, 8));
  for (const auto id : ids) KM_CO_CHECK(co_await erase_email(t, core, account, id));
  co_return ids.size();
}

Task<Result<void>> purge_some(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account,
                              mailstore::MailboxId mailbox, bool* more) {
  *more = true;
  const MailTables& tables = core.tables;
  if (mailbox != whole_account) {
    KM_CO_TRY(const auto messages, co_await purge_messages(t, core, account, mailbox));
    if (messages > 0) co_return Result<void>();
    KM_CO_TRY(const auto log, co_await erase_prefix(t, tables.log, Key(account, mailbox)));
    if (log > 0) co_return Result<void>();
  } else {
    KM_CO_TRY(const auto emails, co_await purge_emails(t, core, account));
    if (emails > 0) co_return Result<void>();
    for (const kv::Table table : {tables.message, tables.content, tables.membership, tables.log, tables.thread,
                                  tables.keyword, tables.mailbox, tables.subscription, tables.counter}) {
      KM_CO_TRY(const auto erased, co_await erase_prefix(t, table, Key(account)));
      if (erased > 0) co_return Result<void>();
    }
    KM_CO_TRY(const auto removals, co_await erase_prefix(t, tables.removal, Key(account)));
    if (removals > 0) co_return Result<void>();
  }
  t.erase(tables.removal, Key(account, mailbox));
  *more = false;
  co_return Result<void>();
}

}  // namespace

StoreImpl::Answer<void> StoreImpl::purge(AccountId account, MailboxId mailbox, Context context) {
  bool more = true;
  while (more) {
    KM_CO_CHECK(co_await core_.kv.transact(
        [&](kv::Transaction& t) { return purge_some(t, core_, account, mailbox, &more); }, StoreCore::frees(), context));
  }
  co_return Result<void>();
}

StoreImpl::Answer<void> StoreImpl::remove_mailbox(AccountId account, MailboxId mailbox, Context context) {
  if (mailbox == inbox_id) co_return fail(ErrorKind::denied, "the inbox stays");
  ModSeq modseq = 0;
  KM_CO_CHECK(co_await core_.kv.transact(
      [&](kv::Transaction& t) { return begin_mailbox_removal(t, core_, account, mailbox, &modseq); },
      StoreCore::frees(), context));
  core_.notifier.notify(account, modseq);
  // It is gone; what remains to be erased is finish_removals()' where it cannot be done now.
  (void)co_await purge(account, mailbox, context);
  co_return Result<void>();
}

StoreImpl::Answer<void> StoreImpl::remove_account(AccountId account, Context context) {
  KM_CO_CHECK(co_await core_.kv.transact([&](kv::Transaction& t) { return begin_account_removal(t, core_, account); },
                                         StoreCore::frees(), context));
  co_return co_await purge(account, whole_account, context);
}

StoreImpl::Answer<void> StoreImpl::finish_removals(Context context) {
  for (;;) {
    AccountId account{};
    MailboxId mailbox{};
    {
      KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context));
      const kv::Range range{.rows_max = 1};
      KM_CO_TRY(const auto rows, co_await snapshot->scan(core_.tables.removal, range));
      if (rows.empty()) co_return Result<void>();
      account = AccountId{static_cast<std::uint32_t>(key_number(rows.front().key, 0, 4))};
      mailbox = MailboxId{static_cast<std::uint32_t>(key_number(rows.front().key, 4, 4))};
    }
    KM_CO_CHECK(co_await purge(account, mailbox, context));
  }
}

}  // namespace keystonemail::service
