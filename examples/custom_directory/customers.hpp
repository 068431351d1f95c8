// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Somebody else's users: here the customers of a shop, each of whom has the address NUMBER@shop.test. What a directory must
// do is in directory/directory.hpp; tests/conformance/directory_conformance.hpp tries it, on this one too.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/idna.hpp"
#include "keystonemail/directory/directory.hpp"

class Customers final : public keystonemail::directory::Directory {
 public:
  template <class T>
  using Answer = keystonemail::Task<keystonemail::Result<T>>;
  using Context = keystonemail::Context;
  using Account = keystonemail::directory::Account;
  using AccountId = keystonemail::directory::AccountId;
  using Resolution = keystonemail::directory::Resolution;

  Answer<bool> is_local_domain(std::string_view domain, Context) override { co_return is_ours(domain); }

  Answer<Resolution> resolve(std::string_view address, Context) override {
    const auto at = address.rfind('@');
    if (at == std::string_view::npos || !is_ours(address.substr(at + 1))) co_return Resolution(keystonemail::directory::NotLocal{});
    const auto customer = find(address);
    if (!customer) co_return Resolution(keystonemail::directory::UnknownRecipient{});
    keystonemail::directory::Mailboxes mailboxes;
    mailboxes.local.push_back({.account = customer->id, .address = customer->login, .detail = {}});
    co_return Resolution(std::move(mailboxes));
  }

  Answer<keystonemail::directory::Authenticated> authenticate(keystonemail::directory::PasswordAttempt attempt, Context) override {
    const auto customer = find(attempt.login);
    if (!customer || attempt.password != "ask the shop's login service here") co_return keystonemail::fail(keystonemail::ErrorKind::denied);
    co_return keystonemail::directory::Authenticated{*customer, "password"};
  }

  [[nodiscard]] bool has_scram() const noexcept override { return false; }  // plain passwords only, so under TLS only
  Answer<std::vector<ScramCredential>> scram_credentials(std::string_view, keystonemail::crypto::Hash, std::string_view, Context) override {
    co_return std::vector<ScramCredential>();
  }

  Answer<Account> find_account(std::string_view login, Context) override {
    const auto customer = find(login);
    if (!customer) co_return keystonemail::fail(keystonemail::ErrorKind::not_found);
    co_return *customer;
  }

  Answer<bool> may_send_as(AccountId account, std::string_view address, Context) override {
    const auto customer = find(address);
    co_return customer && customer->id == account;
  }

 private:
  // Domains come as they were typed.
  static bool is_ours(std::string_view domain) { return keystonemail::codec::to_ascii_domain(domain) == "shop.test"; }

  // Customers have numbers from 1000 to 9999. The number is the account's id: it never changes and is never given again.
  static std::optional<Account> find(std::string_view login) {
    const auto at = login.rfind('@');
    if (at != std::string_view::npos && !is_ours(login.substr(at + 1))) return std::nullopt;
    const auto number = keystonemail::parse_decimal(login.substr(0, at), 9'999);
    if (!number || *number < 1'000) return std::nullopt;
    return Account{.id = AccountId{static_cast<std::uint32_t>(*number)}, .login = std::to_string(*number) + "@shop.test"};
  }
};
