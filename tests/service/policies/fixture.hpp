// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Peer: a client in virtual time that meets a chain of policies, command by command, on a DNS from a zone text.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/backends/zone/resolver.hpp"
#include "keystonemail/policy/chain.hpp"
#include "keystonemail/resolver/faulty.hpp"
#include "support/sim_executor.hpp"

namespace keystonemail::test {

class LogOfEvents final : public Log {
 public:
  [[nodiscard]] bool wants(LogLevel) const noexcept override { return true; }
  void write(LogLevel level, std::string_view event, std::span<const LogField> fields) noexcept override {
    text += format_log_line(LogFormat::logfmt, WallTime{}, level, event, fields);
  }
  [[nodiscard]] bool has(std::string_view words) const { return text.find(words) != std::string::npos; }
  [[nodiscard]] std::size_t count(std::string_view words) const {
    std::size_t found = 0;
    for (auto at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) ++found;
    return found;
  }
  std::string text;
};

class CountingResolver final : public resolver::Resolver {
 public:
  explicit CountingResolver(resolver::Resolver& inner) : inner_(inner) {}
  Task<Result<dns::Answer>> resolve(dns::Question question, Context context) override {
    asked.push_back(dns::to_string(question.type) + " " + question.name.text());
    return inner_.resolve(std::move(question), std::move(context));
  }
  [[nodiscard]] bool has_asked(const std::string& question) const { return std::ranges::find(asked, question) != asked.end(); }
  std::vector<std::string> asked;

 private:
  resolver::Resolver& inner_;
};

inline dns::Zone zone_of(std::string_view text) {
  auto records = dns::parse_zone(text);
  REQUIRE_MESSAGE(records, records.error().describe());
  return dns::Zone(*std::move(records));
}

// Everything that outlives a connection.
struct Scene {
  explicit Scene(std::string_view zone = "") : names(zone_of(zone)) {}

  SimExecutor executor;
  LogOfEvents log;
  zone::ZoneResolver names;
  resolver::Faulty faulty{names};
  CountingResolver resolver{faulty};
  std::unique_ptr<kv::Store> store = memory::make_kv_store({.tables = {"rows"}});
  std::vector<std::shared_ptr<policy::Policy>> policies;
};

class Peer {
 public:
  explicit Peer(Scene& scene, const std::string& address = "203.0.113.9", std::string service = "smtp", bool trusted = false)
      : scene_(scene),
        screening_(scene.policies, {}, scene.log,
                   {.session = "s1", .service = std::move(service), .hostname = "mail.example.test",
                    .peer = {*IpAddress::parse(address), 4000}, .local = *Endpoint::parse("192.0.2.25:25"), .trusted = trusted}) {}

  policy::Outcome connect() { return judge(policy::Stage::connect); }
  policy::Outcome helo(std::string name) {
    reset();
    hello_ = std::move(name);
    return judge(policy::Stage::helo);
  }
  void login(std::string name) {
    login_ = std::move(name);
    (void)judge(policy::Stage::auth);
  }
  policy::Outcome mail(std::string sender) {
    reset();
    sender_ = std::move(sender);
    return judge(policy::Stage::mail);
  }
  policy::Outcome rcpt(std::string recipient) {
    recipients_.push_back({std::move(recipient), true});
    auto outcome = judge(policy::Stage::rcpt);
    if (is_refusal(outcome)) {
      (void)tell(policy::Stage::rcpt, outcome.refusal.code);
      recipients_.pop_back();
    }
    return outcome;
  }
  // A recipient that is refused before policies are asked.
  policy::Outcome unknown(std::string recipient) {
    recipients_.push_back({std::move(recipient), false});
    auto outcome = tell(policy::Stage::rcpt, 550);
    recipients_.pop_back();
    return outcome;
  }
  policy::Outcome headers(std::string_view header = "From: x\r\n\r\n") {
    header_ = header;
    return judge(policy::Stage::headers);
  }
  policy::Outcome end() {
    auto outcome = judge(login_.empty() ? policy::Stage::deliver : policy::Stage::submit);
    reset();
    return outcome;
  }
  void reset() {
    sender_.clear();
    recipients_.clear();
    header_.clear();
    screening_.reset();
  }
  policy::Outcome judge(policy::Stage stage) { return scene_.executor.run(screening_.judge(stage, facts(), {&scene_.executor})); }

  static bool is_refusal(const policy::Outcome& outcome) {
    return outcome.verdict == policy::Verdict::reject || outcome.verdict == policy::Verdict::defer || outcome.verdict == policy::Verdict::disconnect;
  }

 private:
  policy::Facts facts() {
    policy::Facts facts = screening_.facts();
    facts.hello = hello_;
    facts.login = login_;
    facts.sender = sender_;
    facts.recipients = recipients_;
    facts.header = header_;
    facts.time = scene_.executor.wall_now();
    return facts;
  }
  policy::Outcome tell(policy::Stage stage, std::uint16_t code) {
    return scene_.executor.run(screening_.refused(stage, facts(), code, {&scene_.executor}));
  }

  Scene& scene_;
  policy::Screening screening_;
  std::string hello_ = "client.elsewhere.test", login_, sender_, header_;
  std::vector<policy::Recipient> recipients_;
};

// "550 5.7.1 text", or the verdict where there is nothing to say.
inline std::string words(const policy::Outcome& outcome) {
  if (!Peer::is_refusal(outcome)) return std::string(policy::to_string(outcome.verdict));
  return std::to_string(outcome.refusal.code) + " " + outcome.refusal.status + " " + outcome.refusal.text;
}

}  // namespace keystonemail::test
