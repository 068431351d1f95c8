// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What is posted to us, by an exchange that is made up. Real ones, over TLS, are in tests/host/reports_test.py.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/codec/archive.hpp"
#include "keystonemail/kv/faulty.hpp"
#include "keystonemail/service/reports/reporting.hpp"
#include "reports/samples.hpp"
#include "service/reports/posts.hpp"
#include "support/fake_delivery.hpp"
#include "support/fake_directory.hpp"
#include "support/scripted_dns.hpp"
#include "support/sim_executor.hpp"
#include "support/text_log.hpp"

using namespace keystonemail;
using namespace keystonemail::reporting;
using namespace keystonemail::test;
using namespace std::chrono_literals;

namespace {

// A request whose body comes in two pieces.
class MadeUpExchange final : public web::Exchange {
 public:
  http::RequestHead head{.method = "POST", .target = std::string(tls_report_path)};
  IpAddress address = *IpAddress::parse("192.0.2.9");
  std::string body;
  std::optional<http::ResponseHead> answer;
  bool stalls = false;                 // before the end of the body, until it is let on

  [[nodiscard]] const http::RequestHead& request() const noexcept override { return head; }
  [[nodiscard]] const IpAddress& peer() const noexcept override { return address; }
  [[nodiscard]] bool secure() const noexcept override { return true; }
  Task<Result<std::string_view>> read_body(std::uint64_t octets_max) override {
    if (body.size() > octets_max) {
      answer = http::ResponseHead{.status = 413};
      co_return fail(ErrorKind::too_large);
    }
    while (stalls && given_ > 0) co_await sleep_until(executor->now() + 1s, Context{executor});
    const std::size_t octets = std::min(body.size() - given_, (body.size() + 1) / 2);
    given_ += octets;
    co_return std::string_view(body).substr(given_ - octets, octets);
  }
  void respond(http::ResponseHead response, std::string_view) override {
    CHECK(!answer);
    answer = std::move(response);
  }
  void begin_response(http::ResponseHead, std::optional<std::uint64_t>) override { CHECK(false); }
  Task<Result<void>> write(std::string_view) override { co_return fail(ErrorKind::internal); }
  void finish() override { CHECK(false); }

  Executor* executor = nullptr;

 private:
  std::size_t given_ = 0;
};

reports::TlsReport report_of(const std::string& domain, const std::string& id = "1@company-x.example") {
  reports::TlsReport report = sample_tls();
  report.report_id = id;
  report.policies.resize(1);
  report.policies[0].domain = domain;
  return report;
}

struct Fixture {
  SimExecutor loop;
  std::unique_ptr<kv::Store> kv = memory::make_kv_store({.tables = {"reports"}});
  kv::Faults faults;
  std::unique_ptr<kv::Store> faulty = kv::make_faulty(*kv, faults);
  ReportStore store{*faulty, kv::Table{0}};
  FakeDelivery delivery;
  FakeDirectory directory;  // has example.test
  ScriptedDns dns;
  SeededRandom random{1};
  TextLog log;
  Options options;
  std::optional<Reporting> reporting;
  web::Router router;

  void open() {
    if (reporting) return;
    Services services{delivery, directory, dns, random, log};
    reporting.emplace(options, std::move(services), store);
    router.add("POST", std::string(tls_report_path), reporting->https_intake());
  }
  MadeUpExchange request(std::string body, const std::string& type = "application/tlsrpt+json", const std::string& peer = "192.0.2.9") {
    MadeUpExchange exchange;
    exchange.executor = &loop;
    exchange.head.fields = {{"Content-Type", type}};
    exchange.address = *IpAddress::parse(peer);
    exchange.body = std::move(body);
    return exchange;
  }
  http::ResponseHead answer(MadeUpExchange exchange) {
    open();
    loop.run(router.route(exchange, Context{&loop}));
    REQUIRE(exchange.answer.has_value());
    return *exchange.answer;
  }
  unsigned post(std::string body, const std::string& type = "application/tlsrpt+json", const std::string& peer = "192.0.2.9") {
    return answer(request(std::move(body), type, peer)).status;
  }
  std::vector<Received> kept() { return loop.run(store.list({}, Context{&loop})).value(); }
};

}  // namespace

TEST_CASE("posts: a TLS report of a domain of ours is kept, as one that nobody vouches for, and answered with 201 (RFC 8460 §5.4)") {
  Fixture f;
  const std::string json = reports::write_tls_report(report_of("example.test"));
  CHECK(f.post(codec::gzip(json), "application/tlsrpt+gzip") == 201);
  CHECK(f.post(json) == 200);  // it is there already
  CHECK(f.post(json, "application/tlsrpt+json; charset=utf-8") == 200);
  CHECK(f.post(reports::write_tls_report(report_of("EXAMPLE.test", "2")), "application/json") == 201);
  const auto kept = f.kept();
  REQUIRE(kept.size() == 2);
  CHECK(kept[0].kind == Kind::tls);
  CHECK(kept[0].domain == "example.test");
  CHECK(kept[0].from == "192.0.2.9");
  CHECK(!kept[0].verified);
  CHECK(kept[0].failed == 303);
}

TEST_CASE("posts: what is not for us, or no report, is told so and not kept") {
  Fixture f;
  CHECK(f.post(reports::write_tls_report(report_of("other.test"))) == 403);
  reports::TlsReport mixed = report_of("example.test");
  mixed.policies.push_back(report_of("other.test").policies[0]);
  CHECK(f.post(reports::write_tls_report(mixed)) == 403);
  CHECK(f.post("") == 400);
  CHECK(f.post("{}") == 400);
  CHECK(f.post("{\"policies\": [") == 400);
  CHECK(f.post(reports::write_aggregate(sample_aggregate(), reports::AggregateSchema::rfc7489), "application/gzip") == 400);
  const auto json = reports::write_tls_report(report_of("example.test"));
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""}) {  // what a page of the web can make browsers send
    CAPTURE(type);
    const auto answer = f.answer(f.request(json, type));
    CHECK(answer.status == 415);
    CHECK(*http::find(answer.fields, "Accept") == "application/tlsrpt+gzip, application/tlsrpt+json");
  }
  MadeUpExchange get = f.request("");
  get.head.method = "GET";
  CHECK(f.answer(std::move(get)).status == 405);
  CHECK(f.kept().empty());
}

TEST_CASE("C9: a report that is posted and is too large, before or after it is unpacked, is not kept") {
  Fixture f;
  CHECK(f.post(std::string(f.options.posted_octets_max + 1, '{')) == 413);
  CHECK(f.post(codec::gzip(std::string(30'000'000, '{')), "application/tlsrpt+gzip") == 400);
  CHECK(f.post(codec::gzip("{\"a\":\"" + std::string(3'000'000, 'x') + "\"}"), "application/tlsrpt+gzip") == 400);
  CHECK(f.kept().empty());
}

TEST_CASE("posts: a network may post so many in an hour, and others are not kept waiting") {
  Fixture f;
  f.options.posts_per_hour_max = 3;
  for (int i = 0; i < 3; ++i) CHECK(f.post("{}") == 400);
  f.loop.advance(10min);
  const auto answer = f.answer(f.request("{}"));
  CHECK(answer.status == 429);
  const auto wait = std::stoi(*http::find(answer.fields, "Retry-After"));
  CHECK(wait > 0);
  CHECK(wait <= 3'000);
  CHECK(f.post("{}", "application/tlsrpt+json", "192.0.2.10") == 400);  // a neighbour
  CHECK(f.post("{}", "application/tlsrpt+json", "2001:db8::1") == 400);
  CHECK(f.post("{}", "application/tlsrpt+json", "2001:db8::2") == 400);
  CHECK(f.post("{}", "application/tlsrpt+json", "2001:db8::ffff:3") == 400);
  CHECK(f.post("{}", "application/tlsrpt+json", "2001:db8::4") == 429);  // the same /64
  for (int host = 20; host < 60; ++host) (void)f.post("{}", "application/tlsrpt+json", "192.0.2." + std::to_string(host));
  CHECK(f.post("{}", "application/tlsrpt+json", "192.0.2.61") == 429);   // its neighbours together
  CHECK(f.post("{}", "application/tlsrpt+json", "198.51.100.1") == 400);
  f.loop.advance(std::chrono::seconds(wait));
  CHECK(f.post("{}") == 400);
}

TEST_CASE("posts: whoever posts from many networks makes no more counters than there may be") {
  PostRates rates(1);
  const WallTime now = at(1'767'225'600);
  for (std::uint32_t i = 0; i < PostRates::networks_max; ++i) {
    const auto address = IpAddress::v4({static_cast<std::uint8_t>(1 + (i >> 8)), static_cast<std::uint8_t>(i), 0, 1});
    CHECK(rates.admit(address, now));
  }
  CHECK(rates.size() == PostRates::networks_max);
}

TEST_CASE("posts: what fails here is said to pass, so that it is sent again") {
  Fixture f;
  const std::string json = reports::write_tls_report(report_of("example.test"));
  f.directory.failure = Error(ErrorKind::unavailable);
  auto answer = f.answer(f.request(json));
  CHECK(answer.status == 503);
  CHECK(http::find(answer.fields, "Retry-After") != nullptr);
  f.directory.failure.reset();
  f.faults.fail_at(1);
  CHECK(f.post(json) == 503);
  f.faults.clear();
  CHECK(f.kept().empty());
  CHECK(f.post(json) == 201);
}

TEST_CASE("posts: all that come in at once have a ceiling, and what they held comes back") {
  Fixture f;
  f.open();
  const std::string large(f.options.posted_octets_max, ' ');
  std::vector<std::unique_ptr<MadeUpExchange>> slow;
  std::vector<Task<void>> serving;
  for (int i = 0; i < 80; ++i) {
    auto& one = *slow.emplace_back(std::make_unique<MadeUpExchange>(f.request(large, "application/tlsrpt+json", "198.51." + std::to_string(i) + ".1")));
    one.stalls = true;
    serving.push_back(f.router.route(one, Context{&f.loop}));
  }
  const auto refused = static_cast<std::size_t>(std::ranges::count_if(slow, [](const auto& one) { return one->answer && one->answer->status == 503; }));
  CHECK(refused == 80 - Posts::octets_held_max / (f.options.posted_octets_max / 2));
  for (const auto& one : slow) one->stalls = false;
  for (auto& task : serving) f.loop.run(std::move(task));
  CHECK(f.post(reports::write_tls_report(report_of("example.test"))) == 201);
}

TEST_CASE("posts: what somebody else chose is in no line of the log of its own") {
  Fixture f;
  reports::TlsReport report = report_of("example.test", "1\nlevel=error event=forged");
  report.organization = "x\r\nlevel=error event=forged\x1b[2J";
  report.contact = "a@b\nlevel=error event=forged";
  CHECK(f.post(reports::write_tls_report(report)) == 201);
  CHECK(f.post("{\"policies\": \"\\nlevel=error event=forged\"}") == 400);
  CHECK(f.post("{\"\nlevel=error event=forged") == 400);
  CHECK(f.post(reports::write_tls_report(report_of("forged.test\nlevel=error event=forged"))) != 201);
  CHECK(f.log.text.find("\nlevel=error") == std::string::npos);
  CHECK(f.log.text.find('\x1b') == std::string::npos);
  CHECK(f.log.text.find("event=reports.received") != std::string::npos);
  CHECK(f.log.text.find("event=reports.refused") != std::string::npos);
  for (const Received& one : f.kept()) CHECK(one.organization.find_first_of("\r\n\x1b") == std::string::npos);
}
