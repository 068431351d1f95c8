// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Passwords, app passwords and SCRAM keys.
#include <algorithm>
#include <utility>

#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "service/accounts/state.hpp"

namespace keystonemail::accounts {
namespace {

bool fits_service(const AppPassword& password, std::string_view service) {
  return password.services.empty() ||
         std::ranges::any_of(password.services, [&](const std::string& name) { return iequals(name, service); });
}

bool usable(const StoredAppPassword& password, std::string_view service, WallTime now) {
  return fits_service(password.about, service) && (!password.about.expires || now < *password.about.expires);
}

// Every app password is compared, whichever matches, so that the time tells nothing.
const StoredAppPassword* matching_app_password(const AccountRecord& record, std::string_view typed) {
  const StoredAppPassword* match = nullptr;
  for (const StoredAppPassword& password : record.app_passwords) {
    if (crypto::verify_app_password(typed, password.hash)) match = &password;
  }
  return match;
}

// How people type what is shown as "k7m2-9fqx-...": with hyphens or without, in lower case or in upper.
std::vector<crypto::SecretString> ways_of_typing(std::string_view shown) {
  std::string plain(shown);
  std::erase(plain, '-');
  std::vector<crypto::SecretString> ways;
  for (const std::string_view form : {shown, std::string_view(plain)}) {
    std::string upper(form);
    for (char& c : upper) c = to_upper(c);
    ways.emplace_back(form);
    ways.push_back(crypto::SecretString::adopt(upper));
  }
  crypto::wipe(plain);
  return ways;
}

Result<std::vector<crypto::ScramKeys>> derive_all(const std::vector<crypto::SecretString>& ways, std::string_view salt,
                                                  std::uint32_t iterations) {
  std::vector<crypto::ScramKeys> all;
  for (const auto& way : ways) {
    KM_TRY(auto keys, crypto::derive_scram_keys(crypto::Hash::sha256, way.view(), salt, iterations));
    all.push_back(std::move(keys));
  }
  return all;
}

std::unexpected<Error> refused() { return fail(ErrorKind::denied, "wrong login or password"); }

}  // namespace

Task<Result<directory::Authenticated>> Accounts::authenticate(directory::PasswordAttempt attempt, Context context) {
  const crypto::SecretString password = crypto::SecretString::adopt(attempt.password);
  KM_CO_TRY(const auto record, co_await state_->find_by_login(attempt.login, context));
  if (record && record->enabled) {
    const auto* app_password = matching_app_password(*record, password.view());
    if (app_password != nullptr && usable(*app_password, attempt.service, context.executor->wall_now())) {
      co_return directory::Authenticated{record->account(), app_password->about.name};
    }
    if (!attempt.guessable_refused && state_->remembered.knows(*record, password.view(), context.executor->now())) {
      co_return directory::Authenticated{record->account(), std::string(directory::human_password)};
    }
  }
  if (attempt.guessable_refused) co_return refused();  // as quick for logins that do not exist
  const bool can_match = record && record->enabled && !record->password_hash.empty();
  if (!can_match) {  // takes as long as if there were one to check
    KM_CO_CHECK(co_await run_on(state_->workers, [&] {
      crypto::spend_password_time(password.view(), state_->options.password_cost);
      return 0;
    }, context));
    co_return refused();
  }
  KM_CO_TRY(const auto check, co_await run_on(state_->workers, [&] {
    return crypto::verify_password(password.view(), record->password_hash);
  }, context));
  if (check == crypto::PasswordCheck::unavailable) co_return fail(ErrorKind::unavailable, "try again later");
  if (check != crypto::PasswordCheck::correct) co_return refused();
  auto known = *record;
  if (crypto::needs_rehash(record->password_hash, state_->options.password_cost)) {
    KM_CO_TRY(auto hashed, co_await run_on(state_->workers, [&] {
      return crypto::hash_password(password.view(), state_->random, state_->options.password_cost);
    }, context));
    if (hashed) {
      // Another change may have come in between; then the old hash stays until the next login.
      State::Change change = [&](AccountRecord& now) -> Result<void> {
    if (now.password_hash == record->password_hash) now.password_hash = *hashed;
    known = now;
    return {};
  };
      const auto replaced = co_await state_->update(record->login, std::move(change), context);
      if (replaced) ++known.version;
    }
  }
  state_->remembered.remember(known, password.view(), context.executor->now());
  co_return directory::Authenticated{known.account(), std::string(directory::human_password)};
}

Task<Result<std::vector<directory::Directory::ScramCredential>>> Accounts::scram_credentials(std::string_view login, crypto::Hash hash,
                                                                                             std::string_view service,
                                                                                             Context context) {
  std::vector<ScramCredential> out;
  if (hash != crypto::Hash::sha256) co_return out;  // no weaker keys are kept
  KM_CO_TRY(const auto record, co_await state_->find_by_login(std::string(login), context));
  if (!record || !record->enabled) co_return out;
  if (record->password_keys) out.push_back({std::string(directory::human_password), *record->password_keys});
  for (const StoredAppPassword& password : record->app_passwords) {
    if (!usable(password, service, context.executor->wall_now())) continue;
    for (const auto& keys : record->password_keys ? password.stretched_keys : password.keys)
      out.push_back({password.about.name, keys});
  }
  co_return out;
}

Task<Result<directory::Account>> Accounts::find_account(std::string_view login, Context context) {
  KM_CO_TRY(const auto record, co_await state_->find_by_login(std::string(login), context));
  if (!record) co_return no_such_account(login);
  if (!record->enabled) co_return fail(ErrorKind::denied, "the account is disabled");
  co_return record->account();
}

Task<Result<Accounts::State::OwnPassword>> Accounts::State::make_own_password(std::string_view password, ScramForPassword scram,
                                                                              std::string_view salt, Context context) const {
  OwnPassword out;
  KM_CO_TRY(auto hashed, co_await run_on(workers, [&] { return crypto::hash_password(password, random, options.password_cost); }, context));
  KM_CO_TRY(out.hash, std::move(hashed));
  if (scram == ScramForPassword::no) co_return out;
  KM_CO_TRY(auto derived, co_await run_on(workers, [&] {
    return crypto::derive_scram_keys(crypto::Hash::sha256, password, salt, crypto::limits::scram_iterations_human);
  }, context));
  KM_CO_TRY(out.keys, std::move(derived));
  co_return out;
}

Task<Result<void>> Accounts::set_password(std::string_view login, crypto::SecretString password, ScramForPassword scram,
                                          Context context) {
  KM_CO_TRY(const auto record, co_await state_->find_by_login(std::string(login), context));
  if (!record) co_return no_such_account(login);
  KM_CO_TRY(const auto made, co_await state_->make_own_password(password.view(), scram, record->scram_salt, context));
  std::string canonical;
  State::Change change = [&](AccountRecord& now) -> Result<void> {
    canonical = now.login;
    now.password_hash = made.hash;
    now.password_keys = made.keys;
    return {};
  };
  KM_CO_CHECK(co_await state_->update(std::string(login), std::move(change), context));
  state_->end_sessions(canonical);
  co_return {};
}

Task<Result<void>> Accounts::State::check_hash(const std::string& hash, Context context) const {
  KM_CO_TRY(const auto verdict, co_await run_on(workers, [&] { return crypto::check_password_hash(hash); }, context));
  co_return verdict;
}

Task<Result<void>> Accounts::set_password_hash(std::string_view login, std::string hash, Context context) {
  const std::string name(login);
  KM_CO_CHECK(co_await state_->check_hash(hash, context));
  std::string canonical;
  State::Change change = [&](AccountRecord& now) -> Result<void> {
    canonical = now.login;
    now.password_hash = hash;
    now.password_keys.reset();
    return {};
  };
  KM_CO_CHECK(co_await state_->update(name, std::move(change), context));
  state_->end_sessions(canonical);
  co_return {};
}

Task<Result<crypto::SecretString>> Accounts::add_app_password(std::string_view login, AppPassword request, Context context) {
  KM_CO_TRY(const auto record, co_await state_->find_by_login(std::string(login), context));
  if (!record) co_return no_such_account(login);
  if (request.name.empty() || !is_utf8(request.name)) co_return fail(ErrorKind::invalid, "an app password needs a name");
  if (iequals(request.name, directory::human_password)) co_return fail(ErrorKind::invalid, "an app password needs a name of its own");
  auto password = crypto::generate_app_password(state_->random);
  StoredAppPassword stored{std::move(request), crypto::hash_app_password(password.view()), {}, {}};
  stored.about.created = context.executor->wall_now();
  const auto ways = ways_of_typing(password.view());
  KM_CO_TRY(auto keys, co_await run_on(state_->workers, [&] {
    return derive_all(ways, record->scram_salt, crypto::limits::scram_iterations_min);
  }, context));
  KM_CO_TRY(auto stretched, co_await run_on(state_->workers, [&] {
    return derive_all(ways, record->scram_salt, crypto::limits::scram_iterations_human);
  }, context));
  KM_CO_TRY(stored.keys, std::move(keys));
  KM_CO_TRY(stored.stretched_keys, std::move(stretched));
  State::Change change = [&](AccountRecord& now) -> Result<void> {
    if (now.app_passwords.size() >= limits::app_passwords_per_account_max) {
  return fail(ErrorKind::too_large, "there are " + std::to_string(now.app_passwords.size()) + " app passwords already");
    }
    const bool taken = std::ranges::any_of(now.app_passwords, [&](const auto& other) { return other.about.name == stored.about.name; });
    if (taken) return fail(ErrorKind::conflict, "there is an app password called " + stored.about.name);
    now.app_passwords.push_back(stored);
    return {};
  };
  KM_CO_CHECK(co_await state_->update(std::string(login), std::move(change), context));
  co_return password;
}

Task<Result<void>> Accounts::remove_app_password(std::string_view login, std::string_view name, Context context) {
  std::string canonical;
  State::Change change = [&canonical, name = std::string(name)](AccountRecord& now) -> Result<void> {
    canonical = now.login;
    const auto removed = std::erase_if(now.app_passwords, [&](const auto& password) { return password.about.name == name; });
    if (removed == 0) return fail(ErrorKind::not_found, "no app password called " + name);
    return {};
  };
  KM_CO_CHECK(co_await state_->update(std::string(login), std::move(change), context));
  state_->end_sessions(canonical);
  co_return {};
}

Task<Result<std::vector<AppPassword>>> Accounts::app_passwords(std::string_view login, Context context) {
  KM_CO_TRY(const auto record, co_await state_->find_by_login(std::string(login), context));
  if (!record) co_return no_such_account(login);
  std::vector<AppPassword> out;
  for (const auto& password : record->app_passwords) out.push_back(password.about);
  co_return out;
}

}  // namespace keystonemail::accounts
