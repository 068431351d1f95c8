// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// STARTTLS and implicit TLS, from the client's first octet to a login.
#include "keystonemail/crypto/certificate.hpp"
#include "keystonemail/transport/tls_stream.hpp"
#include "service/imap/fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::service::imap;
using namespace keystonemail::service::imap::testing;
using transport::TlsStream;

namespace {

struct Secure : ImapFixture {
  Secure() {
    crypto::CertificateRequest request;
    request.names = {"mail.example.test"};
    request.not_before = executor.wall_now() - std::chrono::hours(24);
    request.not_after = executor.wall_now() + std::chrono::hours(24);
    const auto issued = crypto::make_self_signed(request).value();
    tls::ServerOptions options;
    options.certificates.push_back({issued.certificate_pem, std::string(issued.private_key_pem.view())});
    tls = [server = tls::ServerContext::create(options).value()] { return server; };
  }
  void encrypt(Client& client) {
    tls::ClientRequest request{"mail.example.test", tls::Verification::none, {}};
    auto secured = executor.run(
        TlsStream::connect(std::move(client.stream), client_context, request, transport::TlsStart::implicit, context));
    REQUIRE(secured);
    client.stream = *std::move(secured);
  }
  std::shared_ptr<const tls::ClientContext> client_context = tls::ClientContext::create({}).value();
};

}  // namespace

TEST_CASE_FIXTURE(Secure, "imap starttls: LOGIN is disabled before and works after, and binding is offered") {
  start({.tls = TlsUse::starttls});
  auto& client = connect();
  const std::string greeting = client.heard();
  CHECK(has(greeting, "STARTTLS"));
  CHECK(has(greeting, "LOGINDISABLED"));
  CHECK(has(client.say("1 STARTTLS\r\n"), "1 OK"));
  encrypt(client);
  const std::string capability = client.say("2 CAPABILITY\r\n");
  CHECK_FALSE(has(capability, "STARTTLS"));
  CHECK_FALSE(has(capability, "LOGINDISABLED"));
  CHECK_MESSAGE(has(capability, "AUTH=PLAIN"), capability);
  CHECK_MESSAGE(has(capability, "AUTH=SCRAM-SHA-256-PLUS"), capability);
  client.log_in().select();
  CHECK(has(log.text, "tls=true"));
}

TEST_CASE_FIXTURE(Secure, "A3: what is sent in the clear behind STARTTLS is never carried out") {
  start({.tls = TlsUse::starttls});
  auto& client = connect();
  (void)client.heard();
  const std::string answer = client.say("1 STARTTLS\r\n2 LOGIN alice@example.test \"secret of alice\"\r\n3 NOOP\r\n");
  CHECK_FALSE(has(answer, "2 "));
  CHECK_FALSE(has(answer, "3 "));
  CHECK_FALSE(has(log.text, "imap.login"));
}

TEST_CASE_FIXTURE(Secure, "imap: with implicit TLS the greeting comes encrypted and offers a login") {
  start({.tls = TlsUse::implicit});
  auto& client = connect();
  encrypt(client);
  const std::string greeting = client.heard();
  CHECK(greeting.starts_with("* OK"));
  CHECK_FALSE(has(greeting, "LOGINDISABLED"));
  client.log_in().select();
}
