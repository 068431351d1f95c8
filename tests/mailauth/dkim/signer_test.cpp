// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dkim/signer.hpp"

#include <doctest/doctest.h>

#include "mailauth/support.hpp"

using namespace keystonemail;
using namespace keystonemail::mailauth;
using namespace keystonemail::mailauth::dkim;
using testing::crlf;
using testing::describe;
using testing::Domain;
using testing::verify_dkim;

namespace {

const std::string plain_message = crlf("From: a@example.com\nTo: b@example.net\nSubject: x\nDate: Fri, 11 Jul 2003 21:00:37 -0700\n\nHi.\n\n\n");

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t times = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++times;
  return times;
}

}  // namespace

TEST_CASE("dkim: what is signed with RSA and Ed25519 verifies, in every form") {
  Domain domain;
  for (const auto header : {Canonicalization::simple, Canonicalization::relaxed}) {
    for (const auto body : {Canonicalization::simple, Canonicalization::relaxed}) {
      domain.options.header = header;
      domain.options.body = body;
      const auto results = verify_dkim(domain.zone, domain.sign(plain_message));
      REQUIRE(results.size() == 2);
      for (const auto& result : results) CHECK(describe(result) == "pass");
      CHECK(results[0].algorithm == "rsa-sha256");
      CHECK(results[0].key_bits == 2048);
      CHECK(results[1].algorithm == "ed25519-sha256");
      CHECK(results[1].domain == "example.com");
    }
  }
}

TEST_CASE("D6: signatures expire after seven days, and then fail") {
  const Domain domain;
  const auto text = domain.sign(plain_message);
  CHECK(text.find("t=1800000000; x=1800604800;") != std::string::npos);
  CHECK(describe(verify_dkim(domain.zone, text, testing::at(1'800'604'800 + 299))[0]) == "pass");
  CHECK(describe(verify_dkim(domain.zone, text, testing::at(1'800'604'800 + 301))[0]) == "fail: signature expired");
}

TEST_CASE("dkim: a lifetime of none writes no x=") {
  Domain domain;
  domain.options.lifetime = std::chrono::seconds(0);
  CHECK(domain.fields(plain_message).find("x=") == std::string::npos);
}

TEST_CASE("D4: l= is never written") {
  CHECK(Domain().fields(plain_message).find("l=") == std::string::npos);
}

TEST_CASE("D5: a field added to what we signed breaks the signature") {
  const Domain domain;
  VerifierOptions lenient;
  lenient.duplicate_fields = Unsigned::allow;  // so that the signature alone has to tell
  const auto text = domain.sign(plain_message);
  for (const auto& field : default_signed_fields()) {
    if (field.rule != FieldRule::oversigned) continue;
    CAPTURE(field.name);
    for (const auto& result : verify_dkim(domain.zone, field.name + ": forged\r\n" + text, testing::at(1'800'000'000), lenient)) {
      CHECK(describe(result) == "fail: signature did not verify");
    }
  }
  CHECK(describe(verify_dkim(domain.zone, "X-Other: mine\r\nReceived: by hop\r\n" + text)[0]) == "pass");
}

TEST_CASE("dkim: fields have lines of at most 78 columns, and one signature for each key") {
  Domain domain;
  domain.options.identity = "a;b=c d@example.com";
  const auto fields = domain.fields(plain_message);
  CHECK(count(fields, "DKIM-Signature: v=1;") == 2);
  std::size_t begin = 0;
  for (auto end = fields.find("\r\n"); end != std::string::npos; begin = end + 2, end = fields.find("\r\n", begin)) {
    const auto line = fields.substr(begin, end - begin);
    CAPTURE(line);
    CHECK(line.size() + (line.starts_with('\t') ? 7 : 0) <= 78);
    CHECK_FALSE(line.ends_with(' '));
  }
  CHECK(begin == fields.size());
  CHECK(fields.find("i=a=3Bb=3Dc=20d@example.com;") != std::string::npos);
  CHECK(verify_dkim(domain.zone, fields + plain_message)[0].identity == "a;b=c d@example.com");
}

TEST_CASE("dkim: every instance of a field that stands several times is signed") {
  Domain domain;
  domain.options.fields.push_back({"X-Seen", FieldRule::when_present});
  const auto text = domain.sign("X-Seen: 1\r\nX-Seen: 2\r\n" + plain_message);
  CHECK(describe(verify_dkim(domain.zone, text)[0]) == "pass");
  auto changed = text;
  changed.replace(changed.find("X-Seen: 1"), 9, "X-Seen: 3");
  CHECK(describe(verify_dkim(domain.zone, changed)[0]) == "fail: signature did not verify");
}

TEST_CASE("dkim: a signature does not depend on where pieces are cut") {
  const Domain domain;
  const auto whole = domain.fields(plain_message);
  for (std::size_t piece = 1; piece < 40; ++piece) REQUIRE(domain.fields(plain_message, testing::at(1'800'000'000), piece) == whole);
}

TEST_CASE("dkim: a message without From, or with two, is not signed") {
  const Domain domain;
  for (const std::string& text : {std::string(), std::string("Subject: x\r\n\r\n"), "From: b@example.com\r\n" + plain_message}) {
    Signer signer(domain.options);
    signer.receive(text);
    CHECK(signer.receive_end(testing::at(1)).error().kind() == ErrorKind::invalid);
  }
}

TEST_CASE("dkim: nothing is put on top of a header that begins with white space, of which it would be a part") {
  const Domain domain;
  for (const char* blank : {" ", "\t"}) {
    Signer signer(domain.options);
    signer.receive(blank + plain_message);
    CHECK(signer.receive_end(testing::at(1)).error().kind() == ErrorKind::invalid);
  }
}

TEST_CASE("dkim: a header beyond the limits is not signed") {
  const Domain domain;
  Signer signer(domain.options);
  const std::string line = "X: " + std::string(1000, 'x') + "\r\n";
  for (int i = 0; i < 1100; ++i) signer.receive(line);
  signer.receive(plain_message);
  CHECK(signer.receive_end(testing::at(1)).error().kind() == ErrorKind::too_large);
}

TEST_CASE("dkim: options that cannot work are refused") {
  Domain domain;
  CHECK(check_options(domain.options).has_value());
  auto options = domain.options;
  options.keys.clear();
  CHECK_FALSE(check_options(options).has_value());
  options = domain.options;
  options.keys[0].selector = "a b";
  CHECK_FALSE(check_options(options).has_value());
  options = domain.options;
  options.keys[0].key = crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256).value();
  CHECK_FALSE(check_options(options).has_value());
  options = domain.options;
  options.fields = {{"To"}};
  CHECK_FALSE(check_options(options).has_value());
}

TEST_CASE("dkim: a domain with U-labels signs with A-labels") {
  const Domain domain("xn--bcher-kva.example");
  auto options = domain.options;
  for (auto& key : options.keys) key.domain = "B\xc3\xbc""cher.example";
  Signer signer(options);
  signer.receive(plain_message);
  const auto fields = signer.receive_end(testing::at(1'800'000'000)).value();
  CHECK(fields.find("d=xn--bcher-kva.example;") != std::string::npos);
  CHECK(describe(verify_dkim(domain.zone, fields + plain_message)[0]) == "pass");
}
