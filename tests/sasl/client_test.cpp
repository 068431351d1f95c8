// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/sasl/client.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

using namespace keystonemail;
using namespace keystonemail::sasl;
using crypto::SecretString;
using namespace std::string_literals;

namespace {

Credentials alice(std::string_view password = "a good password") { return {.login = "alice@example.test", .password = SecretString(password)}; }

// Lets the two sides talk; the answers are those of a directory in which Alice's password is "a good password".
bool logs_in(Mechanism mechanism, Credentials credentials, const ChannelBindings& bindings = {}) {
  SystemRandom random;
  const bool plus = needs_channel_binding(mechanism);
  auto client = make_client(mechanism, std::move(credentials), {.bindings = bindings, .server_offers_plus = plus}, random);
  auto server = make_server(mechanism, {.bindings = bindings, .offers_plus = plus, .external_identity = "alice-certificate", .invented_salt_secret = "0123456789abcdef"}, random);
  const auto initial = client->initial_response();
  auto event = server->start(initial ? std::optional<std::string_view>(*initial) : std::nullopt);
  for (;;) {
    if (auto* challenge = std::get_if<Challenge>(&event)) {
      auto reply = client->receive(challenge->text);
      if (!std::holds_alternative<Response>(reply)) return false;
      event = server->receive(std::get<Response>(reply).text);
    } else if (auto* password = std::get_if<NeedVerifyPassword>(&event)) {
      const bool right = password->login == "alice@example.test" && password->password.view() == "a good password";
      event = server->decide(right ? Verdict::accept : Verdict::refuse);
    } else if (auto* keys = std::get_if<NeedScramKeys>(&event)) {
      ScramAnswer answer;
      if (keys->login == "alice@example.test") answer.credentials.push_back(crypto::derive_scram_keys(keys->hash, "a good password", "salt of 16 octet", 4'096).value());
      event = server->decide(std::move(answer));
    } else if (std::holds_alternative<NeedExternalLogin>(event)) {
      event = server->decide(ExternalLogin{"alice@example.test"});
    } else if (auto* done = std::get_if<Authenticated>(&event)) {
      if (done->final_text && !std::holds_alternative<Response>(client->receive(*done->final_text))) return false;
      return client->complete() && done->login == "alice@example.test";
    } else {
      return false;
    }
  }
}

}  // namespace

TEST_CASE("sasl: every mechanism logs Alice in and nobody else") {
  const ChannelBindings bindings{.exporter = "binding", .end_point = {}};
  for (const auto mechanism : {Mechanism::plain, Mechanism::login, Mechanism::scram_sha_256, Mechanism::scram_sha_256_plus,
                               Mechanism::scram_sha_1, Mechanism::scram_sha_1_plus}) {
    CAPTURE(to_string(mechanism));
    const auto channel = needs_channel_binding(mechanism) ? bindings : ChannelBindings{};
    CHECK(logs_in(mechanism, alice(), channel));
    CHECK_FALSE(logs_in(mechanism, alice("a bad password"), channel));
    CHECK_FALSE(logs_in(mechanism, {.login = "bob@example.test", .password = SecretString("a good password")}, channel));
  }
  CHECK(logs_in(Mechanism::external, alice()));
}

TEST_CASE("sasl client: PLAIN is one message, RFC 4616 §2") {
  SeededRandom random(1);
  auto client = make_client(Mechanism::plain, {.login = "Kurt", .password = SecretString("xipj3plmq"), .authorization_id = "Ursel"}, {}, random);
  CHECK(client->initial_response() == "Ursel\0Kurt\0xipj3plmq"s);
  CHECK(std::holds_alternative<ClientFailed>(client->receive("")));
  client = make_client(Mechanism::plain, alice("p"), {}, random);
  CHECK(std::get<Response>(client->receive("")).text == "\0alice@example.test\0p"s);
  client = make_client(Mechanism::plain, alice("p"), {}, random);
  CHECK(std::holds_alternative<ClientFailed>(client->receive("what?")));
}

TEST_CASE("sasl client: LOGIN answers two prompts and no third") {
  SeededRandom random(1);
  auto client = make_client(Mechanism::login, alice("p"), {}, random);
  CHECK_FALSE(client->initial_response().has_value());
  CHECK(std::get<Response>(client->receive("User Name")).text == "alice@example.test");
  CHECK_FALSE(client->complete());
  CHECK(std::get<Response>(client->receive("")).text == "p");
  CHECK(client->complete());
  CHECK(std::holds_alternative<ClientFailed>(client->receive("again")));
  CHECK_FALSE(client->complete());
}

TEST_CASE("sasl client: the strongest mechanism is chosen, and no password goes over an open line") {
  const std::array all{Mechanism::login, Mechanism::plain, Mechanism::scram_sha_1, Mechanism::scram_sha_256, Mechanism::scram_sha_256_plus};
  const std::array plain{Mechanism::login, Mechanism::plain};
  const std::array sha_1{Mechanism::scram_sha_1};
  const ChannelBindings bindings{.exporter = "binding", .end_point = {}};
  CHECK(choose_mechanism(all, bindings, true) == Mechanism::scram_sha_256_plus);
  CHECK(choose_mechanism(all, {}, false) == Mechanism::scram_sha_256);
  CHECK(choose_mechanism(plain, bindings, true) == Mechanism::plain);
  CHECK_FALSE(choose_mechanism(plain, bindings, false).has_value());
  CHECK_FALSE(choose_mechanism(sha_1, bindings, true).has_value());
  CHECK_FALSE(choose_mechanism({}, bindings, true).has_value());
}

TEST_CASE("sasl client: nonces differ from one exchange to the next") {
  SystemRandom random;
  auto a = make_client(Mechanism::scram_sha_256, alice(), {}, random);
  auto b = make_client(Mechanism::scram_sha_256, alice(), {}, random);
  CHECK(a->initial_response() != b->initial_response());
}
