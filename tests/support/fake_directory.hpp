// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// FakeDirectory: a directory with a handful of people, in memory, that can be made to fail.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "keystonemail/base/text.hpp"
#include "keystonemail/directory/directory.hpp"

namespace keystonemail::test {

class FakeDirectory final : public directory::Directory {
 public:
  struct Person {
    directory::Account account;
    std::string password;
    std::vector<ScramCredential> scram = {};
    std::string app_password = {};                            // called "laptop"; empty: none
  };

  std::set<std::string> domains{"example.test"};
  std::map<std::string, Person> people;                       // by address
  std::map<std::string, directory::Mailboxes> aliases;        // by address
  std::map<directory::AccountId, directory::Absence> absences;
  std::optional<Error> failure;                               // what every call answers, when set

  void add(std::uint32_t id, const std::string& address, const std::string& password) {
    people[address] = {{.id = directory::AccountId{id}, .login = address}, password};
  }

  Task<Result<bool>> is_local_domain(std::string_view domain, Context) override {
    if (failure) co_return std::unexpected(*failure);
    co_return domains.contains(to_lower(domain));
  }
  Task<Result<directory::Resolution>> resolve(std::string_view address, Context) override {
    if (failure) co_return std::unexpected(*failure);
    const std::string key = to_lower(address);
    const auto at = key.rfind('@');
    if (at == std::string::npos || !domains.contains(key.substr(at + 1))) co_return directory::Resolution(directory::NotLocal{});
    if (const auto alias = aliases.find(key); alias != aliases.end()) {
      directory::Mailboxes found = alias->second;
      for (auto& local : found.local) local.is_absent = absences.contains(local.account);
      co_return directory::Resolution(std::move(found));
    }
    const auto person = people.find(key);
    if (person == people.end()) co_return directory::Resolution(directory::UnknownRecipient{});
    if (!person->second.account.enabled) co_return directory::Resolution(directory::DisabledRecipient{});
    directory::Mailboxes found;
    found.local.push_back({.account = person->second.account.id, .address = key, .detail = {}, .is_absent = absences.contains(person->second.account.id)});
    co_return directory::Resolution(std::move(found));
  }
  Task<Result<directory::Authenticated>> authenticate(directory::PasswordAttempt attempt, Context) override {
    if (failure) co_return std::unexpected(*failure);
    const auto person = people.find(to_lower(attempt.login));
    if (person == people.end()) co_return fail(ErrorKind::denied);
    const Person& known = person->second;
    if (known.password == attempt.password) co_return directory::Authenticated{known.account, std::string(directory::human_password)};
    if (!known.app_password.empty() && known.app_password == attempt.password) co_return directory::Authenticated{known.account, "laptop"};
    co_return fail(ErrorKind::denied);
  }
  Task<Result<std::vector<ScramCredential>>> scram_credentials(std::string_view login, crypto::Hash, std::string_view,
                                                               Context) override {
    if (failure) co_return std::unexpected(*failure);
    const auto person = people.find(to_lower(login));
    if (person == people.end()) co_return std::vector<ScramCredential>();
    co_return person->second.scram;
  }
  Task<Result<directory::Account>> find_account(std::string_view login, Context) override {
    if (failure) co_return std::unexpected(*failure);
    const auto person = people.find(to_lower(login));
    if (person == people.end()) co_return fail(ErrorKind::not_found);
    co_return person->second.account;
  }
  Task<Result<bool>> may_send_as(directory::AccountId account, std::string_view address, Context) override {
    if (failure) co_return std::unexpected(*failure);
    const auto person = people.find(to_lower(address));
    co_return person != people.end() && person->second.account.id == account;
  }
  Task<Result<std::optional<directory::Absence>>> absence(directory::AccountId account, Context) override {
    if (failure) co_return std::unexpected(*failure);
    const auto found = absences.find(account);
    co_return found == absences.end() ? std::nullopt : std::optional(found->second);
  }
};

}  // namespace keystonemail::test
