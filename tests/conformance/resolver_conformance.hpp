// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What every resolver backend must do. Run it from a doctest TEST_CASE, with a fixture that answers from
// `resolver_zone`:
//
//   struct Fixture {
//     keystonemail::resolver::Resolver& resolver();
//     keystonemail::RunLoop loop;
//   };
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <stop_token>
#include <string>
#include <utility>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/resolver/resolver.hpp"

namespace keystonemail::conformance {

// With many_exchangers() and long_text() added.
inline constexpr std::string_view resolver_zone = R"($TTL 300
@        IN SOA ns.conform.example. admin.conform.example. 1 3600 600 86400 60
conform.example.             MX    20 second.conform.example.
conform.example.             MX    10 first.conform.example.
conform.example.             TXT   "v=spf1 " "-all"
first.conform.example.       A     192.0.2.1
first.conform.example.       AAAA  2001:db8::1
null.conform.example.        MX    0 .
alias.conform.example.       CNAME chain.conform.example.
chain.conform.example.       CNAME first.conform.example.
loop.conform.example.        CNAME pool.conform.example.
pool.conform.example.        CNAME loop.conform.example.
dangling.conform.example.    CNAME nowhere.conform.example.
_25._tcp.conform.example.    TLSA  3 1 1 0123456789abcdef
_imap._tcp.conform.example.  SRV   0 1 143 first.conform.example.
conform.example.             CAA   0 issue "ca.example"
*.wild.conform.example.      A     192.0.2.9
odd\032name.conform.example. A     192.0.2.8
1.2.0.192.in-addr.arpa.      PTR   first.conform.example.
)";

inline std::string many_exchangers() {
  std::string zone;
  for (int i = 0; i < 1'000; ++i) zone += "many.conform.example. 300 MX " + std::to_string(i) + " mx" + std::to_string(i) + ".conform.example.\n";
  return zone;
}
inline std::string long_text() {
  std::string zone;
  for (int i = 0; i < 220; ++i) zone += "long.conform.example. 300 TXT \"" + std::to_string(1'000 + i) + std::string(245, 'x') + "\"\n";
  return zone;
}

template <class Fixture>
class ResolverDriver {
 public:
  explicit ResolverDriver(Fixture& fixture) : fixture_(fixture) {}

  Result<dns::Answer> try_ask(std::string_view name, dns::RecordType type, Context context) {
    dns::Question question{dns::Name::parse(name).value(), type};
    return fixture_.loop.run_until(fixture_.resolver().resolve(std::move(question), std::move(context)));
  }
  dns::Answer ask(std::string_view name, dns::RecordType type) {
    auto answer = try_ask(name, type, Context{&fixture_.loop});
    REQUIRE(answer.has_value());
    CHECK((answer->status == dns::AnswerStatus::found) == !answer->records.empty());
    for (const auto& record : answer->records) CHECK(type_of(record) == type);
    return *std::move(answer);
  }
  dns::AnswerStatus status(std::string_view name, dns::RecordType type) { return ask(name, type).status; }

 private:
  Fixture& fixture_;
};

template <class Fixture>
void check_resolver(Fixture& fixture) {
  using namespace dns;
  ResolverDriver driver(fixture);
  const auto name = [](std::string_view text) { return Name::parse(text).value(); };

  SUBCASE("records of every type come whole") {
    auto exchangers = driver.ask("CONFORM.example", RecordType::mx).records;
    std::ranges::sort(exchangers, {}, [](const auto& record) { return std::get<Mx>(record).preference; });
    CHECK(exchangers == std::vector<RecordData>{Mx{10, name("first.conform.example")}, Mx{20, name("second.conform.example")}});
    const auto answer = driver.ask("conform.example", RecordType::txt);
    CHECK(answer.records == std::vector<RecordData>{Txt{{"v=spf1 ", "-all"}}});
    CHECK(answer.ttl.count() > 200);
    CHECK(answer.ttl.count() <= 300);
    CHECK(driver.ask("first.conform.example", RecordType::a).records == std::vector<RecordData>{A{*IpAddress::parse("192.0.2.1")}});
    CHECK(driver.ask("first.conform.example", RecordType::aaaa).records == std::vector<RecordData>{Aaaa{*IpAddress::parse("2001:db8::1")}});
    CHECK(driver.ask("1.2.0.192.in-addr.arpa", RecordType::ptr).records == std::vector<RecordData>{Ptr{name("first.conform.example")}});
    CHECK(driver.ask("null.conform.example", RecordType::mx).records == std::vector<RecordData>{Mx{0, Name()}});
    CHECK(driver.ask("_25._tcp.conform.example", RecordType::tlsa).records == std::vector<RecordData>{Tlsa{3, 1, 1, "\x01\x23\x45\x67\x89\xab\xcd\xef"}});
    CHECK(driver.ask("_imap._tcp.conform.example", RecordType::srv).records == std::vector<RecordData>{Srv{0, 1, 143, name("first.conform.example")}});
    CHECK(driver.ask("conform.example", RecordType::caa).records == std::vector<RecordData>{Caa{0, "issue", "ca.example"}});
    CHECK(driver.status("any.wild.conform.example", RecordType::a) == AnswerStatus::found);
    CHECK(driver.status("odd\\032name.conform.example", RecordType::a) == AnswerStatus::found);
  }
  SUBCASE("no such name and no data are told apart") {
    CHECK(driver.status("nowhere.conform.example", RecordType::a) == AnswerStatus::no_such_name);
    CHECK(driver.status("first.conform.example", RecordType::mx) == AnswerStatus::no_data);
    CHECK(driver.status("dangling.conform.example", RecordType::a) == AnswerStatus::no_such_name);
  }
  SUBCASE("aliases are followed to their end") {
    const auto answer = driver.ask("alias.conform.example", RecordType::a);
    CHECK(answer.canonical_name == name("first.conform.example"));
    CHECK(answer.records.size() == 1);
    CHECK(driver.status("alias.conform.example", RecordType::mx) == AnswerStatus::no_data);
  }
  SUBCASE("T10: aliases in a circle are a failure of the DNS, for now") {
    CHECK(driver.status("loop.conform.example", RecordType::a) == AnswerStatus::server_failure);
  }
  SUBCASE("T10: of a thousand mail exchangers the best are kept") {
    const auto answer = driver.ask("many.conform.example", RecordType::mx);
    CHECK(answer.records.size() == resolver::limits::mail_exchangers_max);
    for (const auto& record : answer.records) CHECK(std::get<Mx>(record).preference < resolver::limits::mail_exchangers_max);
  }
  SUBCASE("T10: 55 KB of text come whole") { CHECK(driver.ask("long.conform.example", RecordType::txt).records.size() == 220); }
  SUBCASE("a call that is stopped before it begins is cancelled") {
    std::stop_source source;
    source.request_stop();
    const auto answer = driver.try_ask("conform.example", RecordType::mx, Context(&fixture.loop, source.get_token()));
    REQUIRE_FALSE(answer.has_value());
    CHECK(answer.error().kind() == ErrorKind::cancelled);
  }
}

}  // namespace keystonemail::conformance
