// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A policy of one's own in a mail server: a help desk that takes a message only when its subject names a ticket, "[#1234]",
// and that marks what it took.
#include <iostream>
#include <string>

#include "keystonemail/backends/memory/blob_store.hpp"
#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/service/server/server.hpp"
#include "keystonemail/transport/pipe.hpp"

using namespace keystonemail;

namespace {

class TicketsOnly final : public policy::Rule {
 public:
  std::string_view name() const noexcept override { return "tickets-only"; }

  Task<Result<policy::Decision>> judge(policy::Stage stage, const policy::Facts& facts, Context) override {
    if (stage != policy::Stage::headers) co_return policy::Decision::proceed();
    mime::HeaderReader fields(facts.header);
    while (const auto field = fields.next()) {
      const auto mark = field->value.find("[#");
      if (field->id != mime::FieldName::subject || mark == std::string_view::npos) continue;
      const std::string ticket(field->value.substr(mark + 2, field->value.find(']', mark) - mark - 2));
      co_return policy::Decision::proceed().with(policy::AddHeader{"X-Ticket", ticket});
    }
    co_return policy::Decision::reject("Please keep the ticket's number in the subject", "5.7.1", "no ticket");
  }
};

// Sends a message with this subject, and returns what the server said to it.
Task<std::string> send(Server& server, std::string subject, Context context) {
  transport::Pipe pipe = transport::make_pipe();
  auto session = server.handler({.protocol = Protocol::smtp})(std::move(pipe.server), context);
  std::string answer;
  for (const std::string& line : {std::string(), std::string("EHLO app\r\n"), std::string("MAIL FROM:<ann@elsewhere.test>\r\n"),
                                  std::string("RCPT TO:<desk@help.test>\r\n"), std::string("DATA\r\n"), "Subject: " + subject + "\r\n\r\nHelp!\r\n.\r\n"}) {
    if (!line.empty()) (void)co_await transport::write_all(*pipe.client, line, context);
    const auto heard = co_await pipe.client->read(context);
    answer = *heard;
    pipe.client->consume(heard->size());
  }
  (void)co_await transport::write_all(*pipe.client, "QUIT\r\n", context);
  co_await std::move(session);
  co_return answer;
}

Task<int> run(Context context) {
  auto tables = Server::tables();
  const auto content = static_cast<kv::Table>(tables.size());
  tables.emplace_back("content");
  const auto store = memory::make_kv_store({.tables = tables});
  const auto blobs = memory::make_blob_store({.table = content});
  SystemRandom random;
  NullLog log;

  std::vector<std::shared_ptr<policy::Policy>> own{std::make_shared<TicketsOnly>()};
  const auto chain = std::make_shared<const policy::Chain>(std::move(own));
  ServerOptions options{.hostname = "mail.help.test", .primary_domain = "help.test"};
  ServerPorts ports{*store, *blobs, random, log};
  ports.policies = [chain] { return chain; };
  auto opened = co_await Server::open(std::move(options), std::move(ports), context);
  Server& server = **opened;
  accounts::NewAccount desk{.login = "desk"};
  (void)co_await server.accounts().add_account(std::move(desk), context);

  const std::string with = co_await send(server, "Printer is on fire [#1234]", context);
  const std::string without = co_await send(server, "Win a printer", context);
  std::cout << "with a ticket: " << with << "without: " << without;
  co_return with.starts_with("250") && without.starts_with("550") ? 0 : 1;
}

}  // namespace

int main() {
  RunLoop loop;
  return loop.run_until(run({&loop}));
}
