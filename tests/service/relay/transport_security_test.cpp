// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// DANE, MTA-STS and REQUIRETLS, as they meet real handshakes: scripted DNS, web and mail hosts, in virtual time.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <memory>

#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/crypto/certificate.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/kv/faulty.hpp"
#include "service/relay/fixture.hpp"
#include "support/fake_fetcher.hpp"
#include "support/scripted_dns.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using dns::AnswerStatus;
using dns::RecordType;
using relay::TlsPolicyType;
using relay::TlsResult;

namespace {

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

class Observer final : public relay::TlsObserver {
 public:
  std::vector<relay::TlsSession> seen;
  void observed(const relay::TlsSession& session) noexcept override { seen.push_back(session); }
  [[nodiscard]] std::size_t count(TlsPolicyType policy, TlsResult result) const {
    return static_cast<std::size_t>(std::ranges::count_if(seen, [&](const auto& s) { return s.policy_type == policy && s.result == result; }));
  }
};

// A server's certificate, and what TLSA records say of it.
struct Identity {
  crypto::PrivateKey key = crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256).value();
  std::shared_ptr<const tls::ServerContext> context;

  [[nodiscard]] dns::Tlsa tlsa(std::uint8_t usage = 3) const { return {usage, 1, 1, crypto::digest(crypto::Hash::sha256, key.public_key().der())}; }
};

class SecureFixture : public RelayFixture {
 public:
  SecureFixture() {
    authority_pem = crypto::make_self_signed(request({"Test-CA"}, true), authority_key).value();
    tls::ClientOptions client;
    client.trust_pem = authority_pem;
    tls = tls::ClientContext::create(client).value();
    asked = &dns;
    observer = &seen;
    policies.emplace(mta_sts::Options{}, mta_sts::Services{*sts_store, dns, web, log});
    sts = &*policies;
    set_mx("dest.test", {"mx.dest.test"}, Signed::yes);
    dns.set("mx.dest.test", RecordType::a, {dns::A{*IpAddress::parse("192.0.2.1")}}, Signed::yes);
  }

  void set_mx(std::string_view domain, std::vector<std::string_view> hosts, Signed is_signed) {
    std::vector<dns::RecordData> records;
    for (const auto host : hosts) records.push_back(dns::Mx{static_cast<std::uint16_t>(10 * (records.size() + 1)), ScriptedDns::name(host)});
    dns.set(domain, RecordType::mx, std::move(records), is_signed);
  }
  void set_tlsa(dns::Tlsa record, Signed is_signed = Signed::yes, std::string_view host = "mx.dest.test") {
    dns.set("_25._tcp." + std::string(host), RecordType::tlsa, {std::move(record)}, is_signed);
  }
  void set_sts(std::string_view mode, std::string_view pattern = "mx.dest.test") {
    const std::string url = "https://mta-sts.dest.test/.well-known/mta-sts.txt";
    dns.set("_mta-sts.dest.test", RecordType::txt, {dns::Txt{{"v=STSv1; id=" + std::to_string(++sts_id)}}}, Signed::no);
    web.forget(url);
    web.answer(url, 200, "version: STSv1\nmode: " + std::string(mode) + "\nmx: " + std::string(pattern) + "\nmax_age: 86400\n", {{"Content-Type", "text/plain"}});
  }
  crypto::CertificateRequest request(std::vector<std::string> names, bool is_authority = false, bool is_expired = false) {
    crypto::CertificateRequest made;
    made.names = std::move(names);
    made.not_before = loop.wall_now() - 24h * 30;
    made.not_after = loop.wall_now() + (is_expired ? -24h : 24h * 30);
    made.authority = is_authority;
    return made;
  }
  enum class By : std::uint8_t { itself, authority, authority_expired };
  // With the authority's certificate behind it, as RFC 7672 §3.1.2 wants it.
  Identity certify(std::string name, By by) {
    Identity made;
    const auto wanted = request({std::move(name)}, false, by == By::authority_expired);
    const std::string pem = by == By::itself ? crypto::make_self_signed(wanted, made.key).value()
                                             : crypto::issue_certificate(wanted, made.key.public_key(), authority_pem, authority_key).value() + authority_pem;
    tls::ServerOptions options;
    options.certificates.push_back({pem, std::string(made.key.pem().view())});
    made.context = tls::ServerContext::create(options).value();
    return made;
  }
  Identity trusted() { return certify("mx.dest.test", By::authority); }
  Identity self_signed() { return certify("mx.dest.test", By::itself); }
  // What is said of the recipient that is still in the queue.
  std::string last_reply(queue::EntryId id) { return entry(id).value().recipients.at(0).last_reply; }
  std::string security_of(queue::EntryId id) {
    const auto steps = loop.run(store.queue_.trace(id, context())).value();
    return steps.empty() ? "" : steps.back().security;
  }
  queue::EntryId send_requiring_tls() {
    Mail mail;
    mail.envelope.require_tls = true;
    return send(std::move(mail));
  }

  ScriptedDns dns;
  FakeFetcher web;
  Observer seen;
  std::unique_ptr<kv::Store> sts_store = memory::make_kv_store({.tables = {"mta_sts.policy"}});
  std::optional<mta_sts::Policies> policies;
  crypto::PrivateKey authority_key = crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256).value();
  std::string authority_pem;
  int sts_id = 0;
};

}  // namespace

TEST_CASE_FIXTURE(SecureFixture, "D11: DANE decides by the TLSA records alone, and nothing goes in the clear or to a stranger") {
  auto& host = peer();
  const Identity own = self_signed();
  host.script.tls = own.context;
  std::string expected;  // of the trace; empty: it waits
  std::string why;
  std::optional<TlsResult> result;
  SUBCASE("a self-signed certificate that the record names") {
    set_tlsa(own.tlsa());
    expected = "dane";
    result = TlsResult::success;
  }
  SUBCASE("an expired one for another name that the record names") {
    const Identity old = certify("other.test", By::authority_expired);
    host.script.tls = old.context;
    set_tlsa(old.tlsa());
    expected = "dane";
    result = TlsResult::success;
  }
  SUBCASE("a certificate that a public authority vouches for, and the record does not name") {
    host.script.tls = trusted().context;
    set_tlsa(own.tlsa());
    why = "4.7.5";
    result = TlsResult::tlsa_invalid;
  }
  SUBCASE("STARTTLS was taken out of the answer") {
    host.script.tls = nullptr;
    set_tlsa(own.tlsa());
    why = "4.7.4";
    result = TlsResult::starttls_not_supported;
  }
  SUBCASE("no usable record: encrypted, by whomever") {
    set_tlsa(own.tlsa(1));
    expected = "none";
    result = TlsResult::tlsa_invalid;
  }
  SUBCASE("no usable record, and no STARTTLS") {
    host.script.tls = nullptr;
    set_tlsa(own.tlsa(1));
    why = "4.7.4";
    result = TlsResult::starttls_not_supported;
  }
  SUBCASE("MX records unsigned: the host is the one that is named, and no more is claimed") {
    set_mx("dest.test", {"mx.dest.test"}, Signed::no);
    set_tlsa(own.tlsa());
    expected = "dane-host";
    result = TlsResult::success;
  }
  start();
  const auto id = send();
  loop.advance(60s);
  if (expected.empty()) {
    CHECK(host.messages.empty());
    CHECK(contains(last_reply(id), why));
  } else {
    REQUIRE(host.messages.size() == 1);
    CHECK(host.messages[0].secure);
    CHECK(contains(security_of(id), "TLSv1.3 TLS_"));
    CHECK(security_of(id).ends_with(" " + expected));
  }
  REQUIRE(seen.seen.size() == 1);
  CHECK(seen.count(TlsPolicyType::tlsa, *result) == 1);
  CHECK(seen.seen[0].policy_domain == "dest.test");
  CHECK(seen.seen[0].mx_host == "mx.dest.test");
  CHECK(seen.seen[0].receiving_ip == IpAddress::parse("192.0.2.1"));
  CHECK(seen.seen[0].policy_strings.size() == 1);
}

TEST_CASE_FIXTURE(SecureFixture, "D12: TLSA records count only when DNSSEC vouches for them, and are not asked for where it cannot (RFC 7672 §2.2.2)") {
  auto& host = peer();
  const Identity other = self_signed();
  SUBCASE("unsigned records are none") { set_tlsa(other.tlsa(), Signed::no); }
  SUBCASE("where the address is unsigned, they are not asked for") {
    dns.set("mx.dest.test", RecordType::a, {dns::A{*IpAddress::parse("192.0.2.1")}}, Signed::no);
    set_tlsa(other.tlsa());
  }
  start();
  const auto id = send();
  REQUIRE(until([&] { return host.messages.size() == 1; }, 60s));
  CHECK(security_of(id) == "cleartext");
  const bool is_signed = dns.times_asked("_25._tcp.mx.dest.test", RecordType::tlsa) > 0;
  CHECK(dns.times_asked("_25._tcp.mx.dest.test", RecordType::tlsa) == (is_signed ? 1 : 0));
  CHECK(seen.count(TlsPolicyType::no_policy_found, TlsResult::starttls_not_supported) == 1);
}

TEST_CASE_FIXTURE(SecureFixture, "D11: a TLSA lookup that fails in any way is no licence: the mail waits, until it works") {
  auto& host = peer();
  const Identity own = self_signed();
  host.script.tls = own.context;
  const auto name = ScriptedDns::name("_25._tcp.mx.dest.test");
  for (const auto status : {AnswerStatus::bogus, AnswerStatus::server_failure, AnswerStatus::timeout, AnswerStatus::refused, AnswerStatus::malformed}) {
    CAPTURE(to_string(status));
    dns.set(name.text(), RecordType::tlsa, status);
    start();
    const auto id = send();
    loop.advance(60s);
    CHECK(host.connections == 0);
    CHECK(contains(last_reply(id), "4.7.5"));
    CHECK(loop.run(store.queue_.remove(id, context())).has_value());
    stop();
  }
  CHECK(seen.count(TlsPolicyType::tlsa, TlsResult::dnssec_invalid) == 1);  // the others are outages (RFC 8460 §4.3.4)
  dns.set(name.text(), RecordType::mx, AnswerStatus::no_data);
  set_tlsa(own.tlsa());
  start();
  send();
  CHECK(until([&] { return host.messages.size() == 1; }, 60s));
}

TEST_CASE_FIXTURE(SecureFixture, "D11: bogus MX or address records are never used") {
  auto& host = peer();
  SUBCASE("MX") { dns.set("dest.test", RecordType::mx, AnswerStatus::bogus); }
  SUBCASE("A") { dns.set("mx.dest.test", RecordType::a, AnswerStatus::bogus); }
  start();
  const auto id = send();
  loop.advance(60s);
  CHECK(host.connections == 0);
  CHECK(entry(id)->recipients[0].state == queue::RecipientState::pending);
}

TEST_CASE_FIXTURE(SecureFixture, "dane: the next host is tried where one does not fit its records") {
  auto& first = peer();
  auto& second = peer("192.0.2.2");
  set_mx("dest.test", {"mx.dest.test", "mx2.dest.test"}, Signed::yes);
  dns.set("mx2.dest.test", RecordType::a, {dns::A{*IpAddress::parse("192.0.2.2")}}, Signed::yes);
  const Identity wrong = self_signed(), right = self_signed();
  first.script.tls = wrong.context;
  second.script.tls = right.context;
  set_tlsa(right.tlsa());
  set_tlsa(right.tlsa(), Signed::yes, "mx2.dest.test");
  start();
  send();
  REQUIRE(until([&] { return second.messages.size() == 1; }, 60s));
  CHECK(first.messages.empty());
  CHECK(seen.count(TlsPolicyType::tlsa, TlsResult::tlsa_invalid) == 1);
  CHECK(seen.count(TlsPolicyType::tlsa, TlsResult::success) == 1);
}

TEST_CASE_FIXTURE(SecureFixture, "dane: records of an alias's end come first, then its own (RFC 7672 §2.2.2, example of §3.2.2)") {
  auto& host = peer();
  const Identity own = self_signed(), other = self_signed();
  host.script.tls = own.context;
  const std::vector<dns::RecordData> address{dns::A{*IpAddress::parse("192.0.2.1")}};
  SUBCASE("all signed: the end") {
    dns.set("mx.dest.test", RecordType::a, address, Signed::yes, "end.other.test");
    set_tlsa(own.tlsa(), Signed::yes, "end.other.test");
    set_tlsa(other.tlsa());
  }
  SUBCASE("all signed, and nothing at the end: the alias") {
    dns.set("mx.dest.test", RecordType::a, address, Signed::yes, "end.other.test");
    set_tlsa(own.tlsa());
  }
  SUBCASE("a signed alias that leads out of what is signed: the alias") {
    dns.set("mx.dest.test", RecordType::a, address, Signed::no, "end.other.test");
    dns.set("mx.dest.test", RecordType::cname, {dns::Cname{ScriptedDns::name("end.other.test")}}, Signed::yes);
    set_tlsa(other.tlsa(), Signed::yes, "end.other.test");
    set_tlsa(own.tlsa());
  }
  start();
  const auto id = send();
  REQUIRE(until([&] { return host.messages.size() == 1; }, 60s));
  CHECK(security_of(id).ends_with(" dane"));
}

TEST_CASE_FIXTURE(SecureFixture, "dane: with an authority the certificate may be for the host or for the domain (RFC 7672 §3.2.2)") {
  auto& host = peer();
  std::string name;
  bool is_good = true;
  SUBCASE("the host") { name = "mx.dest.test"; }
  SUBCASE("the domain") { name = "dest.test"; }
  SUBCASE("the domain, whose MX records are unsigned") {
    name = "dest.test";
    set_mx("dest.test", {"mx.dest.test"}, Signed::no);
    is_good = false;
  }
  SUBCASE("neither") {
    name = "other.test";
    is_good = false;
  }
  host.script.tls = certify(name, By::authority).context;
  const std::string der = crypto::certificates_from_pem(authority_pem)->front();
  set_tlsa({2, 0, 0, der});
  start();
  const auto id = send();
  loop.advance(60s);
  CHECK(host.messages.size() == (is_good ? 1 : 0));
  if (!is_good) {
    CHECK(contains(last_reply(id), "4.7.5"));
    CHECK(seen.count(TlsPolicyType::tlsa, TlsResult::certificate_host_mismatch) == 1);
  }
}

TEST_CASE("dane: the example of RFC 7672 §3.2.2, host by host and name by name") {
  struct Example {
    std::string_view host, address_owner, tlsa_owner, name;
    bool is_good;
  };
  constexpr std::array examples{
      Example{"mx10.example.com", "mx10.example.com", "mx10.example.com", "exchange.example.org", true},
      Example{"mx10.example.com", "mx10.example.com", "mx10.example.com", "example.com", true},
      Example{"mx10.example.com", "mx10.example.com", "mx10.example.com", "mx10.example.com", true},
      Example{"mx10.example.com", "mx10.example.com", "mx10.example.com", "mail.example.org", false},  // neither first nor last of its aliases
      Example{"mx10.example.com", "mx10.example.com", "mx10.example.com", "mx15.example.com", false},
      Example{"mx15.example.com", "mxbackup.example.com", "mx15.example.com", "exchange.example.org", true},
      Example{"mx15.example.com", "mxbackup.example.com", "mx15.example.com", "example.com", true},
      Example{"mx15.example.com", "mxbackup.example.com", "mx15.example.com", "mx15.example.com", true},
      Example{"mx15.example.com", "mxbackup.example.com", "mx15.example.com", "mxbackup.example.com", false},  // which has no TLSA records
      Example{"mx20.example.com", "mxbackup.example.net", "mxbackup.example.net", "exchange.example.org", true},
      Example{"mx20.example.com", "mxbackup.example.net", "mxbackup.example.net", "example.com", true},
      Example{"mx20.example.com", "mxbackup.example.net", "mxbackup.example.net", "mxbackup.example.net", true},
      Example{"mx20.example.com", "mxbackup.example.net", "mxbackup.example.net", "mx20.example.com", false},
  };
  for (const Example& example : examples) {
    CAPTURE(example.host);
    CAPTURE(example.name);
    SecureFixture f;
    auto& host = f.peer();
    f.dns.set("exchange.example.org", RecordType::mx, {dns::Mx{10, ScriptedDns::name(example.host)}}, Signed::yes, "example.com");
    f.dns.set(example.host, RecordType::a, {dns::A{*IpAddress::parse("192.0.2.1")}}, Signed::yes, example.address_owner);
    const std::string der = crypto::certificates_from_pem(f.authority_pem)->front();
    f.set_tlsa({2, 0, 1, crypto::digest(crypto::Hash::sha256, der)}, Signed::yes, example.tlsa_owner);
    host.script.tls = f.certify(std::string(example.name), SecureFixture::By::authority).context;
    f.start();
    const auto id = f.send(std::vector<std::string>{"bob@exchange.example.org"});
    f.loop.advance(60s);
    CHECK(host.messages.size() == (example.is_good ? 1 : 0));
    if (example.is_good) CHECK(f.security_of(id).ends_with(" dane"));
    else CHECK(contains(f.last_reply(id), "4.7.5"));
  }
}

TEST_CASE("dane: two hosts whose TLSA records are one, by an alias, keep their own names (RFC 7672 §2.2.3)") {
  for (const std::string name : {"mx1.example.com", "mx2.example.com", "example.com", "tlsa201._dane.example.com"}) {
    CAPTURE(name);
    SecureFixture f;
    auto& first = f.peer();
    auto& second = f.peer("192.0.2.2");
    f.set_mx("example.com", {"mx1.example.com", "mx2.example.com"}, Signed::yes);
    const std::string der = crypto::certificates_from_pem(f.authority_pem)->front();
    for (const auto& [host, address] : {std::pair("mx1.example.com", "192.0.2.1"), std::pair("mx2.example.com", "192.0.2.2")}) {
      f.dns.set(host, RecordType::a, {dns::A{*IpAddress::parse(address)}}, Signed::yes);
      const dns::Tlsa shared{2, 0, 1, crypto::digest(crypto::Hash::sha256, der)};
      f.dns.set("_25._tcp." + std::string(host), RecordType::tlsa, {shared}, Signed::yes, "tlsa201._dane.example.com");
    }
    first.script.tls = second.script.tls = f.certify(name, SecureFixture::By::authority).context;
    f.start();
    (void)f.send(std::vector<std::string>{"bob@example.com"});
    f.loop.advance(60s);
    CHECK(first.messages.size() == (name == "mx1.example.com" || name == "example.com" ? 1 : 0));
    CHECK(second.messages.size() == (name == "mx2.example.com" ? 1 : 0));
  }
}

TEST_CASE_FIXTURE(SecureFixture, "D11: MTA-STS in enforce gives mail to nobody but a trusted certificate for a host that it names") {
  set_mx("dest.test", {"mx.dest.test"}, Signed::no);
  dns.set("mx.dest.test", RecordType::a, {dns::A{*IpAddress::parse("192.0.2.1")}}, Signed::no);
  struct Case {
    const char* what;
    By by;
    std::string name, pattern;
    bool offers_tls;
    TlsResult result;
    const char* why;
  };
  const Case cases[] = {
      {"all is well", By::authority, "mx.dest.test", "mx.dest.test", true, TlsResult::success, ""},
      {"a wildcard", By::authority, "*.dest.test", "*.dest.test", true, TlsResult::success, ""},
      {"another name", By::authority, "other.test", "mx.dest.test", true, TlsResult::certificate_host_mismatch, "4.7.5"},
      {"expired", By::authority_expired, "mx.dest.test", "mx.dest.test", true, TlsResult::certificate_expired, "4.7.5"},
      {"self-signed", By::itself, "mx.dest.test", "mx.dest.test", true, TlsResult::certificate_not_trusted, "4.7.5"},
      {"STARTTLS was taken out", By::authority, "mx.dest.test", "mx.dest.test", false, TlsResult::starttls_not_supported, "4.7.4"},
      {"another host", By::authority, "mx.dest.test", "other.dest.test", true, TlsResult::validation_failure, "4.7.0"},
  };
  auto& host = peer();
  std::size_t delivered = 0;
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const bool is_good = c.result == TlsResult::success;
    host.script.tls = c.offers_tls ? certify(c.name, c.by).context : nullptr;
    // In testing the same is seen, and delivered all the same (attack D11: testing enforced by mistake).
    for (const std::string mode : {"enforce", "testing"}) {
      CAPTURE(mode);
      set_sts(mode, c.pattern);
      policies.emplace(mta_sts::Options{}, mta_sts::Services{*sts_store, dns, web, log});
      seen.seen.clear();
      start();
      const auto id = send();
      loop.advance(60s);
      const bool is_sent = is_good || mode == "testing";
      delivered += is_sent ? 1 : 0;
      CHECK(host.messages.size() == delivered);
      CHECK(seen.count(TlsPolicyType::sts, c.result) == 1);
      CHECK(seen.seen.size() == 1);
      CHECK(seen.seen.at(0).mx_patterns == std::vector<std::string>{c.pattern});
      if (is_good) CHECK(security_of(id).ends_with(mode == "enforce" ? " sts" : " webpki"));
      if (!is_sent) {
        CHECK(contains(last_reply(id), c.why));
        CHECK(loop.run(store.queue_.remove(id, context())).has_value());
      }
      stop();
    }
  }
}

TEST_CASE_FIXTURE(SecureFixture, "mta-sts: a host that the policy does not name is passed over for one that it names") {
  set_mx("dest.test", {"mx.dest.test", "mx2.dest.test"}, Signed::no);
  dns.set("mx.dest.test", RecordType::a, {dns::A{*IpAddress::parse("192.0.2.1")}}, Signed::no);
  dns.set("mx2.dest.test", RecordType::a, {dns::A{*IpAddress::parse("192.0.2.2")}}, Signed::no);
  auto& first = peer();
  auto& second = peer("192.0.2.2");
  first.script.tls = trusted().context;
  second.script.tls = certify("mx2.dest.test", By::authority).context;
  set_sts("enforce", "mx2.dest.test");
  start();
  send();
  REQUIRE(until([&] { return second.messages.size() == 1; }, 60s));
  CHECK(first.connections == 0);
}

TEST_CASE_FIXTURE(SecureFixture, "D11: while the store with the policies cannot be read, mail waits: nobody knows what one of them demands") {
  kv::Faults faults;
  const auto faulty = kv::make_faulty(*sts_store, faults);
  policies.emplace(mta_sts::Options{}, mta_sts::Services{*faulty, dns, web, log});
  auto& host = peer();
  faults.watch({kv::Call::snapshot});
  faults.fail_at(1, kv::Repeat::sticky);
  start();
  const auto id = send();
  loop.advance(60s);
  CHECK(host.connections == 0);
  CHECK(contains(last_reply(id), "policies"));
  faults.clear();
  CHECK(until([&] { return host.messages.size() == 1; }, 3h));
  stop();
  policies.reset();
}

TEST_CASE_FIXTURE(SecureFixture, "D11: DANE beats MTA-STS, both ways") {
  auto& host = peer();
  set_sts("enforce", "other.dest.test");
  SUBCASE("a host that MTA-STS does not name, with a certificate that nobody trusts, gets mail by DANE") {
    const Identity own = self_signed();
    host.script.tls = own.context;
    set_tlsa(own.tlsa());
    start();
    const auto id = send();
    REQUIRE(until([&] { return host.messages.size() == 1; }, 60s));
    CHECK(security_of(id).ends_with(" dane"));
  }
  SUBCASE("a certificate that is all that MTA-STS wants does not make up for TLSA records that do not fit (RFC 8461 §2)") {
    set_sts("enforce");
    host.script.tls = trusted().context;
    set_tlsa(self_signed().tlsa());
    start();
    const auto id = send();
    loop.advance(60s);
    CHECK(host.messages.empty());
    CHECK(contains(last_reply(id), "DANE"));
    CHECK(seen.count(TlsPolicyType::tlsa, TlsResult::tlsa_invalid) == 1);
    CHECK(seen.count(TlsPolicyType::sts, TlsResult::success) == 1);
  }
}

TEST_CASE_FIXTURE(SecureFixture, "D11: an expired policy is not enforced; one that cannot be fetched leaves the domain as it was, and is told of") {
  dns.set("mx.dest.test", RecordType::a, {dns::A{*IpAddress::parse("192.0.2.1")}}, Signed::no);
  auto& host = peer();
  host.script.tls = self_signed().context;
  set_sts("enforce");
  start();
  const auto id = send();
  loop.advance(60s);
  CHECK(host.messages.empty());
  CHECK(contains(last_reply(id), "MTA-STS"));
  web.forget("https://mta-sts.dest.test/.well-known/mta-sts.txt");
  loop.advance(22h);
  CHECK(host.messages.empty());
  CHECK(until([&] { return host.messages.size() == 1; }, 6h));  // its day is over
  CHECK(seen.count(TlsPolicyType::sts, TlsResult::sts_policy_fetch_error) > 0);
}

TEST_CASE_FIXTURE(SecureFixture, "relay: a policy that fails defers, and what never becomes safe comes back with the words of RFC 3463 §3.8") {
  auto& host = peer();
  set_tlsa(self_signed().tlsa());
  host.script.tls = self_signed().context;
  start();
  send();
  loop.advance(24h);
  CHECK(queued() == 1);
  REQUIRE(until([&] { return queued() == 0; }, 24h * 6));
  CHECK(host.messages.empty());
  const auto told = reports();
  CHECK(contains(told.back(), "Action: failed"));
  CHECK(contains(told.back(), "Status: 5.7.5"));
}

TEST_CASE_FIXTURE(SecureFixture, "relay: DANE that the configuration demands is waited for (RFC 7672 §6)") {
  auto& host = peer();
  const Identity own = self_signed();
  host.script.tls = own.context;
  options.routes.usual.tls = relay::RouteTls::dane;
  SUBCASE("there is none") {
    start();
    const auto id = send();
    loop.advance(60s);
    CHECK(host.connections == 0);
    CHECK(contains(last_reply(id), "4.7.4"));
    CHECK(seen.count(TlsPolicyType::tlsa, TlsResult::dane_required) == 1);
  }
  SUBCASE("there is some") {
    set_tlsa(own.tlsa());
    start();
    send();
    CHECK(until([&] { return host.messages.size() == 1; }, 60s));
  }
}

TEST_CASE_FIXTURE(SecureFixture, "D11: a connection to a smarthost that was opened for mail that asks for less is never used for mail that asks for more") {
  dns.set("smart.test", RecordType::a, {dns::A{*IpAddress::parse("192.0.2.50")}}, Signed::no);
  auto& smarthost = peer("192.0.2.50", 587);
  options.idle_connection_max = 10min;
  options.routes.usual = *relay::Route::parse("smart.test:587");
  relay::Route& strict = options.routes.domains.emplace("strict.test", options.routes.usual).first->second;
  SUBCASE("required, and the smarthost offers no TLS") { strict.tls = relay::RouteTls::required; }
  SUBCASE("verified, and its certificate is nobody's") {
    smarthost.script.tls = certify("smart.test", By::itself).context;
    strict.tls = relay::RouteTls::verified;
  }
  SUBCASE("dane, and it has no records") {
    smarthost.script.tls = certify("smart.test", By::authority).context;
    strict.tls = relay::RouteTls::dane;
  }
  start();
  send({"bob@dest.test"});
  REQUIRE(until([&] { return smarthost.messages.size() == 1; }, 60s));
  CHECK(smarthost.open == 1);  // and waits for more
  const auto id = send({"bob@strict.test"});
  loop.advance(30s);
  CHECK(smarthost.messages.size() == 1);
  CHECK(entry(id).value().recipients.at(0).attempts > 0);
  send({"carol@dest.test"});  // and its failure is not theirs
  CHECK(until([&] { return smarthost.messages.size() == 2; }, 60s));
  CHECK(smarthost.messages.back().connection == smarthost.messages.front().connection);
}

TEST_CASE_FIXTURE(SecureFixture, "relay: domains that log in to one smarthost as different people share no connection") {
  dns.set("smart.test", RecordType::a, {dns::A{*IpAddress::parse("192.0.2.50")}}, Signed::no);
  auto& smarthost = peer("192.0.2.50", 587);
  smarthost.script.tls = certify("smart.test", By::authority).context;
  smarthost.script.extensions.push_back("AUTH PLAIN");
  options.idle_connection_max = 10min;
  options.routes.usual = *relay::Route::parse("smart.test:587");
  relay::Route& own = options.routes.domains.emplace("own.test", options.routes.usual).first->second;
  own.login = std::make_shared<relay::RouteLogin>(relay::RouteLogin{"us", crypto::SecretString("secret")});
  start();
  send({"bob@dest.test"});
  REQUIRE(until([&] { return smarthost.messages.size() == 1; }, 60s));
  CHECK_FALSE(smarthost.logged_in);
  send({"bob@own.test"});
  REQUIRE(until([&] { return smarthost.messages.size() == 2; }, 60s));
  CHECK(smarthost.logged_in);
  CHECK(smarthost.messages[0].connection != smarthost.messages[1].connection);
}

TEST_CASE_FIXTURE(SecureFixture, "dane: of a smarthost its own name's records count, at its port") {
  dns.set("smart.test", RecordType::a, {dns::A{*IpAddress::parse("192.0.2.50")}}, Signed::yes);
  auto& smarthost = peer("192.0.2.50", 587);
  const Identity own = certify("whatever.test", By::itself);
  smarthost.script.tls = own.context;
  options.routes.usual = *relay::Route::parse("smart.test:587");
  const auto set = [&](dns::Tlsa record, Signed is_signed) { dns.set("_587._tcp.smart.test", RecordType::tlsa, {std::move(record)}, is_signed); };
  SUBCASE("they fit") {
    SUBCASE("whoever asks") {}
    SUBCASE("as the configuration demands") { options.routes.usual.tls = relay::RouteTls::dane; }
    SUBCASE("better than an authority, which does not know it") { options.routes.usual.tls = relay::RouteTls::verified; }
    set(own.tlsa(), Signed::yes);
    start();
    const auto id = send();
    REQUIRE(until([&] { return smarthost.messages.size() == 1; }, 60s));
    CHECK(smarthost.messages[0].secure);
    CHECK(security_of(id).ends_with(" dane"));
  }
  SUBCASE("they do not fit") {
    set(trusted().tlsa(), Signed::yes);
    start();
    const auto id = send();
    loop.advance(60s);
    CHECK(smarthost.messages.empty());
    CHECK(contains(last_reply(id), "no TLSA record fits"));
  }
  SUBCASE("nobody has signed them") {
    options.routes.usual.tls = relay::RouteTls::dane;
    set(own.tlsa(), Signed::no);
    start();
    const auto id = send();
    loop.advance(60s);
    CHECK(smarthost.connections == 0);
    CHECK(contains(last_reply(id), "4.7.4"));
  }
  SUBCASE("they are of another port") {
    options.routes.usual.tls = relay::RouteTls::dane;
    set_tlsa(own.tlsa(), Signed::yes, "smart.test");
    start();
    const auto id = send();
    loop.advance(60s);
    CHECK(smarthost.connections == 0);
    CHECK(contains(last_reply(id), "4.7.4"));
  }
  CHECK(seen.seen.empty());  // a smarthost is in no domain's report
}

TEST_CASE_FIXTURE(SecureFixture, "dane: a host with IPv6 addresses alone is held to its records as others are") {
  dns.forget("mx.dest.test", RecordType::a);
  dns.set("mx.dest.test", RecordType::aaaa, {dns::Aaaa{*IpAddress::parse("2001:db8::1")}}, Signed::yes);
  auto& host = peer("2001:db8::1");
  const Identity own = self_signed();
  host.script.tls = own.context;
  SUBCASE("they fit") {
    set_tlsa(own.tlsa());
    start();
    const auto id = send();
    REQUIRE(until([&] { return host.messages.size() == 1; }, 60s));
    CHECK(security_of(id).ends_with(" dane"));
    CHECK(seen.count(TlsPolicyType::tlsa, TlsResult::success) == 1);
  }
  SUBCASE("they do not fit") {
    set_tlsa(trusted().tlsa());
    start();
    const auto id = send();
    loop.advance(60s);
    CHECK(host.messages.empty());
    CHECK(contains(last_reply(id), "no TLSA record fits"));
  }
  SUBCASE("the addresses are bogus") {
    dns.set("mx.dest.test", RecordType::aaaa, AnswerStatus::bogus);
    set_tlsa(own.tlsa());
    start();
    const auto id = send();
    loop.advance(60s);
    CHECK(host.connections == 0);
    CHECK(entry(id).has_value());
  }
  SUBCASE("MTA-STS, and a certificate that nobody knows") {
    set_sts("enforce");
    start();
    const auto id = send();
    loop.advance(60s);
    CHECK(host.messages.empty());
    CHECK(contains(last_reply(id), "MTA-STS"));
  }
}

TEST_CASE_FIXTURE(SecureFixture, "relay: where nobody asks for more, a handshake that fails is followed by mail in the clear (RFC 7435)") {
  dns.set("mx.dest.test", RecordType::a, {dns::A{*IpAddress::parse("192.0.2.1")}}, Signed::no);
  auto& host = peer();
  host.script.stage = Stage::handshake;
  host.script.fault = Fault::garbage;
  start();
  const auto id = send();
  loop.advance(1s);
  host.script.stage = Stage::none;
  REQUIRE(until([&] { return host.messages.size() == 1; }, 10min));
  CHECK_FALSE(host.messages[0].secure);
  CHECK(security_of(id) == "cleartext");
  CHECK(seen.count(TlsPolicyType::no_policy_found, TlsResult::validation_failure) == 1);
}

TEST_CASE_FIXTURE(SecureFixture, "requiretls: a message goes by DANE or MTA-STS to a host that offers it, with the parameter (RFC 8689 §4.2.1)") {
  auto& host = peer();
  host.script.extensions.push_back("REQUIRETLS");
  SUBCASE("DANE") {
    const Identity own = self_signed();
    host.script.tls = own.context;
    set_tlsa(own.tlsa());
  }
  SUBCASE("signed MX records, and an authority") { host.script.tls = trusted().context; }
  SUBCASE("MTA-STS") {
    set_mx("dest.test", {"mx.dest.test"}, Signed::no);
    set_sts("enforce");
    host.script.tls = trusted().context;
  }
  start();
  send_requiring_tls();
  REQUIRE(until([&] { return host.messages.size() == 1; }, 60s));
  CHECK(host.messages[0].secure);
  CHECK(contains(host.messages[0].parameters, "REQUIRETLS"));
}

TEST_CASE_FIXTURE(SecureFixture, "requiretls: what cannot go safely comes back at once, without the body (RFC 8689 §4.2.1, §5)") {
  auto& host = peer();
  host.script.tls = trusted().context;
  std::string status = "5.7.10";
  SUBCASE("the host does not offer it") { status = "5.7.30"; }
  SUBCASE("no STARTTLS") { host.script.tls = nullptr; }
  SUBCASE("a certificate that nobody trusts") { host.script.tls = self_signed().context; }
  SUBCASE("nobody vouches for the MX records") { set_mx("dest.test", {"mx.dest.test"}, Signed::no); }
  SUBCASE("TLS is never used here") { options.routes.usual.tls = relay::RouteTls::none; }
  start();
  Mail mail;
  mail.envelope.require_tls = true;
  mail.envelope.dsn_return = queue::DsnReturn::full;
  mail.text = "Subject: hello\r\n\r\nThe secret.\r\n";
  send(std::move(mail));
  REQUIRE(until([&] { return queued() == 0; }, 60s));
  CHECK(host.messages.empty());
  const auto told = reports();
  REQUIRE(told.size() == 1);
  CHECK(contains(told[0], "Status: " + status));
  CHECK(contains(told[0], "Subject: hello"));
  CHECK_FALSE(contains(told[0], "The secret."));
}

TEST_CASE_FIXTURE(SecureFixture, "requiretls: another host that can take it is found, and a host that is only away is waited for") {
  set_mx("dest.test", {"mx.dest.test", "mx2.dest.test"}, Signed::yes);
  dns.set("mx2.dest.test", RecordType::a, {dns::A{*IpAddress::parse("192.0.2.2")}}, Signed::yes);
  auto& first = peer();
  first.script.tls = trusted().context;  // offers no REQUIRETLS
  SUBCASE("found") {
    auto& second = peer("192.0.2.2");
    second.script.tls = certify("mx2.dest.test", By::authority).context;
    second.script.extensions.push_back("REQUIRETLS");
    start();
    send_requiring_tls();
    REQUIRE(until([&] { return second.messages.size() == 1; }, 60s));
    CHECK(first.messages.empty());
  }
  SUBCASE("away") {
    start();
    const auto id = send_requiring_tls();
    loop.advance(60s);
    CHECK(entry(id).has_value());
  }
}

TEST_CASE_FIXTURE(SecureFixture, "requiretls: its connections are not shared with mail that may go anywhere, nor its failures") {
  auto& host = peer();
  host.script.tls = trusted().context;
  host.script.extensions.push_back("REQUIRETLS");
  start();
  send();
  send_requiring_tls();
  send();
  send_requiring_tls();
  REQUIRE(until([&] { return host.messages.size() == 4; }, 60s));
  CHECK(host.connections == 2);
  std::set<std::size_t> demanding, usual;
  for (const auto& message : host.messages) (contains(message.parameters, "REQUIRETLS") ? demanding : usual).insert(message.connection);
  CHECK(demanding.size() == 1);
  CHECK(usual.size() == 1);
  CHECK(demanding != usual);
}

TEST_CASE_FIXTURE(SecureFixture, "requiretls: a report goes on without it where it is not offered (RFC 8689 §5)") {
  auto& host = peer();
  host.script.tls = trusted().context;
  bool is_offered = false;
  SUBCASE("not offered") {}
  SUBCASE("offered") {
    host.script.extensions.push_back("REQUIRETLS");
    is_offered = true;
  }
  start();
  Mail mail;
  mail.from = "";
  mail.envelope.require_tls = true;
  send(std::move(mail));
  REQUIRE(until([&] { return host.messages.size() == 1; }, 60s));
  CHECK(contains(host.messages[0].parameters, "REQUIRETLS") == is_offered);
}

TEST_CASE_FIXTURE(SecureFixture, "tls-required: No reaches a domain whose policies are broken, encrypted if that can be (RFC 8689 §4.2.2)") {
  auto& host = peer();
  set_tlsa(self_signed().tlsa());
  set_sts("enforce", "other.dest.test");
  bool is_secure = false;
  SUBCASE("a certificate that fits nothing") {
    host.script.tls = self_signed().context;
    is_secure = true;
  }
  SUBCASE("no STARTTLS at all") {}
  start();
  Mail mail;
  mail.envelope.tls_optional = true;
  send(std::move(mail));
  const auto waiting = send();
  REQUIRE(until([&] { return host.messages.size() == 1; }, 60s));
  CHECK(host.messages[0].secure == is_secure);
  loop.advance(60s);
  CHECK(host.messages.size() == 1);  // the other one waits
  CHECK(entry(waiting).has_value());
}
