// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The administrator's side: domains, accounts, aliases.
#include "keystonemail/service/accounts/accounts.hpp"

#include <algorithm>
#include <utility>

#include "base/record.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/idna.hpp"
#include "service/accounts/state.hpp"

namespace keystonemail::accounts {
namespace {

std::unexpected<Error> not_our_domain(std::string_view domain) {
  return fail(ErrorKind::not_found, std::string(domain) + " is not a domain of this server; add it first");
}

// "@domain" in canonical form, or nothing.
std::optional<std::string> catch_all_key(std::string_view address) {
  if (!address.starts_with('@')) return std::nullopt;
  const auto domain = codec::to_ascii_domain(address.substr(1));
  if (!domain) return std::nullopt;
  return "@" + *domain;
}

}  // namespace

std::vector<std::string> table_names() { return {"directory"}; }

Accounts::Accounts(Options options, kv::Store& store, mailstore::MailStore& mail, WorkerPool& workers, Random& random)
    : state_(new State{std::move(options), store, mail, workers, random, {}, RememberedLogins(random)}) {
  state_->table = state_->options.first_table;
}

Accounts::~Accounts() = default;

Task<Result<void>> Accounts::add_domain(std::string_view domain, Context context) {
  const auto name = codec::to_ascii_domain(domain);
  if (!name || name->starts_with('[')) co_return fail(ErrorKind::invalid, std::string(domain) + " is not a domain name");
  kv::Operation operation = [this, key = domain_key(*name), name](kv::Transaction& transaction) -> Task<Result<void>> {
    KM_CO_TRY(const auto there, co_await transaction.get(state_->table, key));
    if (there) co_return fail(ErrorKind::conflict, *name + " is already a domain of this server");
    transaction.put(state_->table, key, RecordWriter().octet(1).take());
    co_return {};
  };
  co_return co_await state_->store.transact(std::move(operation), {}, context);
}

Task<Result<void>> Accounts::remove_domain(std::string_view domain, Context context) {
  const auto name = codec::to_ascii_domain(domain);
  if (!name) co_return fail(ErrorKind::invalid, std::string(domain) + " is not a domain name");
  bool in_use = false;
  State::Visit visit = [&](std::string_view key, std::string_view) -> Result<void> {
    in_use = in_use || key.ends_with("@" + *name);
    return {};
  };
  KM_CO_CHECK(co_await state_->for_each(address_prefix, std::move(visit), context));
  if (in_use) co_return fail(ErrorKind::conflict, *name + " still has accounts or aliases; remove them first");
  kv::Operation operation = [this, key = domain_key(*name), name](kv::Transaction& transaction) -> Task<Result<void>> {
    KM_CO_TRY(const auto there, co_await transaction.get(state_->table, key));
    if (!there) co_return fail(ErrorKind::not_found, *name + " is not a domain of this server");
    transaction.erase(state_->table, key);
    co_return {};
  };
  co_return co_await state_->store.transact(std::move(operation), {.growth = kv::Growth::frees}, context);
}

Task<Result<std::vector<std::string>>> Accounts::domains(Context context) {
  std::vector<std::string> out;
  State::Visit visit = [&](std::string_view key, std::string_view) -> Result<void> {
    out.emplace_back(key.substr(1));
    return {};
  };
  KM_CO_CHECK(co_await state_->for_each(domain_prefix, std::move(visit), context));
  co_return out;
}

Task<Result<directory::Account>> Accounts::add_account(NewAccount request, Context context) {
  const auto address = state_->login_address(request.login);
  if (!address || address->has_address_literal()) {
    co_return fail(ErrorKind::invalid, request.login + " is not an address such as name@" + state_->options.primary_domain);
  }
  AccountRecord record;
  record.login = address->to_string();
  record.display_name = std::move(request.display_name);
  record.quota_octets = request.quota_octets;
  record.quota_messages = request.quota_messages;
  if (!request.password_hash.empty()) KM_CO_CHECK(co_await state_->check_hash(request.password_hash, context));
  record.password_hash = std::move(request.password_hash);
  record.scram_salt.resize(crypto::limits::scram_salt_octets);
  state_->random.fill(std::as_writable_bytes(std::span(record.scram_salt)));
  if (request.password) {
    KM_CO_TRY(auto made, co_await state_->make_own_password(request.password->view(), request.scram, record.scram_salt, context));
    record.password_hash = std::move(made.hash);
    record.password_keys = std::move(made.keys);
  }
  // The number first, then the mailboxes, then the rows that make it known: what a crash leaves in between is an empty
  // mail account that nobody can reach.
  kv::Operation take_number = [this, &record, key = address->key(),
                               domain = address->domain()](kv::Transaction& transaction) -> Task<Result<void>> {
    KM_CO_TRY(const auto ours, co_await transaction.get(state_->table, domain_key(domain)));
    if (!ours) co_return not_our_domain(domain);
    KM_CO_TRY(const auto taken, co_await state_->find_address(transaction, key));
    if (taken) co_return fail(ErrorKind::conflict, record.login + " is taken by " + (taken->account ? "an account" : "an alias"));
    KM_CO_TRY(const auto next, co_await transaction.get(state_->table, next_account_key));
    const std::uint64_t number = next ? read_big_endian(*next) : 1;
    record.id = directory::AccountId{static_cast<std::uint32_t>(number)};
    std::string following;
    append_big_endian(following, number + 1, 4);
    transaction.put(state_->table, next_account_key, following);
    co_return {};
  };
  KM_CO_CHECK(co_await state_->store.transact(std::move(take_number), {}, context));
  KM_CO_CHECK(co_await state_->mail.create_account(
      record.id, {.octets_limit = record.quota_octets, .messages_limit = record.quota_messages}, context));
  kv::Operation make_known = [this, &record, key = address->key()](kv::Transaction& transaction) -> Task<Result<void>> {
    KM_CO_TRY(const auto taken, co_await state_->find_address(transaction, key));
    if (taken) co_return fail(ErrorKind::conflict, record.login + " was taken meanwhile");
    transaction.put(state_->table, account_key(record.id), encode(record));
    transaction.put(state_->table, address_key(key), encode(AddressRecord{.account = record.id, .alias = {}}));
    KM_CO_TRY(const auto postmaster, co_await transaction.get(state_->table, postmaster_key));
    if (!postmaster) transaction.put(state_->table, postmaster_key, account_key(record.id));
    co_return {};
  };
  KM_CO_CHECK(co_await state_->store.transact(std::move(make_known), {}, context));
  co_return record.account();
}

Task<Result<void>> Accounts::remove_account(std::string_view login, Context context) {
  std::optional<directory::AccountId> id;
  std::string canonical;
  kv::Operation operation = [this, &id, &canonical, name = std::string(login)](kv::Transaction& transaction) -> Task<Result<void>> {
    KM_CO_TRY(const auto record, co_await state_->find_by_login(transaction, name));
    if (!record) co_return no_such_account(name);
    id = record->id;
    canonical = record->login;
    const auto address = state_->login_address(record->login);
    transaction.erase(state_->table, account_key(record->id));
    if (address) transaction.erase(state_->table, address_key(address->key()));
    KM_CO_TRY(const auto postmaster, co_await transaction.get(state_->table, postmaster_key));
    if (postmaster && *postmaster == account_key(record->id)) transaction.erase(state_->table, postmaster_key);
    co_return {};
  };
  KM_CO_CHECK(co_await state_->store.transact(std::move(operation), {.growth = kv::Growth::frees}, context));
  state_->end_sessions(canonical);
  auto removed = co_await state_->mail.remove_account(*id, context);
  if (!removed && removed.error().kind() == ErrorKind::not_found) co_return {};  // its mailboxes were lost before
  co_return removed;
}

Task<Result<std::vector<directory::Account>>> Accounts::without_mailboxes(Context context) {
  KM_CO_TRY(auto all, co_await accounts(context));
  std::vector<directory::Account> out;
  for (directory::Account& account : all) {
    const auto there = co_await state_->mail.account(account.id, context);
    if (!there && there.error().kind() == ErrorKind::not_found) out.push_back(std::move(account));
  }
  co_return out;
}

Task<Result<std::uint64_t>> Accounts::reconcile_mailboxes(Context context) {
  KM_CO_TRY(const auto all, co_await accounts(context));
  std::uint64_t changed = 0;
  for (const directory::Account& account : all) {
    const mailstore::Quota limits{.octets_limit = account.quota_octets, .messages_limit = account.quota_messages};
    const auto there = co_await state_->mail.account(account.id, context);
    if (!there && there.error().kind() != ErrorKind::not_found) co_return std::unexpected(there.error());
    if (there && there->quota.octets_limit == limits.octets_limit && there->quota.messages_limit == limits.messages_limit) continue;
    if (there) {
      KM_CO_CHECK(co_await state_->mail.set_quota(account.id, limits, context));
    } else {
      KM_CO_CHECK(co_await state_->mail.create_account(account.id, limits, context));
    }
    ++changed;
  }
  co_return changed;
}

Task<Result<std::vector<directory::Account>>> Accounts::accounts(Context context) {
  std::vector<directory::Account> out;
  State::Visit visit = [&](std::string_view, std::string_view value) -> Result<void> {
    KM_TRY(const auto record, decode_account(value));
    out.push_back(record.account());
    return {};
  };
  KM_CO_CHECK(co_await state_->for_each(account_prefix, std::move(visit), context));
  co_return out;
}

Task<Result<std::vector<Standing>>> Accounts::standings(Context context) {
  std::vector<Standing> out;
  State::Visit visit = [&](std::string_view, std::string_view value) -> Result<void> {
    KM_TRY(const auto record, decode_account(value));
    out.push_back(state_->standing_of(record));
    return {};
  };
  KM_CO_CHECK(co_await state_->for_each(account_prefix, std::move(visit), context));
  for (Standing& one : out) KM_CO_CHECK(co_await state_->weigh(one, context));
  co_return out;
}

Task<Result<Standing>> Accounts::standing(std::string_view login, Context context) {
  KM_CO_TRY(const auto record, co_await state_->find_by_login(std::string(login), context));
  if (!record) co_return no_such_account(login);
  Standing out = state_->standing_of(*record);
  KM_CO_CHECK(co_await state_->weigh(out, context));
  co_return out;
}

Task<Result<void>> Accounts::set_enabled(std::string_view login, bool enabled, Context context) {
  std::string canonical;
  State::Change change = [enabled, &canonical](AccountRecord& record) -> Result<void> {
    record.enabled = enabled;
    canonical = record.login;
    return {};
  };
  KM_CO_CHECK(co_await state_->update(std::string(login), std::move(change), context));
  if (!enabled) state_->end_sessions(canonical);
  co_return {};
}

Task<Result<void>> Accounts::set_forwarding(std::string_view login, Forwarding forwarding, Context context) {
  if (forwarding.targets.size() > limits::forward_targets_max)
    co_return fail(ErrorKind::too_large, "more than " + std::to_string(limits::forward_targets_max) + " addresses");
  const auto own = state_->login_address(login);
  for (std::string& target : forwarding.targets) {
    const auto address = state_->login_address(target);
    if (!address) co_return fail(ErrorKind::invalid, target + " is not an address");
    if (own && own->key() == address->key()) co_return fail(ErrorKind::invalid, target + " is the account itself");
    target = address->to_string();
  }
  State::Change change = [&forwarding](AccountRecord& record) -> Result<void> {
    record.forwarding = forwarding;
    return {};
  };
  co_return co_await state_->update(std::string(login), std::move(change), context);
}

Task<Result<Forwarding>> Accounts::forwarding(std::string_view login, Context context) {
  KM_CO_TRY(const auto record, co_await state_->find_by_login(std::string(login), context));
  if (!record) co_return no_such_account(login);
  co_return record->forwarding;
}

Task<Result<void>> Accounts::set_vacation(std::string_view login, autoreply::Settings settings, Context context) {
  KM_CO_CHECK(autoreply::check_settings(settings));
  KM_CO_TRY(const auto record, co_await state_->find_by_login(std::string(login), context));
  if (!record) co_return no_such_account(login);
  if (!settings.address.empty()) {
    KM_CO_TRY(const bool owned, co_await may_send_as(record->id, settings.address, context));
    if (!owned) co_return fail(ErrorKind::denied, settings.address + " is no address of " + record->login);
  }
  State::Change change = [&settings](AccountRecord& changed) -> Result<void> {
    changed.vacation = settings;
    return {};
  };
  co_return co_await state_->update(std::string(login), std::move(change), context);
}

Task<Result<autoreply::Settings>> Accounts::vacation(std::string_view login, Context context) {
  KM_CO_TRY(const auto record, co_await state_->find_by_login(std::string(login), context));
  if (!record) co_return no_such_account(login);
  co_return record->vacation;
}

Task<Result<void>> Accounts::set_quota(std::string_view login, std::uint64_t octets, std::uint64_t messages, Context context) {
  std::optional<directory::AccountId> id;
  State::Change change = [&](AccountRecord& record) -> Result<void> {
    record.quota_octets = octets;
    record.quota_messages = messages;
    id = record.id;
    return {};
  };
  KM_CO_CHECK(co_await state_->update(std::string(login), std::move(change), context));
  co_return co_await state_->mail.set_quota(*id, {.octets_limit = octets, .messages_limit = messages}, context);
}

Task<Result<void>> Accounts::set_alias(Alias alias, Context context) {
  auto key = catch_all_key(alias.address);
  std::string domain;
  if (key) {
    alias.kind = AliasKind::catch_all;
    alias.address = *key;
    domain = key->substr(1);
  } else {
    const auto address = state_->login_address(alias.address);
    if (!address) co_return fail(ErrorKind::invalid, alias.address + " is not an address");
    if (alias.kind == AliasKind::catch_all) co_return fail(ErrorKind::invalid, "a catch-all is written @domain");
    alias.address = address->to_string();
    key = address->key();
    domain = address->domain();
  }
  if (alias.targets.empty()) co_return fail(ErrorKind::invalid, "an alias needs at least one address to lead to");
  if (alias.targets.size() > limits::alias_targets_max) {
    co_return fail(ErrorKind::too_large, "more than " + std::to_string(limits::alias_targets_max) + " addresses");
  }
  for (std::string& target : alias.targets) {
    const auto address = state_->login_address(target);
    if (!address) co_return fail(ErrorKind::invalid, target + " is not an address");
    target = address->to_string();
  }
  if (alias.kind != AliasKind::list && !alias.owner.empty()) co_return fail(ErrorKind::invalid, "only a list has an owner");
  if (!alias.owner.empty()) {
    const auto owner = state_->login_address(alias.owner);
    if (!owner) co_return fail(ErrorKind::invalid, alias.owner + " is not an address");
    if (owner->key() == *key) co_return fail(ErrorKind::invalid, "a list cannot look after itself");
    alias.owner = owner->to_string();
  }
  kv::Operation operation = [this, &alias, key = *key, domain](kv::Transaction& transaction) -> Task<Result<void>> {
    KM_CO_TRY(const auto ours, co_await transaction.get(state_->table, domain_key(domain)));
    if (!ours) co_return not_our_domain(domain);
    KM_CO_TRY(const auto there, co_await state_->find_address(transaction, key));
    if (there && there->account) co_return fail(ErrorKind::conflict, alias.address + " is an account");
    transaction.put(state_->table, address_key(key), encode(AddressRecord{.account = {}, .alias = alias}));
    co_return {};
  };
  co_return co_await state_->store.transact(std::move(operation), {}, context);
}

Task<Result<void>> Accounts::remove_alias(std::string_view address, Context context) {
  auto key = catch_all_key(address);
  if (!key) {
    const auto parsed = state_->login_address(address);
    if (!parsed) co_return fail(ErrorKind::invalid, std::string(address) + " is not an address");
    key = parsed->key();
  }
  kv::Operation operation = [this, key = *key, name = std::string(address)](kv::Transaction& transaction) -> Task<Result<void>> {
    KM_CO_TRY(const auto there, co_await state_->find_address(transaction, key));
    if (!there || there->account) co_return fail(ErrorKind::not_found, "no alias " + name);
    transaction.erase(state_->table, address_key(key));
    co_return {};
  };
  co_return co_await state_->store.transact(std::move(operation), {.growth = kv::Growth::frees}, context);
}

Task<Result<std::string>> Accounts::login_secret(Context context) {
  std::string secret;
  kv::Operation operation = [this, &secret](kv::Transaction& transaction) -> Task<Result<void>> {
    KM_CO_TRY(const auto there, co_await transaction.get(state_->table, login_secret_key));
    secret = there ? std::string(*there) : state_->random.hex(32);
    if (!there) transaction.put(state_->table, login_secret_key, secret);
    co_return {};
  };
  KM_CO_CHECK(co_await state_->store.transact(std::move(operation), {}, context));
  co_return secret;
}

Task<Result<std::vector<Alias>>> Accounts::aliases(Context context) {
  std::vector<Alias> out;
  State::Visit visit = [&](std::string_view, std::string_view value) -> Result<void> {
    KM_TRY(auto record, decode_address(value));
    if (!record.account) out.push_back(std::move(record.alias));
    return {};
  };
  KM_CO_CHECK(co_await state_->for_each(address_prefix, std::move(visit), context));
  co_return out;
}

}  // namespace keystonemail::accounts
