// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/server/provisioning_directory.hpp"

#include <utility>

#include "base/try.hpp"

namespace keystonemail {

Task<Result<void>> ProvisioningDirectory::provide(directory::AccountId account, mailstore::Quota quota, Context context) {
  {
    const std::lock_guard lock(mutex_);
    if (provided_.contains(account)) co_return {};
  }
  const auto made = co_await mail_.create_account(account, quota, context);
  if (!made && made.error().kind() != ErrorKind::conflict) co_return made;
  const std::lock_guard lock(mutex_);
  provided_.insert(account);
  co_return {};
}

Task<Result<bool>> ProvisioningDirectory::is_local_domain(std::string_view domain, Context context) {
  return inner_.is_local_domain(domain, std::move(context));
}

Task<Result<directory::Resolution>> ProvisioningDirectory::resolve(std::string_view address, Context context) {
  KM_CO_TRY(auto found, co_await inner_.resolve(address, context));
  if (const auto* mailboxes = std::get_if<directory::Mailboxes>(&found)) {
    for (const auto& local : mailboxes->local) {
      KM_CO_CHECK(co_await provide(local.account, mailstore::Quota{}, context));
    }
  }
  co_return found;
}

Task<Result<directory::Authenticated>> ProvisioningDirectory::authenticate(directory::PasswordAttempt attempt, Context context) {
  KM_CO_TRY(auto found, co_await inner_.authenticate(std::move(attempt), context));
  const mailstore::Quota quota{.octets_limit = found.account.quota_octets, .messages_limit = found.account.quota_messages};
  KM_CO_CHECK(co_await provide(found.account.id, quota, context));
  co_return found;
}

Task<Result<std::vector<directory::Directory::ScramCredential>>> ProvisioningDirectory::scram_credentials(
    std::string_view login, crypto::Hash hash, std::string_view service, Context context) {
  return inner_.scram_credentials(login, hash, service, std::move(context));
}

Task<Result<directory::Account>> ProvisioningDirectory::find_account(std::string_view login, Context context) {
  KM_CO_TRY(auto found, co_await inner_.find_account(login, context));
  const mailstore::Quota quota{.octets_limit = found.quota_octets, .messages_limit = found.quota_messages};
  KM_CO_CHECK(co_await provide(found.id, quota, context));
  co_return found;
}

Task<Result<bool>> ProvisioningDirectory::may_send_as(directory::AccountId account, std::string_view address, Context context) {
  return inner_.may_send_as(account, address, std::move(context));
}

}  // namespace keystonemail
