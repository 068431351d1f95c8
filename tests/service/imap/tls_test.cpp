// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// STARTTLS and implicit TLS, from the client's first octet to a login; large literals through each layer.
#include "keystonemail/base/random.hpp"
#include "keystonemail/codec/base64.hpp"
#include "keystonemail/crypto/certificate.hpp"
#include "keystonemail/transport/deflate_stream.hpp"
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

namespace {

// No two of its lines are the same, so that what is out of place is seen; text, then an attachment that is stored decoded.
std::string message_of_lines() {
  std::string text = "Subject: lines\r\nContent-Type: multipart/mixed; boundary=b0\r\n\r\n--b0\r\n\r\n", octets;
  for (int i = 0; i < 30'000; ++i) text += std::to_string(i * 7919) + " line\r\n";
  SeededRandom random(5);
  while (octets.size() < 500'000) octets += static_cast<char>(random.next_u64());
  text += "--b0\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n";
  return text + codec::encode_base64(octets, {.line_octets = 76, .trailing_line_ends = 1}) + "--b0--\r\n";
}

void check_large_literals(ImapFixture::Client& client) {
  const std::string whole = message_of_lines();
  const auto literal = [](const std::string& text) { return " {" + std::to_string(text.size()) + "}\r\n" + text; };
  REQUIRE(has(client.append(whole), "a OK"));
  const std::string body = whole.substr(whole.find("\r\n\r\n") + 4);
  // Several in one answer, small ones in front of and behind large ones, and commands that follow at once.
  const std::string answer = client.say("1 FETCH 1 (UID BODY.PEEK[]<5.10> BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[]<70001.500000>)\r\n"
                                        "2 FETCH 1 (BODY.PEEK[]<600001.333333>)\r\n3 NOOP\r\n");
  const std::string expected =
      "* 1 FETCH (UID 1 BODY[]<5>" + literal(whole.substr(5, 10)) + " BODY[]" + literal(whole) + " BODY[HEADER]" +
      literal(whole.substr(0, whole.size() - body.size())) + " BODY[TEXT]" + literal(body) + " BODY[]<70001>" +
      literal(whole.substr(70'001, 500'000)) + ")\r\n1 OK";
  CHECK(answer.substr(answer.find("* 1 FETCH"), expected.size()) == expected);
  CHECK(has(answer, "* 1 FETCH (BODY[]<600001>" + literal(whole.substr(600'001, 333'333)) + ")\r\n2 OK"));
  CHECK(has(answer, "\r\n3 OK"));
}

}  // namespace

TEST_CASE_FIXTURE(Secure, "imap: large literals come whole and in place in the clear, compressed and encrypted") {
  SUBCASE("in the clear") {
    start({.allow_plaintext_auth = true});
    check_large_literals(open());
  }
  SUBCASE("through a pipe of few octets") {
    pipe_octets = 1'000;
    start({.allow_plaintext_auth = true});
    check_large_literals(open());
  }
  SUBCASE("compressed") {
    start({.allow_plaintext_auth = true});
    auto& client = open();
    REQUIRE(has(client.say("c COMPRESS DEFLATE\r\n"), "c OK"));
    client.stream = std::make_unique<transport::DeflateStream>(std::move(client.stream));
    check_large_literals(client);
  }
  SUBCASE("encrypted") {
    start({.tls = TlsUse::implicit});
    auto& client = connect();
    encrypt(client);
    (void)client.heard();
    client.log_in().select();
    check_large_literals(client);
  }
}

TEST_CASE("imap: a connection cut anywhere in a large literal ends the session, and nothing but it") {
  const std::string whole = message_of_lines();
  for (std::size_t cut = 700; cut < 2 * whole.size(); cut += 97'001) {
    CAPTURE(cut);
    ImapFixture fixture;
    REQUIRE(has(fixture.open().append(whole), "a OK"));
    auto& client = fixture.connect({.cut_write_at = cut});
    (void)client.say("l LOGIN alice@example.test \"secret of alice\"\r\ns SELECT INBOX\r\n1 FETCH 1 (BODY.PEEK[] UID BODY.PEEK[TEXT])\r\n");
    client.finish();
    CHECK(has(fixture.open().say("2 FETCH 1 BODY.PEEK[]\r\n"), whole));
  }
}
