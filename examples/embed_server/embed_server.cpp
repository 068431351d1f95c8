// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A whole mail server inside a program: takes mail by SMTP, keeps it on disk, shows it by IMAP.
//
//   embed_server DIRECTORY      listens on free ports of 127.0.0.1, which it prints; SIGTERM ends it
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>

#include "keystonemail/backends/libuv/uv_loop.hpp"
#include "keystonemail/backends/lmdb/kv_store.hpp"
#include "keystonemail/backends/memory/blob_store.hpp"
#include "keystonemail/service/server/server.hpp"

using namespace keystonemail;

// Says what went wrong, and ends.
template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  std::cerr << "embed_server: " << result.error().describe() << std::endl;
  std::exit(1);
}

int main(int count, char** arguments) {
  if (count != 2) return std::cerr << "usage: embed_server DIRECTORY\n", 2;
  libuv::UvLoop loop;
  SystemRandom random;
  NullLog log;
  auto tables = Server::tables();
  const auto content = static_cast<kv::Table>(tables.size());
  tables.emplace_back("content");
  const auto store = must(lmdb::open_kv_store({.directory = arguments[1], .tables = tables}));
  const auto blobs = memory::make_blob_store({.table = content});  // messages in the same store: one file, one commit
  const auto server = must(loop.run_until(Server::open({.hostname = "mail.test", .primary_domain = "test"},
                                                       {*store, *blobs, random, log}, {&loop})));
  (void)loop.run_until(server->accounts().add_account({.login = "bob", .password = crypto::SecretString("a long password")}, {&loop}));

  const libuv::ListenOptions free_port{.address = *Endpoint::parse("127.0.0.1:0")};
  const auto smtp = must(loop.listen(free_port, server->handler({.protocol = Protocol::smtp})));
  const auto imap = must(loop.listen(free_port, server->handler({.protocol = Protocol::imap, .allow_plaintext_auth = true})));
  std::cout << "smtp=" << smtp->local().to_string() << " imap=" << imap->local().to_string() << std::endl;
  loop.on_signal(SIGTERM, [&loop] { loop.drain(std::chrono::seconds(1)); });
  loop.run();
}
