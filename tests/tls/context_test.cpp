// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/tls/context.hpp"

#include <doctest/doctest.h>

#include <string>

#include "pair.hpp"

using namespace keystonemail;
using namespace keystonemail::tls;
using namespace keystonemail::tls::test;

namespace {

std::string name_served(const ServerPointer& server, const ClientPointer& client, const std::string& name) {
  Pair pair(server, client, {.server_name = name, .verification = Verification::opportunistic});
  pair.pump();
  REQUIRE(pair.is_open());
  return crypto::read_certificate_der(pair.client.peer_chain().front())->common_name;
}

Fault client_fault(const ServerOptions& server, const ClientOptions& client, ClientRequest request, WallTime time = now) {
  Pair pair(server, client, std::move(request), time);
  pair.pump();
  return pair.client.fault();
}

}  // namespace

TEST_CASE("tls: the certificate is chosen by server name, wildcards for one label included") {
  auto options = server_options();
  options.certificates = {mail_certificate(), authority().certify({"imap.example.test"}), authority().certify({"*.wild.test"})};
  const auto server = ServerContext::create(options).value();
  const auto client = ClientContext::create(client_options()).value();
  CHECK(name_served(server, client, "mail.example.test") == "mail.example.test");
  CHECK(name_served(server, client, "imap.example.test") == "imap.example.test");
  CHECK(name_served(server, client, "IMAP.Example.TEST") == "imap.example.test");
  CHECK(name_served(server, client, "a.wild.test") == "*.wild.test");
  CHECK(name_served(server, client, "a.b.wild.test") == "mail.example.test");
  CHECK(name_served(server, client, "wild.test") == "mail.example.test");
  CHECK(name_served(server, client, "unknown.test") == "mail.example.test");
  CHECK(name_served(server, client, "192.0.2.1") == "mail.example.test");
  CHECK(server->certificates().size() == 3);
}

TEST_CASE("tls: of an ECDSA and an RSA certificate for a name, clients that can get ECDSA") {
  auto options = server_options();
  options.certificates = {authority().certify({"mail.example.test"}, now + 24h, crypto::KeyType::rsa), mail_certificate()};
  Pair pair(options);
  pair.pump();
  REQUIRE(pair.is_open());
  CHECK(pair.client.peer_chain().front() == crypto::certificates_from_pem(mail_certificate().chain_pem)->front());
}

TEST_CASE("tls: a reload serves the new certificate and leaves open channels alone") {
  const auto client = ClientContext::create(client_options()).value();
  const auto before = ServerContext::create(server_options()).value();
  Pair old_pair(before, client);
  old_pair.pump();
  auto options = server_options();
  options.certificates = {authority().certify({"mail.example.test", "new.example.test"})};
  const auto after = ServerContext::create(options, before).value();
  Pair new_pair(after, client);
  new_pair.pump();
  REQUIRE(new_pair.is_open());
  CHECK(new_pair.client.peer_chain() != old_pair.client.peer_chain());
  CHECK(old_pair.client.send("still here") == 10);
  old_pair.pump();
  CHECK(old_pair.at_server == "still here");
}

TEST_CASE("tls: sessions are resumed, in both versions, and survive a reload that keeps the certificate") {
  for (const auto version : {Version::tls1_2, Version::tls1_3}) {
    const auto client = ClientContext::create(client_options(version)).value();
    const auto server = ServerContext::create(server_options(version)).value();
    Pair first(server, client);
    first.pump();
    CHECK(first.server.send("220\r\n") == 5);
    first.pump();
    const auto session = first.client.take_session();
    REQUIRE(session.has_value());
    CHECK_FALSE(first.client.take_session().has_value());
    for (const auto& context : {server, ServerContext::create(server_options(version), server).value()}) {
      Pair second(context, client, {.server_name = "mail.example.test", .session = session});
      second.pump();
      REQUIRE(second.is_open());
      CHECK(second.client.info().resumed);
      CHECK(second.server.info().resumed);
      CHECK(second.client.trust() == Trust::trusted);
      CHECK(second.client.end_point_binding() == second.server.end_point_binding());
      CHECK(second.client.exporter_binding() == second.server.exporter_binding());
      CHECK(second.client.exporter_binding() != first.client.exporter_binding());
    }
  }
}

TEST_CASE("tls: T13: a ticket of one listener, certificate or set of keys is no good at another") {
  const auto client = ClientContext::create(client_options()).value();
  const auto server = ServerContext::create(server_options()).value();
  Pair first(server, client);
  first.pump();
  CHECK(first.server.send("220\r\n") == 5);
  first.pump();
  const auto session = first.client.take_session();
  REQUIRE(session.has_value());
  auto other_listener = server_options();
  other_listener.session_context = "imap";
  auto other_certificate = server_options();
  other_certificate.certificates = {authority().certify({"mail.example.test"})};
  for (const auto& context : {ServerContext::create(other_listener, server).value(), ServerContext::create(other_certificate, server).value(),
                              ServerContext::create(server_options()).value()}) {
    Pair second(context, client, {.server_name = "mail.example.test", .session = session});
    second.pump();
    REQUIRE(second.is_open());
    CHECK_FALSE(second.server.info().resumed);
  }
  // And a client offers it only where it was made: same name, same checks.
  for (const auto& request : {ClientRequest{.server_name = "mail.example.test", .verification = Verification::none, .session = session},
                              ClientRequest{.server_name = "other.test", .verification = Verification::opportunistic, .session = session}}) {
    Pair second(server, client, request);
    second.pump();
    CHECK_FALSE(second.server.info().resumed);
  }
}

TEST_CASE("tls: ticket keys change with time: the one before is good, the one before that is not") {
  const auto client = ClientContext::create(client_options()).value();
  const auto server = ServerContext::create(server_options()).value();
  const auto session_at = [&](WallTime time) {
    Pair pair(server, client, {.server_name = "mail.example.test"}, time);
    pair.pump();
    CHECK(pair.server.send("x") == 1);
    pair.pump();
    return pair.client.take_session();
  };
  const auto resumes_at = [&](const std::optional<ClientSession>& session, WallTime time) {
    Pair pair(server, client, {.server_name = "mail.example.test", .session = session}, time);
    pair.pump();
    REQUIRE(pair.is_open());
    return pair.server.info().resumed;
  };
  const auto session = session_at(now);
  REQUIRE(session.has_value());
  CHECK(resumes_at(session, now + 11h));
  CHECK(resumes_at(session, now + 13h));
  CHECK_FALSE(resumes_at(session, now + 26h));
}

TEST_CASE("tls: ALPN agrees on the server's first choice and refuses what it does not speak") {
  auto server = server_options();
  server.application_protocols = {"imap", "h2"};
  auto client = client_options();
  client.application_protocols = {"h2", "imap"};
  Pair pair(server, client);
  pair.pump();
  REQUIRE(pair.is_open());
  CHECK(pair.client.info().application_protocol == "imap");
  CHECK(pair.server.info().application_protocol == "imap");

  client.application_protocols = {"smtp"};
  Pair mismatch(server, client);
  mismatch.pump();
  CHECK(mismatch.server.fault() == Fault::application_protocol);
  CHECK(mismatch.client.fault() == Fault::peer_alert);
  CHECK(mismatch.client.alert() == 120);  // no_application_protocol

  Pair silent(server, client_options());
  silent.pump();
  CHECK(silent.is_open());
  CHECK(silent.server.info().application_protocol.empty());
  client.application_protocols = {""};
  CHECK_FALSE(ClientContext::create(client).has_value());
}

TEST_CASE("tls: T13: expired, early, wrong and self-signed certificates are refused by a client that requires") {
  const ClientRequest request{.server_name = "mail.example.test"};
  CHECK(client_fault(server_options(), client_options(), request) == Fault::none);
  CHECK(client_fault(server_options(), client_options(), request, now + 24h * 91) == Fault::certificate);
  CHECK(client_fault(server_options(), client_options(), request, now - 24h * 2) == Fault::certificate);
  CHECK(client_fault(server_options(), client_options(), {.server_name = "other.test"}) == Fault::certificate);
  CHECK(client_fault(server_options(), client_options(), {.server_name = ""}) == Fault::certificate);
  CHECK(client_fault(server_options(), client_options(), {.server_name = "192.0.2.1"}) == Fault::certificate);
  auto self_signed = server_options();
  const auto issued = crypto::make_self_signed({.names = {"mail.example.test"}, .not_before = now, .not_after = now + 24h}).value();
  self_signed.certificates = {{issued.certificate_pem, std::string(issued.private_key_pem.view())}};
  CHECK(client_fault(self_signed, client_options(), request) == Fault::certificate);
  // Unless it is itself what the client trusts.
  auto pinned = client_options();
  pinned.trust_pem = issued.certificate_pem;
  CHECK(client_fault(self_signed, pinned, request) == Fault::none);
}

TEST_CASE("tls: an opportunistic client goes on and says what it found") {
  const auto trust = [](const ServerOptions& server, const std::string& name, WallTime time = now) {
    Pair pair(server, client_options(), {.server_name = name, .verification = Verification::opportunistic}, time);
    pair.pump();
    REQUIRE(pair.is_open());
    return pair.client.trust();
  };
  CHECK(trust(server_options(), "mail.example.test") == Trust::trusted);
  CHECK(trust(server_options(), "other.test") == Trust::wrong_name);
  CHECK(trust(server_options(), "mail.example.test", now + 24h * 91) == Trust::expired);
  auto self_signed = server_options();
  const auto issued = crypto::make_self_signed({.names = {"mail.example.test"}, .not_before = now, .not_after = now + 24h}).value();
  self_signed.certificates = {{issued.certificate_pem, std::string(issued.private_key_pem.view())}};
  CHECK(trust(self_signed, "mail.example.test") == Trust::untrusted);
  Pair blind(self_signed, client_options(), {.server_name = "x.test", .verification = Verification::none});
  blind.pump();
  REQUIRE(blind.is_open());
  CHECK(blind.client.trust() == Trust::unchecked);
  CHECK(blind.client.peer_chain().size() == 1);
}

TEST_CASE("tls: the name is matched against alternative names, addresses included, never partial wildcards") {
  auto server = server_options();
  server.certificates = {authority().certify({"192.0.2.7", "*.wild.test"})};
  CHECK(client_fault(server, client_options(), {.server_name = "192.0.2.7"}) == Fault::none);
  CHECK(client_fault(server, client_options(), {.server_name = "192.0.2.8"}) == Fault::certificate);
  CHECK(client_fault(server, client_options(), {.server_name = "a.wild.test"}) == Fault::none);
  CHECK(client_fault(server, client_options(), {.server_name = "a.b.wild.test"}) == Fault::certificate);
  CHECK(client_fault(server, client_options(), {.server_name = "wild.test"}) == Fault::certificate);
}

TEST_CASE("tls: client certificates are asked for, checked, and never a reason to hang up") {
  for (const auto version : {Version::tls1_2, Version::tls1_3}) {
    auto server = server_options(version);
    server.client_certificates = ClientCertificates::request;
    server.client_trust_pem = authority().pem();
    auto client = client_options(version);
    Pair without(server, client);
    without.pump();
    REQUIRE(without.is_open());
    CHECK(without.server.trust() == Trust::no_certificate);
    CHECK(without.server.peer_chain().empty());

    client.certificate = {authority().certify({"alice"}, now + 24h, crypto::KeyType::ecdsa_p256, {"alice@example.test"})};
    Pair with(server, client);
    with.pump();
    REQUIRE(with.is_open());
    CHECK(with.server.trust() == Trust::trusted);
    REQUIRE(with.server.peer_chain().size() == 1);
    CHECK(crypto::read_certificate_der(with.server.peer_chain().front())->email_addresses == std::vector<std::string>{"alice@example.test"});

    const auto own = crypto::make_self_signed({.names = {"mallory"}, .not_before = now, .not_after = now + 24h}).value();
    client.certificate = {{own.certificate_pem, std::string(own.private_key_pem.view())}};
    const auto client_context = ClientContext::create(client).value();
    const auto server_context = ServerContext::create(server).value();
    Pair stranger(server_context, client_context);
    stranger.pump();
    REQUIRE(stranger.is_open());
    CHECK(stranger.server.trust() == Trust::untrusted);
    // And a resumed session does not become trusted.
    CHECK(stranger.server.send("x") == 1);
    stranger.pump();
    Pair again(server_context, client_context, {.server_name = "mail.example.test", .session = stranger.client.take_session()});
    again.pump();
    REQUIRE(again.is_open());
    CHECK(again.server.info().resumed);
    CHECK(again.server.trust() == Trust::untrusted);
  }
}

TEST_CASE("tls: configuration that cannot work is refused with a reason") {
  auto options = server_options();
  options.certificates.clear();
  CHECK(ServerContext::create(options).error().kind() == ErrorKind::invalid);
  options.certificates = {{mail_certificate().chain_pem, authority().certify({"x"}).private_key_pem}};
  CHECK(ServerContext::create(options).error().kind() == ErrorKind::invalid);
  options.certificates = {{"nonsense", mail_certificate().private_key_pem}};
  CHECK(ServerContext::create(options).error().kind() == ErrorKind::invalid);
  options = server_options();
  options.application_protocols = {std::string(256, 'x')};
  CHECK(ServerContext::create(options).error().kind() == ErrorKind::invalid);
  auto client = client_options();
  client.trust_path = "/nonexistent";
  CHECK(ClientContext::create(client).error().kind() == ErrorKind::not_found);
}

TEST_CASE("tls: the system's authorities can be loaded") {
  const auto path = system_trust_path();
  if (path.empty()) return;
  auto client = client_options();
  client.trust_path = path;
  CHECK(ClientContext::create(client).has_value());
}
