// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A mail server with somebody else's users: here the customers of a shop, each of whom has the address NUMBER@shop.test.
#include <charconv>
#include <iostream>
#include <string>

#include "keystonemail/backends/memory/blob_store.hpp"
#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/service/server/server.hpp"

using namespace keystonemail;

namespace {

class Customers final : public directory::Directory {
 public:
  Task<Result<bool>> is_local_domain(std::string_view domain, Context) override { co_return domain == "shop.test"; }

  Task<Result<directory::Resolution>> resolve(std::string_view address, Context) override {
    if (!address.ends_with("@shop.test")) co_return directory::Resolution(directory::NotLocal{});
    const auto customer = find(address);
    if (!customer) co_return directory::Resolution(directory::UnknownRecipient{});
    directory::Mailboxes mailboxes;
    mailboxes.local.push_back({.account = customer->id, .address = customer->login, .detail = {}});
    co_return directory::Resolution(std::move(mailboxes));
  }

  Task<Result<directory::Authenticated>> authenticate(directory::PasswordAttempt attempt, Context) override {
    const auto customer = find(attempt.login);
    if (!customer || attempt.password != "ask the shop's login service here") co_return fail(ErrorKind::denied);
    co_return directory::Authenticated{*customer, "password"};
  }

  Task<Result<std::vector<ScramCredential>>> scram_credentials(std::string_view, crypto::Hash, std::string_view, Context) override {
    co_return std::vector<ScramCredential>();  // plain passwords only, so under TLS only
  }

  Task<Result<directory::Account>> find_account(std::string_view login, Context) override {
    const auto customer = find(login);
    if (!customer) co_return fail(ErrorKind::not_found);
    co_return *customer;
  }

  Task<Result<bool>> may_send_as(directory::AccountId account, std::string_view address, Context) override {
    const auto customer = find(address);
    co_return customer && customer->id == account;
  }

 private:
  // Customers have numbers from 1000 to 9999. The number is the account's id: it never changes and is never given again.
  static std::optional<directory::Account> find(std::string_view login) {
    std::uint32_t number = 0;
    const auto digits = login.substr(0, login.find('@'));
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (problem != std::errc() || end != digits.data() + digits.size() || number < 1000 || number > 9999) return std::nullopt;
    return directory::Account{.id = directory::AccountId{number}, .login = std::to_string(number) + "@shop.test"};
  }
};

Task<int> deliver_one(Context context) {
  auto tables = Server::tables();
  const auto content = static_cast<kv::Table>(tables.size());
  tables.emplace_back("content");
  const auto store = memory::make_kv_store({.tables = tables});
  const auto blobs = memory::make_blob_store({.table = content});
  SystemRandom random;
  NullLog log;
  Customers customers;

  ServerOptions options{.hostname = "mail.shop.test", .primary_domain = "shop.test"};
  ServerPorts ports{*store, *blobs, random, log, {}, &customers};
  const auto opened = co_await Server::open(std::move(options), std::move(ports), context);
  Server& server = **opened;
  for (const std::string_view address : {"1234@shop.test", "12@shop.test", "somebody@elsewhere.test"}) {
    const auto found = co_await server.directory().resolve(address, context);
    std::cout << address << ": " << (std::holds_alternative<directory::Mailboxes>(*found)          ? "a customer"
                                     : std::holds_alternative<directory::UnknownRecipient>(*found) ? "unknown"
                                                                                                   : "not ours") << '\n';
  }
  const auto inbox = co_await server.mail().find_mailbox(directory::AccountId{1234}, "INBOX", context);
  std::cout << "1234 " << (inbox ? "has" : "lacks") << " an INBOX, made when the customer was first seen\n";
  co_return inbox ? 0 : 1;
}

}  // namespace

int main() {
  RunLoop loop;
  return loop.run_until(deliver_one({&loop}));
}
