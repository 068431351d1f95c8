// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/policies/sender_rules.hpp"

#include "fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace keystonemail::policies;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view senders_zone = R"(
mxed.test.    MX 10 mx.mxed.test.
v4.test.      A 192.0.2.1
v6.test.      AAAA 2001:db8::1
nothing.test. TXT "no mail here"
null.test.    MX 0 .
xn--bcher-kva.test. MX 10 mx.mxed.test.
)";

struct Senders : Scene {
  explicit Senders(SenderOptions options = {}) : Scene(senders_zone) {
    OwnDomain own = [](std::string_view domain, Context) -> Task<Result<bool>> { co_return domain == "example.test"; };
    policies.push_back(std::make_shared<SenderRules>(resolver, std::move(own), std::move(options)));
  }
  std::string said(const std::string& sender) { return words(Peer(*this).mail(sender)); }
};

}  // namespace

TEST_CASE("sender: a domain with a mail exchanger or an address will do") {
  Senders senders;
  for (const char* sender : {"x@mxed.test", "x@v4.test", "x@v6.test", "", "x@[192.0.2.1]", "x@b\xc3\xbc" "cher.test"}) CHECK(senders.said(sender) == "proceed");
}

TEST_CASE("sender: a domain that is not there, has nothing, or takes no mail (RFC 7505) is refused for good") {
  Senders senders;
  CHECK(senders.said("x@gone.example") == "550 5.1.8 The domain of your sender address, gone.example, does not exist");
  CHECK(senders.said("x@nothing.test") == "550 5.1.8 The domain of your sender address, nothing.test, has neither mail exchanger nor address");
  CHECK(senders.said("x@null.test") == "550 5.7.27 The domain of your sender address, null.test, takes no mail");
}

TEST_CASE("T10: a sender domain that cannot be looked up defers, whatever ails the DNS, and never rejects") {
  using enum dns::AnswerStatus;
  for (const auto status : {server_failure, refused, timeout, bogus, malformed}) {
    for (const auto type : {dns::RecordType::mx, dns::RecordType::aaaa}) {
      CAPTURE(dns::to_string(status));
      Senders senders;
      senders.faulty.answer(*dns::Name::parse("nothing.test"), status, type);
      CHECK(senders.said("x@nothing.test").starts_with("451 4.1.8"));
    }
    Senders senders;  // one that is found is enough
    senders.faulty.answer(*dns::Name::parse("v4.test"), status, dns::RecordType::aaaa);
    CHECK(senders.said("x@v4.test") == "proceed");
  }
  Senders senders;
  senders.faulty.hang(*dns::Name::parse("v4.test"));
  const Instant before = senders.executor.now();
  CHECK(senders.said("x@v4.test").starts_with("451 4.1.8"));
  CHECK(senders.executor.now() - before <= 10s);
}

TEST_CASE("sender: our own domain from outside is refused where that is wanted") {
  CHECK(Senders({.require_domain = false}).said("boss@example.test") == "proceed");
  CHECK(Senders({.require_domain = false, .refuse_own_domain = true}).said("boss@example.test").starts_with("550 5.7.1"));
  Senders senders({.refuse_own_domain = true});
  Peer user(senders);
  user.login("boss@example.test");
  CHECK(words(user.mail("boss@example.test")) == "proceed");
}
