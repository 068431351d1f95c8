// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// RFC 5321 §5.1 and RFC 7505, and the MX and A columns of the DNS faults T10.
#include "keystonemail/service/relay/mail_exchangers.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace keystonemail;
using namespace keystonemail::relay;

namespace {

dns::Name name(std::string_view text) { return *dns::Name::parse(text); }

dns::Answer mx(std::vector<std::pair<std::uint16_t, const char*>> records) {
  dns::Answer answer = dns::Answer::none(dns::AnswerStatus::found, name("example.com"));
  for (const auto& [preference, host] : records) answer.records.emplace_back(dns::Mx{preference, name(host)});
  return answer;
}

struct Choice {
  SeededRandom random{1};
  std::vector<std::string> hosts;
  smtp::Reply reply{0, {}, {}};
  bool implicit = false;

  Choice& choose(const dns::Answer& answer) {
    hosts.clear();
    const auto choice = choose_mail_hosts(name("example.com"), answer, name("us.example.org"), random);
    if (const auto* found = std::get_if<MailHosts>(&choice)) {
      for (const auto& host : found->hosts) hosts.push_back(host.text());
      implicit = found->implicit;
    } else {
      reply = std::get<NoMailHosts>(choice).reply;
    }
    return *this;
  }
};

}  // namespace

TEST_CASE("relay mx: hosts are tried by preference, and equal ones in an order that changes") {
  Choice c;
  std::set<std::vector<std::string>> orders;
  for (int i = 0; i < 50; ++i) {
    c.choose(mx({{20, "c.test"}, {10, "a.test"}, {10, "b.test"}}));
    REQUIRE(c.hosts.size() == 3);
    CHECK(c.hosts[2] == "c.test");
    orders.insert(c.hosts);
  }
  CHECK(orders.size() == 2);
}

TEST_CASE("relay mx: without MX records the domain itself takes its mail") {
  Choice c;
  CHECK(c.choose(dns::Answer::none(dns::AnswerStatus::no_data, name("example.com"))).hosts == std::vector<std::string>{"example.com"});
  CHECK(c.implicit);
}

TEST_CASE("relay mx: a null MX and a domain that is not there are final, with the codes of RFC 7505 and 3463") {
  Choice c;
  CHECK(c.choose(mx({{0, "."}})).reply.to_string().starts_with("556 5.1.10"));
  CHECK(c.choose(dns::Answer::none(dns::AnswerStatus::no_such_name, name("example.com"))).reply.to_string().starts_with("550 5.1.2"));
}

TEST_CASE("relay mx: among our own name only those preferred to us are left") {
  Choice c;
  CHECK(c.choose(mx({{10, "a.test"}, {20, "us.example.org"}, {20, "b.test"}, {30, "c.test"}})).hosts == std::vector<std::string>{"a.test"});
  CHECK(c.choose(mx({{10, "us.example.org"}, {20, "b.test"}})).reply.status == smtp::EnhancedStatus{5, 4, 6});
  const auto own = choose_mail_hosts(name("us.example.org"), dns::Answer::none(dns::AnswerStatus::no_data, name("us.example.org")),
                                     name("us.example.org"), c.random);
  CHECK(std::get<NoMailHosts>(own).reply.status == smtp::EnhancedStatus{5, 4, 6});
}

TEST_CASE("T10: a DNS fault is never final, for MX and addresses alike") {
  Choice c;
  using enum dns::AnswerStatus;
  const dns::Answer none = dns::Answer::none(no_data, name("mx.test"));
  for (const auto status : {server_failure, refused, timeout, bogus, malformed}) {
    CAPTURE(to_string(status));
    const dns::Answer fault = dns::Answer::none(status, name("mx.test"));
    CHECK(c.choose(fault).hosts.empty());
    CHECK(c.reply.temporary());
    CHECK(reply_for_no_address(name("mx.test"), fault, none).temporary());
    CHECK(reply_for_no_address(name("mx.test"), none, fault).temporary());
  }
  CHECK(reply_for_no_address(name("mx.test"), none, none).code == 550);
}

TEST_CASE("T10: a thousand MX records are one list without doubles") {
  dns::Answer answer = mx({});
  for (int i = 0; i < 1'000; ++i) answer.records.emplace_back(dns::Mx{static_cast<std::uint16_t>(i % 7), name("mx" + std::to_string(i % 100) + ".test")});
  CHECK(Choice().choose(answer).hosts.size() == 100);
}
