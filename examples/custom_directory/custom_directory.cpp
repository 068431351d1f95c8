// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A mail server with somebody else's users: those of customers.hpp.
#include <iostream>

#include "customers.hpp"
#include "keystonemail/backends/memory/blob_store.hpp"
#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/service/server/server.hpp"

using namespace keystonemail;

namespace {

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
