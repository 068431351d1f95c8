// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The real libunbound against a server of ours that is right, or wrong in a chosen way.
#include "keystonemail/backends/unbound/resolver.hpp"

#include <doctest/doctest.h>

#include <chrono>

#include "conformance/resolver_conformance.hpp"
#include "support/name_server.hpp"

using namespace keystonemail;
using namespace keystonemail::dns;
using namespace std::chrono_literals;
using test::NameServer;

namespace {

std::string zone_text() {
  return std::string(conformance::resolver_zone) + conformance::many_exchangers() + conformance::long_text();
}

struct Fixture {
  explicit Fixture(std::chrono::milliseconds timeout = 10s)
      : unbound(unbound::open_resolver({.servers = {server.endpoint()}, .timeout = timeout}).value()) {}
  resolver::Resolver& resolver() { return *unbound; }

  NameServer server{zone_text()};
  RunLoop loop;
  std::unique_ptr<resolver::Resolver> unbound;
};

using Driver = conformance::ResolverDriver<Fixture>;

}  // namespace

TEST_CASE("unbound: keeps the resolver's contract") {
  Fixture fixture;
  conformance::check_resolver(fixture);
}

TEST_CASE("unbound: without a trust anchor nothing is authenticated") {
  Fixture fixture;
  CHECK_FALSE(Driver(fixture).ask("conform.example", RecordType::mx).authenticated);
}

TEST_CASE("unbound: an answer is kept, so the same question is asked once") {
  Fixture fixture;
  Driver driver(fixture);
  CHECK(driver.status("first.conform.example", RecordType::a) == AnswerStatus::found);
  const int queries = fixture.server.queries();
  CHECK(driver.status("first.conform.example", RecordType::a) == AnswerStatus::found);
  CHECK(fixture.server.queries() == queries);
}

TEST_CASE("T10: a server that fails or refuses is a temporary answer") {
  for (const auto manner : {NameServer::Manner::server_failure, NameServer::Manner::refused, NameServer::Manner::garbage}) {
    CAPTURE(static_cast<int>(manner));
    Fixture fixture;
    fixture.server.treat("conform.example", manner);
    CHECK(is_temporary(Driver(fixture).status("conform.example", RecordType::mx)));
  }
}

TEST_CASE("T10: a server that never answers is a timeout after our time, not libunbound's") {
  for (const auto manner : {NameServer::Manner::silent, NameServer::Manner::truncated_only}) {
    CAPTURE(static_cast<int>(manner));
    Fixture fixture(1s);
    fixture.server.treat("conform.example", manner);
    const auto begin = fixture.loop.now();
    const auto status = Driver(fixture).status("conform.example", RecordType::mx);
    CHECK(is_temporary(status));
    CHECK(fixture.loop.now() - begin < 3s);
    CHECK(Driver(fixture).status("first.conform.example", RecordType::a) == AnswerStatus::found);  // and goes on
  }
}

TEST_CASE("T10: each fault is the same answer, whatever type is asked for") {
  using enum RecordType;
  Fixture fixture(300ms);
  Driver driver(fixture);
  for (const auto manner : {NameServer::Manner::server_failure, NameServer::Manner::refused, NameServer::Manner::silent,
                            NameServer::Manner::truncated_only, NameServer::Manner::garbage}) {
    const std::string at = "m" + std::to_string(static_cast<int>(manner)) + ".wild.conform.example";
    fixture.server.treat(at, manner);
  }
  for (const auto type : {mx, a, txt, tlsa, ptr}) {
    CAPTURE(static_cast<int>(type));
    CHECK(driver.status("nowhere.conform.example", type) == AnswerStatus::no_such_name);
    CHECK(driver.status(type == a ? "conform.example" : "first.conform.example", type) == AnswerStatus::no_data);
    CHECK(driver.status("loop.conform.example", type) == AnswerStatus::server_failure);
    for (int manner = 1; manner <= 5; ++manner) {
      CAPTURE(manner);
      CHECK(is_temporary(driver.status("m" + std::to_string(manner) + ".wild.conform.example", type)));
    }
  }
}

TEST_CASE("T10: a name server whose IPv6 address leads nowhere does not keep another from answering") {
  NameServer server(zone_text());
  RunLoop loop;
  auto unbound = unbound::open_resolver({.servers = {*Endpoint::parse("[::1]:9"), server.endpoint()}}).value();
  for (const auto& [name, type] : {std::pair("conform.example", RecordType::mx), {"conform.example", RecordType::txt},
                                   {"first.conform.example", RecordType::a}, {"_25._tcp.conform.example", RecordType::tlsa},
                                   {"1.2.0.192.in-addr.arpa", RecordType::ptr}}) {
    CAPTURE(name);
    CHECK(loop.run_until(unbound->resolve({*Name::parse(name), type}, Context{&loop}))->status == AnswerStatus::found);
  }
}

TEST_CASE("unbound: the caller's deadline and stop end a call that waits") {
  Fixture fixture;
  fixture.server.treat("conform.example", NameServer::Manner::silent);
  Driver driver(fixture);
  const auto late = driver.try_ask("conform.example", RecordType::mx, Context(&fixture.loop).until(fixture.loop.now() + 200ms));
  REQUIRE_FALSE(late);
  CHECK(late.error().kind() == ErrorKind::timeout);

  std::stop_source source;
  std::jthread stopper([&source] {
    std::this_thread::sleep_for(100ms);
    source.request_stop();
  });
  const auto stopped = driver.try_ask("conform.example", RecordType::txt, Context(&fixture.loop, source.get_token()));
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().kind() == ErrorKind::cancelled);
}

TEST_CASE("unbound: a server that was named is asked for special names and private addresses too") {
  NameServer server("host.test. A 192.0.2.1\nhost.home.arpa. A 192.0.2.1\nhost.localhost. A 192.0.2.1\n1.0.0.10.in-addr.arpa. PTR host.test.\n");
  RunLoop loop;
  auto unbound = unbound::open_resolver({.servers = {server.endpoint()}}).value();
  const auto status = [&](std::string_view name, RecordType type) {
    return loop.run_until(unbound->resolve({*Name::parse(name), type}, Context{&loop}))->status;
  };
  CHECK(status("host.test", RecordType::a) == AnswerStatus::found);
  CHECK(status("host.home.arpa", RecordType::a) == AnswerStatus::found);
  CHECK(status("host.localhost", RecordType::a) == AnswerStatus::found);
  CHECK(status("1.0.0.10.in-addr.arpa", RecordType::ptr) == AnswerStatus::found);
}

TEST_CASE("unbound: more calls at a time than allowed are refused, and the others are not harmed") {
  NameServer server(zone_text());
  server.treat("conform.example", NameServer::Manner::silent);
  RunLoop loop;
  auto unbound = unbound::open_resolver({.servers = {server.endpoint()}, .timeout = 300ms, .calls_max = 2}).value();
  std::vector<Task<Result<Answer>>> calls;
  for (int i = 0; i < 3; ++i) calls.push_back(unbound->resolve({*Name::parse("conform.example"), RecordType::mx}, Context{&loop}));
  CHECK(loop.run_until(std::move(calls[2])).error().kind() == ErrorKind::unavailable);
  CHECK(loop.run_until(std::move(calls[0]))->status == AnswerStatus::timeout);
  CHECK(loop.run_until(std::move(calls[1]))->status == AnswerStatus::timeout);
}

TEST_CASE("unbound: many calls from two executors at once all end") {
  Fixture fixture;
  const auto ask_many = [&fixture] {
    RunLoop loop;
    int found = 0;
    for (int round = 0; round < 20; ++round) {
      std::vector<Task<Result<Answer>>> calls;
      for (int i = 0; i < 10; ++i) {
        const std::string name = "n" + std::to_string(i) + "-" + std::to_string(round) + ".wild.conform.example";
        calls.push_back(fixture.unbound->resolve({*Name::parse(name), RecordType::a}, Context{&loop}));
      }
      for (auto& call : calls) found += loop.run_until(std::move(call))->status == AnswerStatus::found;
    }
    return found;
  };
  int other = 0;
  std::jthread thread([&] { other = ask_many(); });
  CHECK(ask_many() == 200);
  thread.join();
  CHECK(other == 200);
}

TEST_CASE("unbound: with an anchor that does not fit, everything below it is bogus") {
  NameServer server(zone_text());
  RunLoop loop;
  const std::string anchor = "conform.example. IN DS 12345 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";
  auto unbound = unbound::open_resolver({.servers = {server.endpoint()}, .trust_anchors = {anchor}}).value();
  const auto answer = loop.run_until(unbound->resolve({*Name::parse("conform.example"), RecordType::mx}, Context{&loop}));
  CHECK(answer->status == AnswerStatus::bogus);
}

TEST_CASE("unbound: what is no trust anchor is refused at once") {
  const auto opened = unbound::open_resolver({.trust_anchors = {"not a record"}});
  REQUIRE_FALSE(opened);
  CHECK(opened.error().kind() == ErrorKind::invalid);
}
