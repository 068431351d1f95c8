// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Method: the vectors of the RFCs with their nonces, then conversations in which one message is changed.
#include "sasl/scram.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <string>

#include "crypto/base64.hpp"

using namespace keystonemail;
using namespace keystonemail::sasl;
using crypto::Hash;
using crypto::SecretString;
using namespace std::string_literals;

namespace {

const ChannelBindings bound{.exporter = "exporter-octets-of-this-channel", .end_point = "digest-of-the-certificate"};

crypto::ScramKeys pencil(Hash hash = Hash::sha256, std::string_view password = "pencil") {
  return crypto::derive_scram_keys(hash, password, "0123456789abcdef", 4'096).value();
}

ServerOptions server_options(const ChannelBindings& bindings = {}, bool plus = false) {
  return {.bindings = bindings, .offers_plus = plus, .external_identity = {}, .invented_salt_secret = "0123456789abcdef0123456789abcdef", .primary_domain = "example.test"};
}

// A server that has asked for keys and been given those of "pencil", as one who speaks for the client sees it.
struct Dialogue {
  std::unique_ptr<ServerExchange> server;
  std::string challenge;

  explicit Dialogue(const std::string& first, bool plus = false, const ServerOptions& options = server_options(), ScramAnswer answer = {{pencil()}})
      : server(scram::make_server(Hash::sha256, plus, options, "serverpart")) {
    auto event = server->start(first);
    REQUIRE(std::holds_alternative<NeedScramKeys>(event));
    challenge = std::get<Challenge>(server->decide(std::move(answer))).text;
  }
};

// A client-final-message with a right proof for whatever it says.
std::string final_message(const std::string& bare, const std::string& server_first, const std::string& without_proof, std::string_view password = "pencil") {
  const auto salted = crypto::pbkdf2(Hash::sha256, password, "0123456789abcdef", 4'096, 32);
  const auto key = crypto::hmac(Hash::sha256, salted, "Client Key");
  const auto signature = crypto::hmac(Hash::sha256, crypto::digest(Hash::sha256, key), bare + "," + server_first + "," + without_proof);
  return without_proof + ",p=" + crypto::to_base64(scram::exclusive_or(key, signature));
}

Failed failed(Event event) {
  REQUIRE(std::holds_alternative<Failed>(event));
  return std::get<Failed>(std::move(event));
}

Failed first_fails(const std::string& first, bool plus = false, const ServerOptions& options = server_options()) {
  return failed(scram::make_server(Hash::sha256, plus, options, "serverpart")->start(first));
}

}  // namespace

TEST_CASE("sasl scram: both sides say what RFC 5802 §5 and RFC 7677 §3 say they say") {
  struct Vector {
    Hash hash;
    std::string client_nonce, server_nonce, salt, proof, signature;
  };
  for (const auto& v : {Vector{Hash::sha1, "fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j", "QSXCR+Q6sek8bf92", "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ="},
                        Vector{Hash::sha256, "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "W22ZaJ0SNY7soEsUEjb6gQ==",
                               "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="}}) {
    auto client = scram::make_client(v.hash, false, {.login = "user", .password = SecretString("pencil")}, {}, v.client_nonce);
    auto server = scram::make_server(v.hash, false, server_options(), v.server_nonce);
    const auto first = client->initial_response().value();
    CHECK(first == "n,,n=user,r=" + v.client_nonce);
    const auto asked = std::get<NeedScramKeys>(server->start(first));
    CHECK(asked.login == "user");
    CHECK(asked.hash == v.hash);
    const auto keys = crypto::derive_scram_keys(v.hash, "pencil", crypto::from_base64(v.salt).value(), 4'096).value();
    const auto challenge = std::get<Challenge>(server->decide(ScramAnswer{{keys}})).text;
    CHECK(challenge == "r=" + v.client_nonce + v.server_nonce + ",s=" + v.salt + ",i=4096");
    const auto response = std::get<Response>(client->receive(challenge)).text;
    CHECK(response == "c=biws,r=" + v.client_nonce + v.server_nonce + ",p=" + v.proof);
    CHECK_FALSE(client->complete());
    const auto done = std::get<Authenticated>(server->receive(response));
    CHECK(done.final_text == "v=" + v.signature);
    CHECK(std::get<Response>(client->receive(*done.final_text)).text.empty());
    CHECK(client->complete());
  }
}

TEST_CASE("sasl scram: names with commas, equal signs and UTF-8 come through, and the authorization identity") {
  auto client = scram::make_client(Hash::sha256, false, {.login = "a=b,\xc3\xbc", .password = SecretString("pencil"), .authorization_id = "x,y"}, {}, "cn");
  const auto first = client->initial_response().value();
  CHECK(first == "n,a=x=2Cy,n=a=3Db=2C\xc3\xbc,r=cn");
  auto server = scram::make_server(Hash::sha256, false, server_options(), "sn");
  CHECK(std::get<NeedScramKeys>(server->start(first)).login == "a=b,\xc3\xbc");
  const auto challenge = std::get<Challenge>(server->decide(ScramAnswer{{pencil()}})).text;
  const auto done = std::get<Authenticated>(server->receive(std::get<Response>(client->receive(challenge)).text));
  CHECK(done.login == "a=b,\xc3\xbc");
  CHECK(done.authorization_id == "x,y");
}

TEST_CASE("sasl scram: PLUS is bound to the channel, by either binding") {
  for (const bool exporter : {true, false}) {
    ChannelBindings at_client = bound;
    if (!exporter) at_client.exporter.reset();
    auto client = scram::make_client(Hash::sha256, true, {.login = "u", .password = SecretString("pencil")}, {.bindings = at_client, .server_offers_plus = true}, "cn");
    Dialogue dialogue(client->initial_response().value(), true, server_options(bound, true));
    const auto response = std::get<Response>(client->receive(dialogue.challenge)).text;
    CHECK(std::holds_alternative<Authenticated>(dialogue.server->receive(response)));
  }
}

TEST_CASE("sasl scram: PLUS with the binding of another channel is refused: somebody is in between") {
  ChannelBindings other = bound;
  other.exporter = "exporter-octets-of-some-channel";
  auto client = scram::make_client(Hash::sha256, true, {.login = "u", .password = SecretString("pencil")}, {.bindings = other, .server_offers_plus = true}, "cn");
  Dialogue dialogue(client->initial_response().value(), true, server_options(bound, true));
  const auto result = failed(dialogue.server->receive(std::get<Response>(client->receive(dialogue.challenge)).text));
  CHECK(result.reason == Failure::channel_binding);
  CHECK(result.final_text == "e=channel-bindings-dont-match");
}

TEST_CASE("sasl scram: PLUS: a binding we do not have or know is refused by its name") {
  ServerOptions only_exporter = server_options({.exporter = "x", .end_point = {}}, true);
  for (const char* first : {"p=tls-server-end-point,,n=u,r=cn", "p=tls-unique,,n=u,r=cn"}) {
    CHECK(first_fails(first, true, only_exporter).final_text == "e=unsupported-channel-binding-type");
  }
  CHECK(first_fails("n,,n=u,r=cn", true, only_exporter).reason == Failure::channel_binding);
  CHECK(first_fails("y,,n=u,r=cn", true, only_exporter).reason == Failure::channel_binding);
  CHECK(first_fails("p=tls-exporter,,n=u,r=cn").reason == Failure::malformed);  // not a -PLUS mechanism
}

TEST_CASE("sasl scram: a client told that there is no PLUS where there is one is refused: a downgrade") {
  auto client = scram::make_client(Hash::sha256, false, {.login = "u", .password = SecretString("pencil")}, {.bindings = bound, .server_offers_plus = false}, "cn");
  const auto first = client->initial_response().value();
  CHECK(first.starts_with("y,,"));
  const auto result = first_fails(first, false, server_options(bound, true));
  CHECK(result.reason == Failure::channel_binding);
  CHECK(result.final_text == "e=server-does-support-channel-binding");
  Dialogue honest(first, false, server_options(bound, false));  // we really do not offer it
  CHECK(std::holds_alternative<Authenticated>(honest.server->receive(std::get<Response>(client->receive(honest.challenge)).text)));
}

TEST_CASE("sasl scram: the header cannot be changed on the way") {
  // The client said "y"; what arrives says "n", so that the server does not notice the downgrade.
  auto client = scram::make_client(Hash::sha256, false, {.login = "u", .password = SecretString("pencil")}, {.bindings = bound}, "cn");
  auto first = client->initial_response().value();
  first[0] = 'n';
  Dialogue dialogue(first, false, server_options(bound, true));
  CHECK(failed(dialogue.server->receive(std::get<Response>(client->receive(dialogue.challenge)).text)).reason == Failure::channel_binding);
}

TEST_CASE("sasl scram: a wrong password, nonce or proof fails") {
  const std::string bare = "n=u,r=cn";
  const auto attempt = [&](const std::function<std::string(const std::string& challenge)>& answer) {
    Dialogue dialogue("n,," + bare);
    return dialogue.server->receive(answer(dialogue.challenge));
  };
  CHECK(std::holds_alternative<Authenticated>(attempt([&](auto& c) { return final_message(bare, c, "c=biws,r=cnserverpart"); })));
  CHECK(std::holds_alternative<Authenticated>(attempt([&](auto& c) { return final_message(bare, c, "c=biws,r=cnserverpart,x=ignored"); })));
  CHECK(failed(attempt([&](auto& c) { return final_message(bare, c, "c=biws,r=cnserverpart", "wrong"); })).reason == Failure::wrong_credentials);
  CHECK(failed(attempt([&](auto& c) { return final_message(bare, c, "c=biws,r=cnserverparX"); })).reason == Failure::malformed);
  CHECK(failed(attempt([&](auto& c) { return final_message(bare, c, "c=biws,r=cn"); })).reason == Failure::malformed);
  CHECK(failed(attempt([&](auto& c) { return final_message(bare, c, "c=eSws,r=cnserverpart"); })).reason == Failure::channel_binding);
  CHECK(failed(attempt([&](auto& c) { return final_message(bare, c, "c=biws,r=cnserverpart,m=must"); })).final_text == "e=extensions-not-supported");
  CHECK(failed(attempt([&](auto&) { return "c=biws,r=cnserverpart,p="s + crypto::to_base64(std::string(32, '\0')); })).reason == Failure::wrong_credentials);
  CHECK(failed(attempt([&](auto&) { return "c=biws,r=cnserverpart,p=AAAA"s; })).reason == Failure::wrong_credentials);
}

TEST_CASE("sasl scram: malformed first messages are refused") {
  for (const auto& first :
       {""s, "n"s, "n,"s, "n,,"s, "n,,n=u"s, "n,,n=u,"s, "n,,n=u,r="s, "n,,n=,r=cn"s, "n,,r=cn,n=u"s, "x,,n=u,r=cn"s, "n,b=u,n=u,r=cn"s, "n,a=,n=u,r=cn"s,
        "n,,n=u=,r=cn"s, "n,,n=u=2c,r=cn"s, "n,,n=u=41,r=cn"s, "n,,n=u\0v,r=cn"s, "n,,n=\xff,r=cn"s, "n,,n=u,r=c n"s, "n,,n=u,r=c\x7f"s, "n,,n=u,r=c\xc3\xbc"s,
        "n,,n=u,r=cn,"s, "n,,n=u,r=cn,x"s, "n,,n=u,r=cn,x="s, "n,,n=u,r=cn,1=x"s, "n,,n=u,r=cn,x=y,"s, "p=,,n=u,r=cn"s, "p=a b,,n=u,r=cn"s, ","s, ",,"s, "N,,n=u,r=cn"s}) {
    CAPTURE(first);
    CHECK(first_fails(first).reason == Failure::malformed);
  }
  CHECK(first_fails("n,,m=x,n=u,r=cn").final_text == "e=extensions-not-supported");
  CHECK(first_fails("n,,n=" + std::string(256, 'u') + ",r=cn").reason == Failure::malformed);
  CHECK(first_fails("n,,n=u,r=" + std::string(257, 'r')).reason == Failure::malformed);
  Dialogue at_the_limit("n,,n=" + std::string(255, 'u') + ",r=" + std::string(256, 'r') + ",x=y");
}

TEST_CASE("sasl scram: malformed final messages are refused") {
  for (const auto& message : {""s, "c=biws"s, "c=biws,r=cnserverpart"s, "c=biws,r=cnserverpart,p="s, "c=biws,r=cnserverpart,p=***"s, "c=biws,r=cnserverpart,p=AAA"s,
                              ",p=AAAA"s, "r=cnserverpart,c=biws,p=AAAA"s, "c=,r=cnserverpart,p=AAAA"s, "c=biws,r=,p=AAAA"s, "c=biws,r=cnserverpart,,p=AAAA"s,
                              "c=biws,r=cnserverpart,x,p=AAAA"s, "c=biws,r=cnserverpart,p=AAAA,x=y"s}) {
    CAPTURE(message);
    Dialogue dialogue("n,,n=u,r=cn");
    CHECK(failed(dialogue.server->receive(message)).reason == Failure::malformed);
  }
}

TEST_CASE("sasl scram: an unknown login cannot be told from a wrong password") {
  const auto challenge_for = [](const std::string& login) { return Dialogue("n,,n=" + login + ",r=cn", false, server_options(), {}).challenge; };
  const auto known = Dialogue("n,,n=known,r=cn").challenge;
  const auto unknown = challenge_for("nobody");
  CHECK(unknown == challenge_for("nobody"));                 // the same salt each time
  CHECK(unknown == challenge_for("Nobody@example.test"));    // however the login is spelt
  CHECK(unknown != challenge_for("somebody"));
  CHECK(unknown.size() == known.size());
  CHECK(unknown.ends_with(",i=4096"));
  Dialogue dialogue("n,,n=nobody,r=cn", false, server_options(), {});
  const auto result = failed(dialogue.server->receive(final_message("n=nobody,r=cn", dialogue.challenge, "c=biws,r=cnserverpart")));
  Dialogue wrong("n,,n=known,r=cn");
  const auto expected = failed(wrong.server->receive(final_message("n=known,r=cn", wrong.challenge, "c=biws,r=cnserverpart", "wrong")));
  CHECK(result.reason == expected.reason);
  CHECK(result.final_text == expected.final_text);
  auto other = server_options();
  other.invented_salt_secret = "another secret of an installation";
  CHECK(Dialogue("n,,n=nobody,r=cn", false, other, {}).challenge != unknown);
}

TEST_CASE("sasl scram: an account with several credentials is logged in by any of them, and which is told") {
  auto other_salt = crypto::derive_scram_keys(Hash::sha256, "third", "another salt....", 4'096).value();
  crypto::ScramKeys broken{.salt = "0123456789abcdef", .iterations = 4'096, .stored_key = "short", .server_key = ""};
  for (const auto& [password, index] : {std::pair{"first"s, 1u}, std::pair{"second"s, 3u}}) {
    auto client = scram::make_client(Hash::sha256, false, {.login = "u", .password = SecretString(password)}, {}, "cn");
    Dialogue dialogue(client->initial_response().value(), false, server_options(),
                      {{broken, pencil(Hash::sha256, "first"), other_salt, pencil(Hash::sha256, "second")}});
    const auto done = std::get<Authenticated>(dialogue.server->receive(std::get<Response>(client->receive(dialogue.challenge)).text));
    CHECK(done.credential == index);
    (void)client->receive(*done.final_text);
    CHECK(client->complete());
  }
}

TEST_CASE("sasl scram: a directory that cannot answer is a temporary failure") {
  auto server = scram::make_server(Hash::sha256, false, server_options(), "sn");
  (void)server->start("n,,n=u,r=cn");
  CHECK(failed(server->decide(Unavailable{})).reason == Failure::temporary);
}

TEST_CASE("sasl scram client: servers that cheat or stammer are not believed") {
  const auto reason = [](const std::string& challenge) {
    auto client = scram::make_client(Hash::sha256, false, {.login = "u", .password = SecretString("pencil")}, {}, "cn");
    (void)client->initial_response();
    auto event = client->receive(challenge);
    REQUIRE(std::holds_alternative<ClientFailed>(event));
    CHECK_FALSE(client->complete());
    // And there is no way back.
    CHECK(std::holds_alternative<ClientFailed>(client->receive("r=cnx,s=AAAA,i=4096")));
    return std::get<ClientFailed>(event).reason;
  };
  CHECK(reason("r=cn,s=AAAA,i=4096") == ClientFailure::wrong_nonce);
  CHECK(reason("r=xn1,s=AAAA,i=4096") == ClientFailure::wrong_nonce);
  CHECK(reason("r=cnx,s=AAAA,i=4095") == ClientFailure::too_few_iterations);
  CHECK(reason("r=cnx,s=AAAA,i=4000000000") == ClientFailure::too_many_iterations);
  CHECK(reason("e=unknown-user") == ClientFailure::server_error);
  for (const auto& message : {""s, "r=cnx"s, "r=cnx,s=,i=4096"s, "r=cnx,s=*,i=4096"s, "r=cnx,s=AAAA,i="s, "r=cnx,s=AAAA,i=-1"s, "r=cnx,s=AAAA,i=4096x"s, "r=cnx,s=AAAA,i=99999999999"s,
                              "m=x,r=cnx,s=AAAA,i=4096"s, "s=AAAA,r=cnx,i=4096"s, std::string(20'000, 'r')}) {
    CAPTURE(message);
    CHECK(reason(message) == ClientFailure::malformed);
  }
}

TEST_CASE("sasl scram client: a server that does not know the password is found out") {
  auto client = scram::make_client(Hash::sha256, false, {.login = "u", .password = SecretString("pencil")}, {}, "cn");
  (void)client->initial_response();
  CHECK(std::holds_alternative<Response>(client->receive("r=cnx,s=AAAA,i=4096")));
  for (const auto& [message, reason] : {std::pair{"v=" + crypto::to_base64(std::string(32, 'v')), ClientFailure::server_signature}}) {
    CHECK(std::get<ClientFailed>(client->receive(message)).reason == reason);
  }
  CHECK_FALSE(client->complete());
}
