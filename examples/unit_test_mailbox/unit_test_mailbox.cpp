// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A mail server inside a unit test: no network, no disk, no waiting. The code under test "sends" a message by SMTP,
// and the test finds it in the mailbox.
#include <iostream>
#include <string>

#include "keystonemail/backends/memory/blob_store.hpp"
#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/service/server/server.hpp"
#include "keystonemail/transport/pipe.hpp"

using namespace keystonemail;

namespace {

// Says each line once the answer to the one before has come; returns the last answer.
Task<std::string> talk(transport::ByteStream& connection, std::vector<std::string> lines, Context context) {
  std::string answer;
  lines.insert(lines.begin(), "");  // the greeting comes first
  for (const std::string& line : lines) {
    if (!line.empty() && !co_await transport::write_all(connection, line, context)) break;
    const auto heard = co_await connection.read(context);
    if (!heard) break;
    answer = *heard;
    connection.consume(heard->size());
  }
  co_return answer;
}

Task<int> test(RunLoop& loop) {
  const Context context{&loop};
  auto names = Server::tables();
  const auto blob_table = kv::Table{static_cast<std::uint8_t>(names.size())};
  names.emplace_back("blobs");
  const auto store = memory::make_kv_store({.tables = names});
  const auto blobs = memory::make_blob_store({.table = blob_table});
  SeededRandom random(1);
  NullLog log;

  ServerOptions options{.hostname = "mail.test", .primary_domain = "test"};
  ServerPorts ports{*store, *blobs, random, log};
  auto opened = co_await Server::open(std::move(options), std::move(ports), context);
  Server& server = **opened;
  accounts::NewAccount bob{.login = "bob"};
  const auto account = co_await server.accounts().add_account(std::move(bob), context);

  transport::Pipe pipe = transport::make_pipe();
  auto session = server.handler({.protocol = Protocol::smtp})(std::move(pipe.server), context);
  std::vector<std::string> dialogue{"EHLO app\r\n", "MAIL FROM:<app@test>\r\n", "RCPT TO:<bob@test>\r\n", "DATA\r\n",
                                    "Subject: Welcome\r\n\r\nYour account is ready.\r\n.\r\n", "QUIT\r\n"};
  const std::string farewell = co_await talk(*pipe.client, std::move(dialogue), context);
  co_await session;

  const auto inbox = co_await server.mail().find_mailbox(account->id, "INBOX", context);
  std::cout << farewell << "INBOX has " << inbox->messages << " message of " << inbox->octets << " octets\n";
  co_return inbox->messages == 1 ? 0 : 1;
}

}  // namespace

int main() {
  RunLoop loop;
  return loop.run_until(test(loop));
}
