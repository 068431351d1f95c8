// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/sasl/server.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace keystonemail;
using namespace keystonemail::sasl;
using namespace std::string_literals;

namespace {

std::unique_ptr<ServerExchange> begin(Mechanism mechanism, ServerOptions options = {}) {
  static SeededRandom random(1);
  return make_server(mechanism, std::move(options), random);
}

Failure failure_of(const Event& event) {
  REQUIRE(std::holds_alternative<Failed>(event));
  return std::get<Failed>(event).reason;
}

Event say_plain(std::string_view message) { return begin(Mechanism::plain)->start(message); }

}  // namespace

TEST_CASE("sasl: mechanism names are read in any case and nothing else is") {
  for (const auto mechanism : {Mechanism::plain, Mechanism::login, Mechanism::scram_sha_256, Mechanism::scram_sha_256_plus,
                               Mechanism::scram_sha_1, Mechanism::scram_sha_1_plus, Mechanism::external}) {
    CHECK(parse_mechanism(to_string(mechanism)) == mechanism);
  }
  CHECK(parse_mechanism("scram-sha-256-plus") == Mechanism::scram_sha_256_plus);
  for (const char* name : {"", "PLAI", "PLAINX", "CRAM-MD5", "SCRAM-SHA-512", "NTLM"}) CHECK_FALSE(parse_mechanism(name).has_value());
}

TEST_CASE("sasl plain: login, password and authorization identity come out as sent, RFC 4616 §4") {
  auto exchange = begin(Mechanism::plain);
  auto event = exchange->start("Ursel\0Kurt\0xipj3plmq"s);
  const auto& asked = std::get<NeedVerifyPassword>(event);
  CHECK(asked.login == "Kurt");
  CHECK(asked.password.view() == "xipj3plmq");
  CHECK(asked.authorization_id == "Ursel");
  const auto done = std::get<Authenticated>(exchange->decide(Verdict::accept));
  CHECK(done.login == "Kurt");
  CHECK(done.authorization_id == "Ursel");
  CHECK_FALSE(done.final_text.has_value());
}

TEST_CASE("sasl plain: without an initial response an empty challenge asks for one") {
  auto exchange = begin(Mechanism::plain);
  CHECK(std::get<Challenge>(exchange->start(std::nullopt)).text.empty());
  CHECK(std::holds_alternative<NeedVerifyPassword>(exchange->receive("\0tim\0tanstaaftanstaaf"s)));
  CHECK(failure_of(exchange->decide(Verdict::refuse)) == Failure::wrong_credentials);
}

TEST_CASE("sasl plain: a directory that cannot answer is a temporary failure, not a wrong password") {
  auto exchange = begin(Mechanism::plain);
  CHECK(std::holds_alternative<NeedVerifyPassword>(exchange->start("\0tim\0x"s)));
  CHECK(failure_of(exchange->decide(Unavailable{})) == Failure::temporary);
}

TEST_CASE("sasl plain: B5: malformed messages fail this exchange and nothing else") {
  for (const auto& message : {""s, "\0"s, "\0\0"s, "\0\0\0"s, "a"s, "\0a"s, "\0a\0"s, "\0\0p"s, "\0a\0p\0"s, "\0a\0p\0q"s, "\0a\x01\0p"s, "\0\xff\0p"s,
                              "\0a\0\xff"s, "\xff\0a\0p"s, "\0a\r\n\0p"s}) {
    CAPTURE(message);
    CHECK(failure_of(say_plain(message)) == Failure::malformed);
  }
}

TEST_CASE("sasl plain: the limits are where they are said to be") {
  const auto message = [](std::size_t login, std::size_t password) { return "\0"s + std::string(login, 'l') + "\0"s + std::string(password, 'p'); };
  CHECK(std::holds_alternative<NeedVerifyPassword>(say_plain(message(255, 1'024))));
  CHECK(failure_of(say_plain(message(256, 10))) == Failure::too_large);
  CHECK(failure_of(say_plain(message(10, 1'025))) == Failure::too_large);
  CHECK(failure_of(say_plain(std::string(9 * 1'024 + 1, 'x'))) == Failure::too_large);
}

TEST_CASE("sasl login: two prompts, or the login first") {
  auto exchange = begin(Mechanism::login);
  CHECK(std::get<Challenge>(exchange->start(std::nullopt)).text == "Username:");
  CHECK(std::get<Challenge>(exchange->receive("tim")).text == "Password:");
  auto event = exchange->receive("secret word");
  CHECK(std::get<NeedVerifyPassword>(event).login == "tim");
  CHECK(std::get<NeedVerifyPassword>(event).password.view() == "secret word");
  CHECK(std::get<Authenticated>(exchange->decide(Verdict::accept)).login == "tim");

  exchange = begin(Mechanism::login);
  CHECK(std::get<Challenge>(exchange->start("tim")).text == "Password:");
}

TEST_CASE("sasl login: B5: empty and malformed answers fail") {
  for (const auto& login : {""s, "a\0b"s, "\xff"s, "a\n"s}) {
    auto exchange = begin(Mechanism::login);
    (void)exchange->start(std::nullopt);
    CHECK(failure_of(exchange->receive(login)) == Failure::malformed);
  }
  for (const auto& password : {""s, "a\0b"s, "\xff"s}) {
    auto exchange = begin(Mechanism::login);
    (void)exchange->start("tim");
    CHECK(failure_of(exchange->receive(password)) == Failure::malformed);
  }
  auto exchange = begin(Mechanism::login);
  (void)exchange->start("tim");
  CHECK(failure_of(exchange->receive(std::string(1'025, 'p'))) == Failure::too_large);
}

TEST_CASE("sasl external: the certificate's identity is asked for, with what the client wants to be") {
  auto exchange = begin(Mechanism::external, {.external_identity = "alice@example.test"});
  auto event = exchange->start("");
  CHECK(std::get<NeedExternalLogin>(event).identity == "alice@example.test");
  CHECK(std::get<NeedExternalLogin>(event).authorization_id.empty());
  CHECK(std::get<Authenticated>(exchange->decide(ExternalLogin{"alice"})).login == "alice");

  exchange = begin(Mechanism::external, {.external_identity = "alice@example.test"});
  CHECK(std::get<Challenge>(exchange->start(std::nullopt)).text.empty());
  event = exchange->receive("shared");
  CHECK(std::get<NeedExternalLogin>(event).authorization_id == "shared");
  CHECK(failure_of(exchange->decide(Verdict::refuse)) == Failure::wrong_credentials);
}

TEST_CASE("sasl external: B5: a certificate without an identity authenticates nobody") {
  CHECK(failure_of(begin(Mechanism::external)->start("")) == Failure::wrong_credentials);
  CHECK(failure_of(begin(Mechanism::external)->start("root")) == Failure::wrong_credentials);
  CHECK(failure_of(begin(Mechanism::external, {.external_identity = "a"})->start("x\0y"s)) == Failure::malformed);
}

TEST_CASE("sasl: B5: an exchange may be dropped at any point") {
  for (const auto mechanism : {Mechanism::plain, Mechanism::login, Mechanism::scram_sha_256, Mechanism::external}) {
    (void)begin(mechanism);
    (void)begin(mechanism)->start(std::nullopt);
    auto exchange = begin(mechanism, {.external_identity = "x"});
    (void)exchange->start(mechanism == Mechanism::scram_sha_256 ? "n,,n=u,r=nonce"s : "\0u\0p"s);
  }
}
