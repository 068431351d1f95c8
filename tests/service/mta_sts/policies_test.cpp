// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Policies in virtual time: scripted DNS and web, a store in memory.
#include "keystonemail/service/mta_sts/policies.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <optional>

#include "keystonemail/backends/memory/kv_store.hpp"
#include "support/fake_fetcher.hpp"
#include "support/scripted_dns.hpp"
#include "support/sim_executor.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace std::chrono_literals;
using mailauth::mta_sts::Mode;

namespace {

const std::string url = "https://mta-sts.dest.test/.well-known/mta-sts.txt";
const http::Fields plain{{"Content-Type", "text/plain; charset=utf-8"}};

std::string policy_text(std::string_view mode = "enforce", std::string_view age = "604800") {
  return "version: STSv1\nmode: " + std::string(mode) + "\nmx: mx.dest.test\nmax_age: " + std::string(age) + "\n";
}

class Fixture {
 public:
  Fixture() { open(); }
  ~Fixture() {
    if (running) {
      stop.request_stop();
      loop.run(*std::exchange(running, std::nullopt));
    }
  }
  void announce(std::string_view id, std::string_view domain = "dest.test") {
    dns.set("_mta-sts." + std::string(domain), dns::RecordType::txt, {dns::Txt{{"v=STSv1; id=" + std::string(id) + ";"}}}, Signed::no);
  }
  void serve(std::string text, std::string_view domain = "dest.test") {
    const std::string at = "https://mta-sts." + std::string(domain) + "/.well-known/mta-sts.txt";
    web.forget(at);
    web.answer(at, 200, std::move(text), plain);
  }
  // As after a restart.
  void open() { policies.emplace(options, mta_sts::Services{*store, dns, web, log}); }
  void run() { running.emplace(policies->run(Context(&loop, stop.get_token()))); }
  mta_sts::Finding find(std::string_view domain = "dest.test") { return loop.run(policies->find(ScriptedDns::name(domain), Context(&loop))); }
  std::optional<Mode> mode(std::string_view domain = "dest.test") {
    const auto found = find(domain);
    return found.policy ? std::optional(found.policy->mode) : std::nullopt;
  }

  SimExecutor loop;
  ScriptedDns dns;
  FakeFetcher web;
  NullLog log;
  std::unique_ptr<kv::Store> store = memory::make_kv_store({.tables = {"mta_sts.policy"}});
  mta_sts::Options options;
  std::optional<mta_sts::Policies> policies;
  std::stop_source stop;
  std::optional<Task<void>> running;
};

// A store that takes its time, or cannot be read.
class SlowStore final : public kv::Store {
 public:
  explicit SlowStore(kv::Store& inner) : inner_(inner) {}
  bool is_broken = false;
  Task<Result<std::unique_ptr<kv::Snapshot>>> snapshot(Context context) override {
    co_await sleep_until(context.executor->now() + 1s, context);
    if (is_broken) co_return fail(ErrorKind::unavailable, {}, "injected fault");
    co_return co_await inner_.snapshot(context);
  }
  Task<Result<void>> transact(kv::Operation operation, kv::TransactOptions how, Context context) override {
    return inner_.transact(std::move(operation), how, std::move(context));
  }
  std::string_view format_id() const noexcept override { return inner_.format_id(); }

 private:
  kv::Store& inner_;
};

}  // namespace

TEST_CASE("mta-sts: a policy that is announced is fetched once, and kept over a restart") {
  Fixture f;
  f.announce("1");
  f.serve(policy_text());
  CHECK(f.mode() == Mode::enforce);
  CHECK(f.mode() == Mode::enforce);
  CHECK(f.web.requests.size() == 1);
  CHECK(f.web.requests[0].url == url);
  CHECK(f.web.requests[0].redirects_max == 0);  // RFC 8461 §3.3
  CHECK(f.web.requests[0].octets_max == 64 * 1024);
  f.open();
  CHECK(f.mode() == Mode::enforce);
  CHECK(f.web.requests.size() == 1);
}

namespace {

// A policy is kept, and its record is held back from now on.
void keep_and_hide(Fixture& fixture) {
  fixture.announce("1");
  fixture.serve(policy_text());
  CHECK(fixture.mode() == Mode::enforce);
  fixture.dns.set("_mta-sts.dest.test", dns::RecordType::txt, dns::AnswerStatus::no_such_name);
}

}  // namespace

TEST_CASE("D11: who asks while the store is being read waits for what it kept, so that a record that is held back is no way around it") {
  Fixture fixture;
  keep_and_hide(fixture);
  SlowStore slow(*fixture.store);
  fixture.policies.emplace(fixture.options, mta_sts::Services{slow, fixture.dns, fixture.web, fixture.log});
  fixture.run();  // begins to read
  auto first = fixture.policies->find(ScriptedDns::name("dest.test"), Context(&fixture.loop));
  auto second = fixture.policies->find(ScriptedDns::name("dest.test"), Context(&fixture.loop));
  for (auto* task : {&first, &second}) {
    const auto found = fixture.loop.run(std::move(*task));
    REQUIRE(found.policy);
    CHECK(found.policy->mode == Mode::enforce);
  }
}

TEST_CASE("mta-sts: while the store cannot be read nobody knows what holds, and then it does again") {
  Fixture fixture;
  keep_and_hide(fixture);
  SlowStore slow(*fixture.store);
  slow.is_broken = true;
  fixture.policies.emplace(fixture.options, mta_sts::Services{slow, fixture.dns, fixture.web, fixture.log});
  CHECK(!fixture.find().is_known);
  slow.is_broken = false;
  CHECK(fixture.find().is_known);
  CHECK(fixture.mode() == Mode::enforce);
}

TEST_CASE("mta-sts: without a record, or with a broken one, nothing is fetched") {
  Fixture f;
  f.serve(policy_text());
  CHECK_FALSE(f.find().policy);
  f.dns.set("_mta-sts.dest.test", dns::RecordType::txt, {dns::Txt{{"v=STSv1; id=1"}}, dns::Txt{{"v=STSv1; id=2"}}}, Signed::no);
  CHECK_FALSE(f.find().policy);
  CHECK(f.web.requests.empty());
  CHECK(f.find().problem == mta_sts::Problem::none);
}

TEST_CASE("mta-sts: a new id brings the new policy at once, whatever the age of the old one") {
  Fixture f;
  f.announce("1");
  f.serve(policy_text());
  CHECK(f.mode() == Mode::enforce);
  f.announce("2");
  f.serve(policy_text("none"));
  f.loop.advance(f.options.check_interval);
  CHECK(f.mode() == Mode::none);
}

TEST_CASE("D11: a record or web server that goes away does not take a cached policy with it (RFC 8461 §3.3)") {
  Fixture f;
  f.announce("1");
  f.serve(policy_text());
  CHECK(f.mode() == Mode::enforce);
  f.loop.advance(2min);
  SUBCASE("no record") { f.dns.forget("_mta-sts.dest.test", dns::RecordType::txt); }
  SUBCASE("no DNS") { f.dns.set("_mta-sts.dest.test", dns::RecordType::txt, dns::AnswerStatus::server_failure); }
  SUBCASE("another record, and no web server") {
    f.announce("2");
    f.web.forget(url);
  }
  SUBCASE("another record, and a forged web server") {
    f.announce("2");
    f.web.forget(url);
    f.web.fail(url, web::FetchFault::certificate, "untrusted");
  }
  SUBCASE("another record, and rubbish") {
    f.announce("2");
    f.serve("<html>");
  }
  CHECK(f.mode() == Mode::enforce);
}

TEST_CASE("mta-sts: a record that is an alias of a provider's counts, and the policy is that of the domain's own host (RFC 8461 §8.2)") {
  Fixture f;
  f.dns.set("_mta-sts.user.example", dns::RecordType::txt, {dns::Txt{{"v=STSv1; id=20160831085700Z;"}}}, Signed::no, "_mta-sts.provider.example");
  f.serve(policy_text("none"), "provider.example");
  f.serve(policy_text(), "user.example");
  CHECK(f.mode("user.example") == Mode::enforce);
  REQUIRE(f.web.requests.size() == 1);
  CHECK(f.web.requests[0].url == "https://mta-sts.user.example/.well-known/mta-sts.txt");
}

TEST_CASE("mta-sts: a domain gives it up by a policy of none, and may take the record and the host away when that is over (RFC 8461 §8.3)") {
  Fixture f;
  f.announce("1");
  f.serve(policy_text());
  CHECK(f.mode() == Mode::enforce);
  f.serve(policy_text("none", "86400"));
  f.announce("2");
  f.loop.advance(f.options.check_interval);
  CHECK(f.mode() == Mode::none);
  f.loop.advance(24h);
  f.dns.forget("_mta-sts.dest.test", dns::RecordType::txt);
  f.web.forget(url);
  const auto found = f.find();
  CHECK_FALSE(found.policy);  // and not the one of before, whose week is not over
  CHECK(found.problem == mta_sts::Problem::none);
  f.open();
  CHECK_FALSE(f.find().policy);
}

TEST_CASE("D11: an expired policy holds no longer, and is fetched anew when it can be") {
  Fixture f;
  f.announce("1");
  f.serve(policy_text("enforce", "3600"));
  CHECK(f.mode() == Mode::enforce);
  f.web.forget(url);
  f.loop.advance(59min);
  CHECK(f.mode() == Mode::enforce);
  f.loop.advance(2min);
  CHECK_FALSE(f.find().policy);
  CHECK(f.find().problem == mta_sts::Problem::fetch);
  f.serve(policy_text());
  f.loop.advance(f.options.failure_wait);
  CHECK(f.mode() == Mode::enforce);
}

TEST_CASE("mta-sts: each way in which a policy cannot be had has its word of RFC 8460") {
  struct Case {
    const char* what;
    web::FetchResult result;
    mta_sts::Problem problem;
  };
  const auto answer = [](unsigned status, std::string body, http::Fields headers) {
    return web::FetchResult(web::FetchResponse{.status = status, .headers = std::move(headers), .body = std::move(body)});
  };
  const auto fault = [](web::FetchFault why) { return web::FetchResult(std::unexpected(web::FetchError(why))); };
  using mta_sts::Problem;
  const Case cases[] = {
      {"no such host", fault(web::FetchFault::name_not_found), Problem::fetch},
      {"nobody answers", fault(web::FetchFault::connect), Problem::fetch},
      {"slow", fault(web::FetchFault::timeout), Problem::fetch},
      {"a bad certificate", fault(web::FetchFault::certificate), Problem::certificate},
      {"too large", fault(web::FetchFault::too_large), Problem::policy},
      {"not found", answer(404, policy_text(), plain), Problem::fetch},
      {"a redirection", answer(301, policy_text(), plain), Problem::fetch},
      {"another type", answer(200, policy_text(), {{"Content-Type", "text/html"}}), Problem::policy},
      {"no type", answer(200, policy_text(), {}), Problem::policy},
      {"no policy", answer(200, "hello", plain), Problem::policy},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    Fixture f;
    f.announce("1");
    if (c.result) f.web.answer(url, c.result->status, c.result->body, c.result->headers);
    else f.web.fail(url, c.result.error().fault());
    const auto found = f.find();
    CHECK_FALSE(found.policy);
    CHECK(found.problem == c.problem);
    CHECK_FALSE(found.detail.empty());
  }
}

TEST_CASE("mta-sts: after a failure the same id is not asked for again for five minutes, another one is (RFC 8461 §3.3)") {
  Fixture f;
  f.announce("1");
  CHECK_FALSE(f.find().policy);
  f.loop.advance(4min);
  CHECK_FALSE(f.find().policy);
  CHECK(f.web.requests.size() == 1);
  f.announce("2");
  CHECK_FALSE(f.find().policy);
  CHECK(f.web.requests.size() == 2);
  f.loop.advance(5min);
  CHECK_FALSE(f.find().policy);
  CHECK(f.web.requests.size() == 3);
}

TEST_CASE("mta-sts: a hundred that ask at once make one lookup and one fetch, and all have the policy") {
  Fixture f;
  f.announce("1");
  f.serve(policy_text());
  f.web.delay = 10s;
  std::vector<Task<mta_sts::Finding>> all;
  for (int i = 0; i < 100; ++i) all.push_back(f.policies->find(ScriptedDns::name("dest.test"), Context(&f.loop)));
  for (auto& one : all) CHECK(f.loop.run(std::move(one)).policy.has_value());
  CHECK(f.web.requests.size() == 1);
  CHECK(f.dns.asked.size() == 1);
}

TEST_CASE("mta-sts: what is in use is refreshed every day, whatever its record says, long before it expires (RFC 8461 §10.2)") {
  Fixture f;
  f.announce("1");
  f.serve(policy_text("enforce", "604800"));
  CHECK(f.mode() == Mode::enforce);
  f.dns.forget("_mta-sts.dest.test", dns::RecordType::txt);  // somebody suppresses it
  f.run();
  f.loop.advance(24h * 20);  // three lives of the policy
  CHECK(f.mode() == Mode::enforce);
  CHECK(f.web.requests.size() >= 20);
  CHECK(f.web.requests.size() <= 22);
}

TEST_CASE("mta-sts: what gets no mail for a month is refreshed no more, and goes") {
  Fixture f;
  f.announce("1");
  f.serve(policy_text("enforce", "604800"));
  CHECK(f.mode() == Mode::enforce);
  f.run();
  f.loop.advance(24h * 40);
  CHECK(f.policies->size() == 0);
  CHECK(f.web.requests.size() <= 32);
}

TEST_CASE("mta-sts: a web server that is away is asked once an hour, and its policy holds until it expires") {
  Fixture f;
  f.announce("1");
  f.serve(policy_text("enforce", "604800"));
  CHECK(f.mode() == Mode::enforce);
  f.web.forget(url);
  f.run();
  f.loop.advance(24h * 6);
  CHECK(f.mode() == Mode::enforce);
  CHECK(f.web.requests.size() <= 1 + 5 * 24 + 5);
  f.loop.advance(25h);
  CHECK_FALSE(f.find().policy);
}

TEST_CASE("mta-sts: the domains it keeps are bounded; what was used least lately goes, from the store as well") {
  Fixture f;
  f.options.domains_max = 3;
  f.open();
  for (const auto* domain : {"a.test", "b.test", "c.test"}) {
    f.announce("1", domain);
    f.serve(policy_text(), domain);
    CHECK(f.mode(domain) == Mode::enforce);
    f.loop.advance(1s);
  }
  CHECK(f.mode("a.test") == Mode::enforce);
  f.announce("1", "d.test");
  f.serve(policy_text(), "d.test");
  f.loop.advance(1s);
  CHECK(f.mode("d.test") == Mode::enforce);
  CHECK(f.policies->size() == 3);
  f.open();
  CHECK(f.mode("a.test") == Mode::enforce);
  CHECK(f.web.requests.size() == 4);
  CHECK(f.mode("b.test") == Mode::enforce);  // it was the one that went
  CHECK(f.web.requests.size() == 5);
}
