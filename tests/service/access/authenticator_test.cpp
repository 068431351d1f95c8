// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/access/authenticator.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "keystonemail/sasl/client.hpp"
#include "support/fake_directory.hpp"
#include "support/sim_executor.hpp"

using namespace keystonemail;
using namespace keystonemail::access;

namespace {

class NoScram final : public directory::Directory {
 public:
  explicit NoScram(directory::Directory& inner) : inner_(inner) {}
  bool has_scram() const noexcept override { return false; }
  Task<Result<bool>> is_local_domain(std::string_view domain, Context context) override { return inner_.is_local_domain(domain, std::move(context)); }
  Task<Result<directory::Resolution>> resolve(std::string_view address, Context context) override { return inner_.resolve(address, std::move(context)); }
  Task<Result<directory::Authenticated>> authenticate(directory::PasswordAttempt attempt, Context context) override {
    return inner_.authenticate(std::move(attempt), std::move(context));
  }
  Task<Result<std::vector<ScramCredential>>> scram_credentials(std::string_view, crypto::Hash, std::string_view, Context) override {
    co_return std::vector<ScramCredential>();
  }
  Task<Result<directory::Account>> find_account(std::string_view login, Context context) override { return inner_.find_account(login, std::move(context)); }
  Task<Result<bool>> may_send_as(directory::AccountId account, std::string_view address, Context context) override {
    return inner_.may_send_as(account, address, std::move(context));
  }

 private:
  directory::Directory& inner_;
};

struct Fixture {
  Fixture() {
    directory.add(1, "alice@example.test", "secret of alice");
    services.keep_bans = [this](std::vector<LoginGate::Ban> bans, Context) { return keep(std::move(bans)); };
  }
  Task<void> keep(std::vector<LoginGate::Ban> bans) {
    for (auto& ban : bans) kept.push_back(ban.network.to_string());
    co_return;
  }
  LoginStep password(std::string login, std::string typed) {
    Authenticator authenticator(services, facts);
    return executor.run(authenticator.password(std::move(login), crypto::SecretString::adopt(typed), {&executor}));
  }
  LoginStep external(std::string authorization) {
    Authenticator authenticator(services, facts);
    return executor.run(authenticator.start(sasl::Mechanism::external, std::move(authorization), {&executor}));
  }

  test::SimExecutor executor;
  test::FakeDirectory directory;
  SeededRandom random{1};
  LoginGate gate{{}};
  LoginServices services{directory, gate, random, "0123456789abcdef"};
  ConnectionFacts facts{.peer = *IpAddress::parse("192.0.2.1"), .service = "imap", .confidential = true};
  std::vector<std::string> kept;
};

bool offers(const std::vector<sasl::Mechanism>& offered, sasl::Mechanism mechanism) { return std::ranges::find(offered, mechanism) != offered.end(); }

}  // namespace

TEST_CASE("authenticator: the failure that makes a ban writes it down once, before it is answered") {
  Fixture f;
  for (int i = 0; i < 11; ++i) CHECK(std::holds_alternative<LoginRefused>(f.password("alice@example.test", "wrong")));
  CHECK(f.kept == std::vector<std::string>{"192.0.2.1/32"});
  CHECK(std::holds_alternative<LoginRefused>(f.password("alice@example.test", "secret of alice")));
  CHECK(f.kept.size() == 1);
}

TEST_CASE("authenticator: a good password needs no keeper of bans, and neither does a bad one") {
  Fixture f;
  f.services.keep_bans = nullptr;
  CHECK(std::holds_alternative<LoginAccepted>(f.password("alice@example.test", "secret of alice")));
  for (int i = 0; i < 11; ++i) CHECK(std::holds_alternative<LoginRefused>(f.password("alice@example.test", "wrong")));
}

TEST_CASE("authenticator: mechanisms are offered by what the connection and the directory have") {
  Fixture f;
  using enum sasl::Mechanism;
  CHECK(offered_mechanisms(f.services, f.facts) == std::vector{scram_sha_256, plain, login});
  f.facts.bindings.exporter = "binding";
  CHECK(offered_mechanisms(f.services, f.facts).front() == scram_sha_256_plus);
  f.facts.external_identity = "alice@example.test";
  CHECK(offered_mechanisms(f.services, f.facts).front() == external);
  NoScram plain_only(f.directory);
  const LoginServices without{plain_only, f.gate, f.random, "0123456789abcdef"};
  CHECK(offered_mechanisms(without, f.facts) == std::vector{external, plain, login});
  f.facts = {.peer = f.facts.peer, .service = "imap"};
  CHECK_FALSE(offers(offered_mechanisms(f.services, f.facts), plain));
}

TEST_CASE("authenticator: while an account is guessed at, its owner goes on where he was, and with what nobody guesses anywhere") {
  Fixture f;
  const IpAddress home = f.facts.peer, train = *IpAddress::parse("198.51.100.7");
  f.directory.people["alice@example.test"].app_password = "k7m2-9fqx";
  const auto from = [&](const IpAddress& peer, const std::string& typed) {
    f.facts.peer = peer;
    return std::holds_alternative<LoginAccepted>(f.password("alice@example.test", typed));
  };
  CHECK(from(home, "secret of alice"));
  for (int i = 0; i < 100; ++i) CHECK(!from(IpAddress::v4({203, static_cast<std::uint8_t>(i), 113, 1}), "wrong"));
  CHECK(from(home, "secret of alice"));
  for (int i = 0; i < 60; ++i) CHECK(!from(train, "secret of alice"));  // her phone, which bans nobody who shares its address
  CHECK(f.kept.empty());
  CHECK(from(train, "k7m2-9fqx"));
  CHECK(from(train, "secret of alice"));  // it is known now
  f.facts.peer = *IpAddress::parse("198.51.100.99");
  f.facts.external_identity = "alice@example.test";
  CHECK(std::holds_alternative<LoginAccepted>(f.external("")));
}

TEST_CASE("authenticator: failures are counted for the account, however its login is typed, and where it logs in from is written down") {
  Fixture f;
  f.services.primary_domain = "example.test";
  std::vector<std::string> known;
  f.services.keep_known = [&known](LoginGate::Known now, Context) -> Task<void> {
    known.push_back(now.login + " " + now.networks.front().to_string());
    co_return;
  };
  CHECK(std::holds_alternative<LoginAccepted>(f.password("Alice@example.test", "secret of alice")));
  CHECK(std::holds_alternative<LoginAccepted>(f.password("alice@example.test", "secret of alice")));
  CHECK(known == std::vector<std::string>{"alice@example.test 192.0.2.1"});
  for (int i = 0; i < 100; ++i) {
    f.facts.peer = IpAddress::v4({203, static_cast<std::uint8_t>(i), 113, 1});
    CHECK(std::holds_alternative<LoginRefused>(f.password(i % 2 == 0 ? "ALICE" : "alice@Example.TEST", "wrong")));
  }
  f.facts.peer = *IpAddress::parse("198.51.100.7");
  CHECK(std::holds_alternative<LoginRefused>(f.password("alice@example.test", "secret of alice")));
  LoginGate next({});
  next.restore(std::vector<LoginGate::Known>{{"alice@example.test", {*IpAddress::parse("192.0.2.1")}}});
  for (int i = 0; i < 100; ++i) (void)next.failed(IpAddress::v4({203, static_cast<std::uint8_t>(i), 113, 1}), "alice@example.test", f.executor.wall_now());
  CHECK(next.before(f.facts.peer, "alice@example.test", f.executor.wall_now()).guessable_refused);
  CHECK(!next.before(*IpAddress::parse("192.0.2.1"), "alice@example.test", f.executor.wall_now()).guessable_refused);
}

TEST_CASE("authenticator: the gate's word holds for SCRAM too, by the key that was proved") {
  Fixture f;
  const auto keys = [&](std::string_view typed) {
    return *crypto::derive_scram_keys(crypto::Hash::sha256, typed, "0123456789abcdef", 4096);
  };
  f.directory.people["alice@example.test"].scram = {{std::string(directory::human_password), keys("secret of alice")}, {"laptop", keys("k7m2-9fqx")}};
  for (int i = 0; i < 100; ++i) f.gate.failed(IpAddress::v4({203, static_cast<std::uint8_t>(i), 113, 1}), "alice@example.test", f.executor.wall_now());
  const auto proves = [&](std::string_view typed) {
    Authenticator authenticator(f.services, f.facts);
    sasl::Credentials credentials{.login = "alice@example.test", .password = crypto::SecretString(typed)};
    const auto client = sasl::make_client(sasl::Mechanism::scram_sha_256, std::move(credentials), {}, f.random);
    auto step = f.executor.run(authenticator.start(sasl::Mechanism::scram_sha_256, client->initial_response(), {&f.executor}));
    while (const auto* challenge = std::get_if<LoginChallenge>(&step)) {
      const auto answer = client->receive(challenge->text);
      const auto* text = std::get_if<sasl::Response>(&answer);
      step = f.executor.run(authenticator.respond(text ? text->text : std::string(), {&f.executor}));
    }
    return std::holds_alternative<LoginAccepted>(step);
  };
  CHECK(!proves("secret of alice"));
  CHECK(proves("k7m2-9fqx"));
  CHECK(proves("secret of alice"));  // from where it logged in before
  CHECK(!proves("wrong"));
}

TEST_CASE("authenticator: a certificate logs its owner in, as nobody else, and only while there is such an account") {
  Fixture f;
  f.facts.external_identity = "alice@example.test";
  const auto accepted = f.external("");
  REQUIRE(std::holds_alternative<LoginAccepted>(accepted));
  CHECK(std::get<LoginAccepted>(accepted).credential == "external");
  CHECK(std::holds_alternative<LoginAccepted>(f.external("Alice@example.test")));
  f.directory.add(2, "bob@example.test", "secret of bob");
  CHECK(std::holds_alternative<LoginRefused>(f.external("bob@example.test")));
  f.facts.external_identity = "nobody@example.test";
  CHECK(std::holds_alternative<LoginRefused>(f.external("")));
  f.directory.failure = Error(ErrorKind::unavailable);
  const auto later = f.external("");
  REQUIRE(std::holds_alternative<LoginRefused>(later));
  CHECK(std::get<LoginRefused>(later).temporary);
}
