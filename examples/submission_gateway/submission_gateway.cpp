// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A gateway for programs that send mail: takes it from those who log in, by rules of its own, and hands it to a smarthost.
//
//   submission_gateway HOST:PORT      listens on a free port of 127.0.0.1, which it prints; SIGTERM ends it
#include <csignal>
#include <iostream>
#include <string>

#include "keystonemail/backends/libuv/uv_loop.hpp"
#include "keystonemail/backends/memory/blob_store.hpp"
#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/backends/zone/resolver.hpp"
#include "keystonemail/service/policies/sending_limits.hpp"
#include "keystonemail/service/relay/relay.hpp"
#include "keystonemail/service/server/server.hpp"

using namespace keystonemail;

namespace {

// Invoices go to customers only, and say which program sent them.
class Customers final : public policy::Rule {
 public:
  std::string_view name() const noexcept override { return "customers"; }
  Task<Result<policy::Decision>> judge(policy::Stage stage, const policy::Facts& facts, Context) override {
    const bool stranger = stage == policy::Stage::rcpt && !facts.recipients.back().address.ends_with("@customer.test");
    if (stranger) co_return policy::Decision::reject("This gateway writes to customers only");
    if (stage != policy::Stage::headers) co_return policy::Decision::proceed();
    co_return policy::Decision::proceed().with(policy::AddHeader{"X-Sent-By", std::string(facts.login)});
  }
};

}  // namespace

int main(int, char** arguments) {
  libuv::UvLoop loop;
  SystemRandom random;
  NullLog log;
  auto tables = Server::tables();
  const auto content = static_cast<kv::Table>(tables.size()), counts = static_cast<kv::Table>(tables.size() + 1);
  tables.insert(tables.end(), {"content", "counts"});
  const auto store = memory::make_kv_store({.tables = tables});  // lmdb keeps it over a restart
  const auto blobs = memory::make_blob_store({.table = content});

  const auto limits = loop.run_until(policies::SendingLimits::open(*store, counts, log, {.usual = {.recipients_per_minute = 3}}, {&loop})).value();
  const auto chain = std::make_shared<const policy::Chain>(std::vector<std::shared_ptr<policy::Policy>>{std::make_shared<Customers>(), limits});
  const auto server = loop.run_until(Server::open({.hostname = "gateway.test", .primary_domain = "gateway.test"},
                                                  {*store, *blobs, random, log, {}, nullptr, [chain] { return chain; }}, {&loop})).value();
  (void)loop.run_until(server->accounts().add_account({.login = "billing", .password = crypto::SecretString("a long password")}, {&loop}));

  zone::ZoneResolver no_names{dns::Zone()};  // a smarthost by address needs none; backends/unbound has the others
  relay::Options sending;
  sending.routes.usual = relay::Route::parse(arguments[1]).value();
  const auto relay = server->make_relay(std::move(sending), {no_names, loop});
  std::stop_source stop;
  auto relaying = relay->run({&loop, stop.get_token()});

  const auto submission = loop.listen({.address = *Endpoint::parse("127.0.0.1:0")},
                                      server->handler({.protocol = Protocol::submission, .allow_plaintext_auth = true})).value();
  std::cout << "submission=" << submission->local().to_string() << std::endl;
  loop.on_signal(SIGTERM, [&] { stop.request_stop(), loop.drain(std::chrono::seconds(1)); });
  loop.run();
  loop.run_until(std::move(relaying));
}
