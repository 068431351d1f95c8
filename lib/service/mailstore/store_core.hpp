// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the parts of the mail store share, and its small helpers.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/try.hpp"
#include "keystonemail/blob/blob.hpp"
#include "keystonemail/kv/kv.hpp"
#include "keystonemail/service/mailstore/kv_mail_store.hpp"
#include "service/mailstore/mailbox_cache.hpp"
#include "service/mailstore/notifier.hpp"
#include "service/mailstore/rows.hpp"
#include "service/mailstore/sip_hash.hpp"
#include "service/mailstore/staging_room.hpp"
#include "service/mailstore/tables.hpp"

namespace keystonemail::service {

inline constexpr mailstore::MailboxId inbox_id{1};

struct StoreCore {
  kv::Store& kv;
  blob::Store& blobs;
  MailTables tables;
  MailStoreOptions options;
  SipKey sip_key;
  Notifier notifier;
  MailboxCache<MailboxListing> listings;
  MailboxCache<MailboxUidList> uid_lists;
  MailboxCache<MailboxPaths> paths;
  StagingRoom staging;

  StoreCore(kv::Store& store, blob::Store& blob_store, MailStoreOptions given, SipKey key)
      : kv(store), blobs(blob_store), tables(MailTables::from(given.first_table)), options(given), sip_key(key),
        listings(given.cache_octets_max / 8 * 6), uid_lists(given.cache_octets_max / 8),
        paths(given.cache_octets_max / 8),
        staging(given.staging_octets_max) {}

  [[nodiscard]] kv::TransactOptions adds() const noexcept { return {kv::Growth::adds, blobs.barrier()}; }
  [[nodiscard]] static kv::TransactOptions frees() noexcept { return {kv::Growth::frees, nullptr}; }
};

// The record of a key. Errors: not_found with `what`; corrupt.
template <class Row>
[[nodiscard]] Task<Result<Row>> get_row(kv::Reader& reader, kv::Table table, Key key, std::string_view what) {
  KM_CO_TRY(const auto value, co_await reader.get(table, key));
  if (!value) co_return fail(ErrorKind::not_found, std::string("no such ").append(what));
  const auto row = read_row<Row>(*value);
  if (!row) co_return damaged(what);
  co_return *row;
}

[[nodiscard]] inline Task<Result<AccountRow>> get_account(kv::Reader& reader, const StoreCore& core,
                                                          mailstore::AccountId account) {
  return get_row<AccountRow>(reader, core.tables.counter, Key(account, std::uint32_t{0}), "account");
}
[[nodiscard]] inline Task<Result<MailboxRow>> get_mailbox(kv::Reader& reader, const StoreCore& core,
                                                          mailstore::AccountId account, mailstore::MailboxId mailbox) {
  return get_row<MailboxRow>(reader, core.tables.counter, Key(account, mailbox), "mailbox");
}
inline void put_account(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account, const AccountRow& row) {
  t.put(core.tables.counter, Key(account, std::uint32_t{0}), encode_row(row));
}
inline void put_mailbox(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account,
                        mailstore::MailboxId mailbox, const MailboxRow& row) {
  t.put(core.tables.counter, Key(account, mailbox), encode_row(row));
}

}  // namespace keystonemail::service
