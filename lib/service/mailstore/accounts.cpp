// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <cstring>
#include <iterator>
#include <set>

#include "base/record.hpp"
#include "service/mailstore/mailbox_tree.hpp"
#include "service/mailstore/store_impl.hpp"

namespace keystonemail::service {

namespace {

constexpr std::string_view format_key = "format";
constexpr std::uint8_t store_format = 2;  // 1 had no entries in the change log that tell which flags

// The store's own row: its format and the key of its hashes, made when it is new.
Task<Result<void>> read_or_make_meta(kv::Transaction& t, kv::Table meta, std::string_view fresh, SipKey* key) {
  KM_CO_TRY(const auto value, co_await t.get(meta, format_key));
  RecordReader reader(value.value_or(fresh));
  const std::uint8_t format = reader.octet();
  *key = {reader.number(), reader.number()};
  if (!reader.ok()) co_return damaged("mail.meta");
  if (format == 0 || format > store_format) co_return fail(ErrorKind::corrupt, "the mail store is of a newer format");
  if (!value) t.put(meta, format_key, fresh);
  if (format < store_format) {
    RecordWriter now;
    now.octet(store_format).number(key->k0).number(key->k1);
    t.put(meta, format_key, now.view());
  }
  co_return Result<void>();
}

struct Special {
  std::string_view name;
  mailstore::Role role;
};
constexpr Special specials[] = {{"INBOX", mailstore::Role::inbox}, {"Drafts", mailstore::Role::drafts},
                                {"Sent", mailstore::Role::sent},   {"Junk", mailstore::Role::junk},
                                {"Trash", mailstore::Role::trash}, {"Archive", mailstore::Role::archive}};

Task<Result<void>> apply_create(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account,
                                mailstore::Quota limits, std::int64_t now) {
  KM_CO_TRY(const auto there, co_await t.get(core.tables.counter, Key(account, std::uint32_t{0})));
  if (there) co_return fail(ErrorKind::conflict, "account exists");
  KM_CO_TRY(const auto leaving, co_await t.get(core.tables.removal, Key(account, std::uint32_t{0})));
  if (leaving) co_return fail(ErrorKind::conflict, "account is still being removed");
  AccountRow row;
  row.octets_limit = limits.octets_limit;
  row.messages_limit = limits.messages_limit;
  row.modseq = row.tree_modseq = 1;
  for (const Special& special : specials) {
    const mailstore::MailboxId id{++row.mailbox_last};
    MailboxRow mailbox;
    mailbox.uid_validity = next_uid_validity(row, now);
    mailbox.highest_modseq = row.modseq;
    put_object(t, core, account, id, {0, special.role, true, row.modseq, std::string(special.name)});
    put_mailbox(t, core, account, id, mailbox);
  }
  put_account(t, core, account, row);
  co_return Result<void>();
}

Task<Result<void>> apply_quota(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account,
                               mailstore::Quota limits, mailstore::ModSeq* modseq) {
  KM_CO_TRY(AccountRow row, co_await get_account(t, core, account));
  row.octets_limit = limits.octets_limit;
  row.messages_limit = limits.messages_limit;
  *modseq = ++row.modseq;
  put_account(t, core, account, row);
  co_return Result<void>();
}

// Calls `each` with every account that the table has rows of, and the key of the first of them.
template <class Each>
Task<Result<void>> for_accounts(kv::Reader& reader, kv::Table table, Each each) {
  std::uint64_t next = 0;
  while (next <= UINT32_MAX) {
    const Key first(mailstore::AccountId{static_cast<std::uint32_t>(next)});
    const kv::Range range{.first = first, .rows_max = 1};
    KM_CO_TRY(const auto rows, co_await reader.scan(table, range));
    if (rows.empty()) break;
    const auto id = static_cast<std::uint32_t>(key_number(rows.front().key, 0, 4));
    each(mailstore::AccountId{id}, rows.front().key);
    next = std::uint64_t{id} + 1;
  }
  co_return Result<void>();
}

}  // namespace

std::span<const std::string_view> mail_store_tables() noexcept { return mail_table_names; }

Task<Result<std::unique_ptr<KvMailStore>>> KvMailStore::open(kv::Store& store, blob::Store& blobs, Random& random,
                                                             MailStoreOptions options, Context context) {
  RecordWriter fresh;
  fresh.octet(store_format).number(random.next_u64()).number(random.next_u64());
  SipKey key;
  const kv::Table meta = MailTables::from(options.first_table).meta;
  KM_CO_CHECK(co_await store.transact(
      [&](kv::Transaction& t) { return read_or_make_meta(t, meta, fresh.view(), &key); },
      {kv::Growth::frees, nullptr}, context));
  co_return std::unique_ptr<KvMailStore>(new StoreImpl(store, blobs, options, key));
}

StoreImpl::Answer<void> StoreImpl::create_account(AccountId account, mailstore::Quota limits, Context context) {
  const std::int64_t now = to_milliseconds(context.executor->wall_now());
  core_.listings.forget(account);  // an account that went may have had this number
  core_.uid_lists.forget(account);
  core_.paths.forget(account);
  co_return co_await core_.kv.transact(
      [&](kv::Transaction& t) { return apply_create(t, core_, account, limits, now); }, core_.adds(), context);
}

StoreImpl::Answer<mailstore::AccountInfo> StoreImpl::account(AccountId account, Context context) {
  KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context));
  KM_CO_TRY(const AccountRow row, co_await get_account(*snapshot, core_, account));
  mailstore::AccountInfo info;
  info.modseq = row.modseq;
  info.quota = {row.octets_used, row.octets_limit, row.messages_used, row.messages_limit};
  co_return info;
}

StoreImpl::Answer<void> StoreImpl::set_quota(AccountId account, mailstore::Quota limits, Context context) {
  ModSeq modseq = 0;
  KM_CO_CHECK(co_await core_.kv.transact(
      [&](kv::Transaction& t) { return apply_quota(t, core_, account, limits, &modseq); }, core_.frees(), context));
  core_.notifier.notify(account, modseq);
  co_return Result<void>();
}

StoreImpl::Answer<std::vector<mailstore::AccountId>> StoreImpl::accounts(Context context) {
  std::vector<AccountId> all;
  KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context));
  KM_CO_CHECK(co_await for_accounts(*snapshot, core_.tables.counter, [&](AccountId account, std::string_view key) {
    if (key_number(key, 4, 4) == 0) all.push_back(account);
  }));
  co_return all;
}

Task<Result<std::vector<mailstore::AccountId>>> accounts_with_rows(const StoreCore& core, Context context) {
  const MailTables& tables = core.tables;
  std::set<mailstore::AccountId> all, leaving;
  for (const kv::Table table : {tables.counter, tables.mailbox, tables.message, tables.email, tables.content, tables.membership,
                                tables.log, tables.thread, tables.subscription}) {
    KM_CO_TRY(const auto snapshot, co_await core.kv.snapshot(context));
    KM_CO_CHECK(co_await for_accounts(*snapshot, table, [&](mailstore::AccountId account, std::string_view) { all.insert(account); }));
  }
  KM_CO_TRY(const auto snapshot, co_await core.kv.snapshot(context));
  KM_CO_CHECK(co_await for_accounts(*snapshot, tables.removal, [&](mailstore::AccountId account, std::string_view key) {
    if (key_number(key, 4, 4) == 0) leaving.insert(account);
  }));
  std::vector<mailstore::AccountId> out;
  std::ranges::set_difference(all, leaving, std::back_inserter(out));
  co_return out;
}

}  // namespace keystonemail::service
