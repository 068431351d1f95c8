// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// REQUIRETLS and TLS-Required (RFC 8689): who may ask, and that what was asked goes along into the queue.
#include "keystonemail/crypto/certificate.hpp"
#include "keystonemail/transport/tls_stream.hpp"
#include "service/reception/fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::test;

namespace {

struct SecureReception : ReceptionFixture {
  SecureReception() : ReceptionFixture(smtp::Protocol::submission) {
    crypto::CertificateRequest request;
    request.names = {"mail.example.test"};
    request.not_before = executor.wall_now() - std::chrono::hours(24);
    request.not_after = executor.wall_now() + std::chrono::hours(24);
    const auto issued = crypto::make_self_signed(request).value();
    tls::ServerOptions options;
    options.certificates.push_back({issued.certificate_pem, std::string(issued.private_key_pem.view())});
    finish();
    reception.emplace(reception::Options{.engine = {.protocol = smtp::Protocol::submission, .hostname = "mail.example.test"},
                                         .tls = reception::TlsUse::starttls, .offer_auth = true, .primary_domain = "example.test"},
                      reception::Services{directory, delivery, logins, limits, random, log,
                                          [context = tls::ServerContext::create(options).value()] { return context; }, [this] { return chain; }});
    connect();
    (void)heard();
  }
  void encrypt() {
    (void)say("EHLO laptop\r\n");
    REQUIRE(say("STARTTLS\r\n").starts_with("220"));
    tls::ClientRequest request{"mail.example.test", tls::Verification::none, {}};
    auto secured = executor.run(transport::TlsStream::connect(std::move(client), tls::ClientContext::create({}).value(), request,
                                                              transport::TlsStart::upgrade, {&executor}));
    REQUIRE(secured);
    client = *std::move(secured);
  }
  void log_in() {
    (void)say("EHLO laptop\r\n");
    REQUIRE(say("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQgb2YgYWxpY2U=\r\n").starts_with("235"));
  }
  // What of a message goes into the queue.
  queue::Envelope submit(const std::string& parameters, const std::string& header) {
    REQUIRE(say("MAIL FROM:<alice@example.test>" + parameters + "\r\n").starts_with("250"));
    REQUIRE(say("RCPT TO:<far@elsewhere.test>\r\n").starts_with("250"));
    REQUIRE(say("DATA\r\n").starts_with("354"));
    REQUIRE(say(header + "Subject: x\r\n\r\nx\r\n.\r\n").starts_with("250"));
    return delivery.delivered.back().remote.value().envelope;
  }
};

}  // namespace

TEST_CASE_FIXTURE(SecureReception, "requiretls: it is offered under TLS alone, and goes along into the queue (RFC 8689 §4.1)") {
  CHECK(say("EHLO laptop\r\n").find("REQUIRETLS") == std::string::npos);
  encrypt();
  CHECK(say("EHLO laptop\r\n").find("REQUIRETLS") != std::string::npos);
  log_in();
  const auto asked = submit(" REQUIRETLS", "");
  CHECK(asked.require_tls);
  CHECK_FALSE(asked.tls_optional);
  const auto plain = submit("", "");
  CHECK_FALSE(plain.require_tls);
  CHECK_FALSE(plain.tls_optional);
}

TEST_CASE_FIXTURE(SecureReception, "requiretls: TLS-Required: No is heard once, and not beside REQUIRETLS (RFC 8689 §3, §4.1)") {
  encrypt();
  log_in();
  CHECK(submit("", "TLS-Required: No\r\n").tls_optional);
  CHECK(submit("", "tls-required:\r\n no\r\n").tls_optional);
  CHECK_FALSE(submit("", "TLS-Required: Yes\r\n").tls_optional);
  CHECK_FALSE(submit("", "TLS-Required: No\r\nTLS-Required: No\r\n").tls_optional);
  const auto both = submit(" REQUIRETLS", "TLS-Required: No\r\n");
  CHECK(both.require_tls);
  CHECK_FALSE(both.tls_optional);
}

TEST_CASE_FIXTURE(SecureReception, "received: the field says how the session was encrypted (RFC 8314 §4.3)") {
  encrypt();
  log_in();
  (void)submit("", "");
  CHECK(delivery.delivered.back().remote->prefix.find("tls TLS_") != std::string::npos);
  CHECK(delivery.delivered.back().remote->origin.find("tls TLS_") != std::string::npos);
}
