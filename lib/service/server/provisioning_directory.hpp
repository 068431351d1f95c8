// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ProvisioningDirectory: somebody else's directory, with a mail account made for each of its accounts when it is first seen.
#pragma once

#include <map>
#include <mutex>
#include <optional>

#include "keystonemail/directory/directory.hpp"
#include "keystonemail/mailstore/mailstore.hpp"

namespace keystonemail {

// Threads: any. Ownership: borrows both.
class ProvisioningDirectory final : public directory::Directory {
 public:
  ProvisioningDirectory(directory::Directory& inner, mailstore::MailStore& mail) : inner_(inner), mail_(mail) {}

  [[nodiscard]] Task<Result<bool>> is_local_domain(std::string_view domain, Context context) override;
  [[nodiscard]] Task<Result<directory::Resolution>> resolve(std::string_view address, Context context) override;
  [[nodiscard]] Task<Result<directory::Authenticated>> authenticate(directory::PasswordAttempt attempt, Context context) override;
  [[nodiscard]] bool has_scram() const noexcept override { return inner_.has_scram(); }
  [[nodiscard]] Task<Result<std::vector<ScramCredential>>> scram_credentials(std::string_view login, crypto::Hash hash,
                                                                             std::string_view service, Context context) override;
  [[nodiscard]] Task<Result<directory::Account>> find_account(std::string_view login, Context context) override;
  [[nodiscard]] Task<Result<bool>> may_send_as(directory::AccountId account, std::string_view address, Context context) override;
  [[nodiscard]] Task<Result<std::optional<directory::Absence>>> absence(directory::AccountId account, Context context) override {
    return inner_.absence(account, std::move(context));
  }

 private:
  // Without a quota: only that the account is there. With one, it is set when it is another than last time.
  [[nodiscard]] Task<Result<void>> provide(directory::AccountId account, std::optional<mailstore::Quota> quota, Context context);
  [[nodiscard]] Task<Result<void>> provide(const directory::Account& account, Context context);

  directory::Directory& inner_;
  mailstore::MailStore& mail_;
  std::mutex mutex_;
  std::map<directory::AccountId, std::optional<mailstore::Quota>> provided_;  // and the quota set; guarded by mutex_
};

}  // namespace keystonemail
