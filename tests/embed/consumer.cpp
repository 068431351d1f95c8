// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What a program of somebody else looks like: it sees the public headers and the library, and nothing of our tree.
#include <iostream>
#include <stop_token>

#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/mime/message.hpp"
#include "keystonemail/smtp/server_session.hpp"

using namespace keystonemail;

int main() {
  const auto message = mime::Message::parse("Subject: hello\r\n\r\nHello\r\n");
  if (message.parts().size() != 1) return 1;
  const smtp::ServerOptions options{.hostname = "embedded.example"};
  smtp::ServerSession session(options, Instant{});
  (void)session.next_event();
  session.decide(smtp::Accept{}, Instant{});
  (void)session.next_event();
  if (!session.pending_output().starts_with("220 embedded.example")) return 2;
  const auto store = memory::make_kv_store({.tables = {"table"}});
  RunLoop loop;
  const auto done = loop.run_until(store->transact(
      [](kv::Transaction& transaction) -> Task<Result<void>> {
        transaction.put(kv::Table{0}, "key", "value");
        co_return {};
      },
      {}, {&loop}));
  if (!done) return 3;
  std::cout << "embedded\n";
}
