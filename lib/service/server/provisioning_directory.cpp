// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/server/provisioning_directory.hpp"

#include <utility>

#include "base/try.hpp"

namespace keystonemail {
namespace {

bool is_same(const mailstore::Quota& a, const mailstore::Quota& b) {
  return a.octets_limit == b.octets_limit && a.messages_limit == b.messages_limit;
}

}  // namespace

Task<Result<void>> ProvisioningDirectory::provide(directory::AccountId account, std::optional<mailstore::Quota> quota,
                                                 Context context) {
  bool is_known = false;
  {
    const std::lock_guard lock(mutex_);
    const auto known = provided_.find(account);
    is_known = known != provided_.end();
    if (is_known && (!quota || (known->second && is_same(*known->second, *quota)))) co_return {};
  }
  if (!is_known) {
    const auto made = co_await mail_.create_account(account, quota.value_or(mailstore::Quota{}), context);
    if (!made && made.error().kind() != ErrorKind::conflict) co_return made;
  }
  if (quota) KM_CO_CHECK(co_await mail_.set_quota(account, *quota, context));
  const std::lock_guard lock(mutex_);
  auto& known = provided_[account];
  if (quota) known = quota;
  co_return {};
}

Task<Result<void>> ProvisioningDirectory::provide(const directory::Account& account, Context context) {
  const mailstore::Quota quota{.octets_limit = account.quota_octets, .messages_limit = account.quota_messages};
  co_return co_await provide(account.id, quota, context);
}

Task<Result<bool>> ProvisioningDirectory::is_local_domain(std::string_view domain, Context context) {
  return inner_.is_local_domain(domain, std::move(context));
}

Task<Result<directory::Resolution>> ProvisioningDirectory::resolve(std::string_view address, Context context) {
  KM_CO_TRY(auto found, co_await inner_.resolve(address, context));
  if (const auto* mailboxes = std::get_if<directory::Mailboxes>(&found)) {
    for (const auto& local : mailboxes->local) {
      KM_CO_CHECK(co_await provide(local.account, std::nullopt, context));
    }
  }
  co_return found;
}

Task<Result<directory::Authenticated>> ProvisioningDirectory::authenticate(directory::PasswordAttempt attempt, Context context) {
  KM_CO_TRY(auto found, co_await inner_.authenticate(std::move(attempt), context));
  KM_CO_CHECK(co_await provide(found.account, context));
  co_return found;
}

Task<Result<std::vector<directory::Directory::ScramCredential>>> ProvisioningDirectory::scram_credentials(
    std::string_view login, crypto::Hash hash, std::string_view service, Context context) {
  return inner_.scram_credentials(login, hash, service, std::move(context));
}

Task<Result<directory::Account>> ProvisioningDirectory::find_account(std::string_view login, Context context) {
  KM_CO_TRY(auto found, co_await inner_.find_account(login, context));
  KM_CO_CHECK(co_await provide(found, context));
  co_return found;
}

Task<Result<bool>> ProvisioningDirectory::may_send_as(directory::AccountId account, std::string_view address, Context context) {
  return inner_.may_send_as(account, address, std::move(context));
}

}  // namespace keystonemail
