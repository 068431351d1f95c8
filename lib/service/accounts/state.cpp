// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/accounts/state.hpp"

#include <utility>

#include "base/try.hpp"
#include "keystonemail/crypto/digest.hpp"

namespace keystonemail::accounts {

RememberedLogins::RememberedLogins(Random& random) : key_(random.hex(32)) {}

std::string RememberedLogins::digest(std::string_view password) const {
  return crypto::hmac(crypto::Hash::sha256, key_, password);
}

void RememberedLogins::remember(const AccountRecord& record, std::string_view password, Instant now) {
  Entry entry{digest(password), record.version, now + limits::remembered_login_lifetime};
  const std::lock_guard lock(mutex_);
  if (entries_.size() >= limits::remembered_logins_max) {
    std::erase_if(entries_, [now](const auto& old) { return old.second.until <= now; });
    if (entries_.size() >= limits::remembered_logins_max) entries_.erase(entries_.begin());
  }
  entries_.insert_or_assign(record.id, std::move(entry));
}

bool RememberedLogins::knows(const AccountRecord& record, std::string_view password, Instant now) const {
  const std::string mine = digest(password);
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(record.id);
  return found != entries_.end() && found->second.version == record.version && now < found->second.until &&
         crypto::constant_time_equal(found->second.digest, mine);
}

std::optional<mime::Address> Accounts::State::login_address(std::string_view login) const {
  if (login.find('@') != std::string_view::npos) return mime::Address::parse(login);
  return mime::Address::make(login, options.primary_domain);
}

Task<Result<std::optional<AddressRecord>>> Accounts::State::find_address(kv::Reader& reader, std::string key) const {
  KM_CO_TRY(const auto value, co_await reader.get(table, address_key(key)));
  if (!value) co_return std::optional<AddressRecord>();
  KM_CO_TRY(auto record, decode_address(*value));
  co_return std::optional(std::move(record));
}

Task<Result<std::optional<AccountRecord>>> Accounts::State::find_record(kv::Reader& reader, directory::AccountId id) const {
  KM_CO_TRY(const auto value, co_await reader.get(table, account_key(id)));
  if (!value) co_return std::optional<AccountRecord>();
  KM_CO_TRY(auto record, decode_account(*value));
  co_return std::optional(std::move(record));
}

Task<Result<std::optional<AccountRecord>>> Accounts::State::find_by_login(kv::Reader& reader, std::string_view login) const {
  const auto address = login_address(login);
  if (!address) co_return std::optional<AccountRecord>();
  KM_CO_TRY(const auto row, co_await find_address(reader, address->key()));
  if (!row || !row->account) co_return std::optional<AccountRecord>();
  co_return co_await find_record(reader, *row->account);
}

Task<Result<std::optional<AccountRecord>>> Accounts::State::find_by_login(std::string login, Context context) const {
  KM_CO_TRY(const auto snapshot, co_await store.snapshot(context));
  co_return co_await find_by_login(*snapshot, login);
}

Standing Accounts::State::standing_of(const AccountRecord& record) const {
  Standing out;
  out.account = record.account();
  out.hash_kind = crypto::password_hash_kind(record.password_hash);
  out.has_scram = record.password_keys.has_value();
  out.quota.octets_limit = record.quota_octets;
  out.quota.messages_limit = record.quota_messages;
  return out;
}

Task<Result<void>> Accounts::State::weigh(Standing& standing, Context context) const {
  const auto info = co_await mail.account(standing.account.id, context);
  if (!info && info.error().kind() != ErrorKind::not_found) co_return std::unexpected(info.error());
  if (info) {
    standing.quota.octets_used = info->quota.octets_used;
    standing.quota.messages_used = info->quota.messages_used;
  }
  co_return {};
}

Task<Result<void>> Accounts::State::update(std::string login, Change change, Context context) const {
  kv::Operation operation = [this, login, change](kv::Transaction& transaction) -> Task<Result<void>> {
    KM_CO_TRY(auto record, co_await find_by_login(transaction, login));
    if (!record) co_return no_such_account(login);
    KM_CO_CHECK(change(*record));
    ++record->version;
    transaction.put(table, account_key(record->id), encode(*record));
    co_return {};
  };
  co_return co_await store.transact(std::move(operation), {}, context);
}

Task<Result<void>> Accounts::State::for_each(char prefix, Visit visit, Context context) const {
  KM_CO_TRY(const auto snapshot, co_await store.snapshot(context));
  std::string first(1, prefix);
  const std::string end(1, static_cast<char>(prefix + 1));
  for (;;) {
    const kv::Range range{.first = first, .end = end};
    KM_CO_TRY(const auto rows, co_await snapshot->scan(table, range));
    for (const kv::Row& row : rows) KM_CO_CHECK(visit(row.key, row.value));
    if (rows.size() < range.rows_max) co_return {};
    first.assign(rows.back().key).push_back('\0');
  }
}

}  // namespace keystonemail::accounts
