// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A whole reception on a pipe in virtual time: say() sends lines and returns what the server answered.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/policy/policy.hpp"
#include "keystonemail/service/reception/reception.hpp"
#include "keystonemail/transport/pipe.hpp"
#include "support/fake_delivery.hpp"
#include "support/fake_directory.hpp"
#include "support/pipe_stream.hpp"
#include "support/sim_executor.hpp"

namespace keystonemail::test {

class MemoryLog final : public Log {
 public:
  [[nodiscard]] bool wants(LogLevel) const noexcept override { return true; }
  void write(LogLevel level, std::string_view event, std::span<const LogField> fields) noexcept override {
    text += format_log_line(LogFormat::logfmt, WallTime{}, level, event, fields);
  }
  std::string text;
};

// Says what SPF and DMARC are said to have found.
class Found final : public policy::Rule {
 public:
  explicit Found(std::string spf, std::string dmarc = "none") : spf_(std::move(spf)), dmarc_(std::move(dmarc)) {}
  std::string_view name() const noexcept override { return "found"; }
  Task<Result<policy::Decision>> judge(policy::Stage stage, const policy::Facts&, Context) override {
    policy::Decision decision;
    if (stage == policy::Stage::body) {
      decision.edits.emplace_back(policy::Tag{"spf", spf_});
      decision.edits.emplace_back(policy::Tag{"dmarc", dmarc_});
      if (dmarc_ == "reject") decision = policy::Decision::reject("Nobody vouches for it", "5.7.26", "DMARC policy of elsewhere.test");
      if (dmarc_ == "quarantine") decision = policy::Decision::quarantine("DMARC policy of elsewhere.test");
    }
    co_return decision;
  }

 private:
  std::string spf_, dmarc_;
};

class ReceptionFixture {
 public:
  explicit ReceptionFixture(smtp::Protocol protocol = smtp::Protocol::smtp, smtp::ServerOptions engine = {},
                            std::vector<std::shared_ptr<policy::Policy>> policies = {},
                            std::shared_ptr<const forwarding::Forwarder> forwarder = {})
      : chain(std::make_shared<policy::Chain>(std::move(policies))) {
    directory.add(1, "alice@example.test", "secret of alice");
    directory.add(2, "bob@example.test", "secret of bob");
    engine.protocol = protocol;
    engine.hostname = "mail.example.test";
    const bool submission = protocol == smtp::Protocol::submission;
    engine.allow_plaintext_auth = submission;
    reception.emplace(reception::Options{.engine = engine, .offer_auth = submission, .primary_domain = "example.test"},
                      reception::Services{directory, delivery, logins, limits, random, log, {}, [this] { return chain; }, std::move(forwarder), &redirects, &responder});
    delivery.store = store.get();
    connect();
  }
  ~ReceptionFixture() { finish(); }

  void connect(StreamFaults faults = {}) {
    auto pipe = transport::make_pipe({.client = *Endpoint::parse("192.0.2.1:4000"), .server = *Endpoint::parse("192.0.2.25:25")});
    client = std::move(pipe.client);
    std::unique_ptr<transport::ByteStream> server = std::make_unique<FaultyStream>(std::move(pipe.server), faults);
    session.emplace(reception->serve(std::move(server), {&executor, stop.get_token()}));
  }
  // What has been answered, once the server has nothing more to do.
  std::string heard() {
    executor.run_until_idle();
    std::string out;
    for (;;) {
      auto task = client->read({&executor, {}, executor.now()});
      const auto view = executor.run(std::move(task));
      if (!view || view->empty()) return out;
      out += *view;
      client->consume(view->size());
      executor.run_until_idle();
    }
  }
  std::string say(std::string_view text) {
    for (std::size_t at = 0; at < text.size(); at += 32'768) {
      const auto piece = text.substr(at, 32'768);
      (void)executor.run(transport::write_all(*client, piece, {&executor}));
      executor.run_until_idle();
    }
    return heard();
  }
  // Reads the greeting and says hello; nothing may be sent along with that (RFC 2920 §3.1).
  void hello(const std::string& verb = "EHLO") {
    (void)heard();
    (void)say(verb + " client.elsewhere.test\r\n");
  }
  // Greeting, EHLO and envelope for one recipient.
  void begin(const std::string& from = "carol@elsewhere.test", const std::string& to = "bob@example.test") {
    hello();
    REQUIRE(say("MAIL FROM:<" + from + ">\r\n").starts_with("250"));
    REQUIRE(say("RCPT TO:<" + to + ">\r\n").starts_with("250"));
  }
  void finish() {
    client.reset();
    executor.run_until_idle();
    if (session) {
      if (!session->done()) executor.run(std::move(*session));
      session.reset();
    }
  }
  [[nodiscard]] bool over() const { return session->done(); }

  SimExecutor executor;
  std::stop_source stop;
  FakeDirectory directory;
  std::unique_ptr<kv::Store> store = memory::make_kv_store({.tables = {"redirects", "answers"}});
  forwarding::Redirects redirects{*store, kv::Table{0}};
  autoreply::Answered answered{*store, kv::Table{1}};
  FakeDelivery delivery;
  SeededRandom random{1};
  autoreply::Responder responder{{.hostname = "mail.example.test"}, directory, delivery, answered, random};
  access::LoginGate gate{{}};
  access::LoginServices logins{directory, gate, random, "0123456789abcdef"};
  access::ConnectionLimits limits{{}};
  MemoryLog log;
  std::shared_ptr<const policy::Chain> chain;
  std::optional<reception::Reception> reception;
  std::unique_ptr<transport::ByteStream> client;
  std::optional<Task<void>> session;
};

}  // namespace keystonemail::test
