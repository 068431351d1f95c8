// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/iprev/evaluation.hpp"

#include <doctest/doctest.h>

#include "keystonemail/mailauth/iprev/method_result.hpp"
#include "mailauth/spf/support.hpp"

using namespace keystonemail;
using namespace keystonemail::mailauth;
using namespace keystonemail::mailauth::iprev;
using dns::AnswerStatus;
using dns::RecordType;
using spf::Dns;

namespace {

Verdict judge(Dns& dns, std::string_view client) {
  Evaluation evaluation(IpAddress::parse(client).value(), {}, Instant());
  for (;;) {
    const auto event = evaluation.next_event();
    const auto* needed = std::get_if<NeedAnswer>(&event);
    if (needed == nullptr) return evaluation.verdict();
    evaluation.decide(dns.answer(needed->question), Instant());
  }
}

}  // namespace

TEST_CASE("iprev: a name that leads back passes, in both families") {
  Dns dns("1.2.0.192.in-addr.arpa. PTR other.example.\n1.2.0.192.in-addr.arpa. PTR mx.example.\nother.example. A 192.0.2.9\nmx.example. A 192.0.2.1\n"
          "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR mx.example.\nmx.example. AAAA 2001:db8::1\n");
  const auto verdict = judge(dns, "192.0.2.1");
  CHECK(verdict.outcome == Outcome::pass);
  CHECK(verdict.name.text() == "mx.example");
  CHECK(judge(dns, "2001:db8::1").outcome == Outcome::pass);
  const auto result = method_result(verdict);
  CHECK(result.method == "iprev");
  CHECK(result.result == "pass");
  CHECK(result.property("policy", "iprev") == "192.0.2.1");
}

TEST_CASE("iprev: names that lead elsewhere fail, no name at all is a permerror") {
  Dns dns("1.2.0.192.in-addr.arpa. PTR mx.example.\nmx.example. A 192.0.2.9");
  CHECK(judge(dns, "192.0.2.1").outcome == Outcome::fail);
  CHECK(judge(dns, "192.0.2.2").outcome == Outcome::permerror);
}

TEST_CASE("T10: iprev: what the DNS cannot say now is a temperror, unless another name leads back") {
  const auto zone = "1.2.0.192.in-addr.arpa. PTR broken.example.\n1.2.0.192.in-addr.arpa. PTR mx.example.\nmx.example. A 192.0.2.1\n2.2.0.192.in-addr.arpa. PTR broken.example.";
  Dns dns(zone);
  dns.fault("broken.example", RecordType::a, AnswerStatus::server_failure);
  CHECK(judge(dns, "192.0.2.1").outcome == Outcome::pass);
  CHECK(judge(dns, "192.0.2.2").outcome == Outcome::temperror);
  dns.fault("1.2.0.192.in-addr.arpa", RecordType::ptr, AnswerStatus::timeout);
  CHECK(judge(dns, "192.0.2.1").outcome == Outcome::temperror);
}

TEST_CASE("iprev: of many names ten are looked up") {
  std::string zone;
  for (int i = 0; i < 100; ++i) zone += "1.2.0.192.in-addr.arpa. PTR n" + std::to_string(i) + ".example.\n";
  Dns dns(zone);
  CHECK(judge(dns, "192.0.2.1").outcome == Outcome::fail);
  CHECK(dns.asked.size() == 11);
}
