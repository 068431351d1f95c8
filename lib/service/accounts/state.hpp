// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the parts of Accounts share: access to the rows, and logins that have been verified lately.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "keystonemail/mime/address.hpp"
#include "keystonemail/service/accounts/accounts.hpp"
#include "service/accounts/records.hpp"

namespace keystonemail::accounts {

// Logins whose password was verified a moment ago, so that a client that reconnects does not cost a hash again.
// Keeps a keyed digest, never the password; a change of the account makes its entry void.
//
// Threads: any. Limits: limits::remembered_logins_max.
class RememberedLogins {
 public:
  explicit RememberedLogins(Random& random);
  void remember(const AccountRecord& record, std::string_view password, Instant now);
  [[nodiscard]] bool knows(const AccountRecord& record, std::string_view password, Instant now) const;

 private:
  struct Entry {
    std::string digest;
    std::uint64_t version;
    Instant until;
  };
  [[nodiscard]] std::string digest(std::string_view password) const;

  std::string key_;
  mutable std::mutex mutex_;
  std::map<directory::AccountId, Entry> entries_;  // guarded by mutex_
};

struct Accounts::State {
  Options options;
  kv::Store& store;
  mailstore::MailStore& mail;
  WorkerPool& workers;
  Random& random;
  kv::Table table;
  RememberedLogins remembered;

  // The address that a login stands for: as typed, or a local part in the primary domain.
  [[nodiscard]] std::optional<mime::Address> login_address(std::string_view login) const;

  [[nodiscard]] Task<Result<std::optional<AddressRecord>>> find_address(kv::Reader& reader, std::string key) const;
  [[nodiscard]] Task<Result<std::optional<AccountRecord>>> find_record(kv::Reader& reader, directory::AccountId id) const;
  // By login as typed; an alias is not a login.
  [[nodiscard]] Task<Result<std::optional<AccountRecord>>> find_by_login(kv::Reader& reader, std::string_view login) const;
  // The same in a snapshot of its own.
  [[nodiscard]] Task<Result<std::optional<AccountRecord>>> find_by_login(std::string login, Context context) const;
  // All but what it holds, which weigh() adds. An account without mail, as damage leaves one, holds nothing.
  [[nodiscard]] Standing standing_of(const AccountRecord& record) const;
  [[nodiscard]] Task<Result<void>> weigh(Standing& standing, Context context) const;
  [[nodiscard]] Task<Result<void>> check_hash(const std::string& hash, Context context) const;
  // What is kept of a password that its owner chose. Errors: those of crypto::hash_password, and of the workers.
  struct OwnPassword {
    std::string hash;
    std::optional<crypto::ScramKeys> keys;
  };
  [[nodiscard]] Task<Result<OwnPassword>> make_own_password(std::string_view password, ScramForPassword scram, std::string_view salt,
                                                            Context context) const;
  // Changes an account's record in one operation. `change` may refuse. Errors: not_found.
  using Change = std::function<Result<void>(AccountRecord&)>;
  [[nodiscard]] Task<Result<void>> update(std::string login, Change change, Context context) const;
  // `login` is canonical.
  void end_sessions(std::string_view login) const {
    if (options.end_sessions) options.end_sessions(login);
  }
  // All rows whose key begins with `prefix`, passed one by one.
  using Visit = std::function<Result<void>(std::string_view key, std::string_view value)>;
  [[nodiscard]] Task<Result<void>> for_each(char prefix, Visit visit, Context context) const;
};

[[nodiscard]] inline std::unexpected<Error> no_such_account(std::string_view login) {
  return fail(ErrorKind::not_found, "no account " + std::string(login));
}

}  // namespace keystonemail::accounts
