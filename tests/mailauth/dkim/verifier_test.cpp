// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dkim/verifier.hpp"

#include <doctest/doctest.h>
#include <malloc.h>

#include "keystonemail/codec/base64.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "mailauth/support.hpp"
#include "support/sanitized.hpp"

using namespace keystonemail;
using namespace keystonemail::mailauth;
using namespace keystonemail::mailauth::dkim;
using testing::crlf;
using testing::describe;
using testing::verify_dkim;

namespace {

// RFC 6376 §A.2, with the key of appendix C. The second space of "game.  Are" is layout, as bh= and RFC 4871 show.
const std::string rfc6376_signature = crlf(
    "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\n"
    "      c=simple/simple; q=dns/txt; i=joe@football.example.com;\n"
    "      h=Received : From : To : Subject : Date : Message-ID;\n"
    "      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
    "      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\n"
    "      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\n"
    "      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\n"
    "      4bmp/YzhwvcubU4=;\n");
const std::string rfc6376_message = crlf(
    "Received: from client1.football.example.com  [192.0.2.1]\n"
    "      by submitserver.example.com with SUBMISSION;\n"
    "      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\n"
    "From: Joe SixPack <joe@football.example.com>\n"
    "To: Suzie Q <suzie@shopping.example.net>\n"
    "Subject: Is dinner ready?\n"
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\n"
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\n"
    "\n"
    "Hi.\n\nWe lost the game. Are you hungry yet?\n\nJoe.\n");

const testing::Zone rfc_zone{
    .texts = {{"brisbane._domainkey.example.com",
               {"v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh"
                "5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"}},
              {"brisbane._domainkey.football.example.com",
               {"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="}},
              {"test._domainkey.football.example.com",
               {"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/b"
                "yYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"}}},
    .faults = {},
    .asked = {}};

// RFC 8463 §A.3.
const std::string rfc8463_message = crlf(
    "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\n"
    " d=football.example.com; i=@football.example.com;\n"
    " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\n"
    " subject : date : message-id : from : subject : date;\n"
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
    " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\n"
    " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\n"
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\n"
    " d=football.example.com; i=@football.example.com;\n"
    " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\n"
    " date : message-id : from : subject : date;\n"
    " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
    " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\n"
    " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\n"
    " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\n"
    "From: Joe SixPack <joe@football.example.com>\n"
    "To: Suzie Q <suzie@shopping.example.net>\n"
    "Subject: Is dinner ready?\n"
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\n"
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\n"
    "\n"
    "Hi.\n\nWe lost the game.  Are you hungry yet?\n\nJoe.\n");

}  // namespace

TEST_CASE("dkim: the signed message of RFC 6376 §A.2 verifies") {
  const auto results = verify_dkim(rfc_zone, rfc6376_signature + rfc6376_message);
  REQUIRE(results.size() == 1);
  CHECK(describe(results[0]) == "pass");
  CHECK(results[0].domain == "example.com");
  CHECK(results[0].selector == "brisbane");
  CHECK(results[0].identity == "joe@football.example.com");
  CHECK(results[0].key_bits == 1024);
  CHECK(results[0].weak_key);
  CHECK(results[0].usable());
}

TEST_CASE("dkim: the secret keys of RFC 8463 §A.1 belong to the records of §A.2") {
  const auto ed25519 = crypto::PrivateKey::from_ed25519(codec::decode_base64("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").value()).value();
  const std::string_view first = rfc_zone.texts.at("brisbane._domainkey.football.example.com").at(0);
  CHECK(first.ends_with("p=" + codec::encode_base64(ed25519.public_key().raw())));
  const auto rsa = crypto::PrivateKey::from_pem(
      "-----BEGIN RSA PRIVATE KEY-----\n"
      "MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi\n"
      "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM\n"
      "KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n"
      "AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm\n"
      "6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe\n"
      "zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy\n"
      "6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc\n"
      "uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy\n"
      "WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd\n"
      "WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a\n"
      "licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst\n"
      "o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe\n"
      "uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL\n"
      "-----END RSA PRIVATE KEY-----\n").value();
  const std::string_view record = rfc_zone.texts.at("test._domainkey.football.example.com").at(0);
  const auto published = crypto::PublicKey::from_der(codec::decode_base64(record.substr(record.find("p=") + 2)).value()).value();
  CHECK(rsa.public_key().der() == published.der());
}

TEST_CASE("dkim: both signatures of RFC 8463 §A.3 verify") {
  const auto results = verify_dkim(rfc_zone, rfc8463_message);
  REQUIRE(results.size() == 2);
  CHECK(describe(results[0]) == "pass");
  CHECK(results[0].algorithm == "ed25519-sha256");
  CHECK(results[0].signature_prefix == "/gCrinpc");
  CHECK_FALSE(results[0].weak_key);
  CHECK(describe(results[1]) == "pass");
  CHECK(results[1].algorithm == "rsa-sha256");
}

namespace {

const std::string message = crlf("From: a@example.com\nTo: b@example.net\nSubject: x\n\nHi.\nThere.\n");

std::string only_result(const testing::Domain& domain, const std::string& text, const VerifierOptions& options = {}) {
  const auto results = verify_dkim(domain.zone, text, testing::at(1'800'000'000), options);
  REQUIRE(results.size() == 1);
  return describe(results[0]);
}

// A domain with one key, whose signatures say just what a test wants.
struct OneKey : testing::Domain {
  OneKey() {
    options.keys.pop_back();
    options.lifetime = std::chrono::seconds(0);
    options.fields = {{"From", FieldRule::when_present}, {"Subject", FieldRule::when_present}};
  }
  void publish(std::string text) { zone.texts["rsa._domainkey.example.com"] = {std::move(text)}; }
  [[nodiscard]] std::string record() const { return zone.texts.at("rsa._domainkey.example.com").front(); }
};

// `tag` put into the signature, which is then made anew as a signer would that writes such tags.
std::string signed_with(const OneKey& domain, std::string_view tag, std::string_view text, std::string_view hashed_body) {
  const auto hash = crypto::sha256(hashed_body);
  std::string field = "DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=example.com; s=rsa; h=from:subject; " + std::string(tag) +
                      "; bh=" + codec::encode_base64({reinterpret_cast<const char*>(hash.data()), hash.size()}) + "; b=";
  std::string data(text.substr(0, text.find("To:")));
  data += "Subject: x\r\n";
  field += codec::encode_base64(domain.options.keys[0].key.sign(data + field).value());
  return field + "\r\n" + std::string(text);
}

}  // namespace

TEST_CASE("dkim: an unsigned message has no results and does not want its body") {
  Verifier verifier({}, testing::at(0));
  CHECK(std::holds_alternative<NeedInput>(verifier.next_event()));
  CHECK(verifier.wants_input());
  verifier.receive(message.substr(0, message.size() - 3));
  CHECK_FALSE(verifier.wants_input());
  verifier.receive_end();
  CHECK(std::holds_alternative<Verified>(verifier.next_event()));
  CHECK(verifier.results().empty());
}

TEST_CASE("dkim: a changed octet anywhere that is signed is found") {
  OneKey domain;
  const auto text = domain.sign(message);
  CHECK(only_result(domain, text) == "pass");
  for (const auto& [from, to, verdict] : {std::tuple("Hi.", "Ho.", "fail: body hash did not verify"),
                                          std::tuple("Subject: x", "Subject: y", "fail: signature did not verify"),
                                          std::tuple("a@example", "b@example", "fail: signature did not verify"),
                                          std::tuple("t=18", "t=17", "fail: signature did not verify")}) {
    auto changed = text;
    changed.replace(changed.find(from), std::string_view(from).size(), to);
    CHECK(only_result(domain, changed) == verdict);
  }
  auto folded = text;
  folded.replace(folded.find("Subject: x"), 10, "SUBJECT:   x \t");
  CHECK(only_result(domain, folded) == "pass");
}

TEST_CASE("dkim: what the key record says is obeyed (RFC 6376 §6.1.2)") {
  OneKey domain;
  const auto text = domain.sign(message);
  const auto record = domain.record();
  const auto p = record.substr(record.find("p="));
  for (const auto& [published, verdict] : std::initializer_list<std::pair<std::string, const char*>>{
           {"v=DKIM1; k=rsa; p=", "permerror: key revoked"},
           {"v=DKIM1; h=sha1; " + p, "permerror: inappropriate hash algorithm"},
           {"v=DKIM1; h=sha1:sha256; " + p, "pass"},
           {"s=tlsrpt; " + p, "permerror: key not for mail"},
           {"k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "permerror: inappropriate key algorithm"},
           {"v=spf1 -all", "permerror: key syntax error: not a DKIM1 record"},
           {"nothing", "permerror: key syntax error: tag without ="},
           {"t=s; " + p, "pass"}}) {
    CAPTURE(published);
    domain.publish(published);
    CHECK(only_result(domain, text) == verdict);
  }
}

TEST_CASE("dkim: a key for TLS reports signs those, and passes nothing (RFC 8460 §3)") {
  OneKey domain;
  const auto text = domain.sign(message);
  const auto record = domain.record();
  domain.publish("v=DKIM1; s=tlsrpt; " + record.substr(record.find("p=")));
  const auto results = verify_dkim(domain.zone, text);
  CHECK(describe(results.at(0)) == "permerror: key not for mail");
  CHECK(results[0].is_for_tls_reports);
  CHECK(!results[0].usable());
  auto changed = text;
  changed.replace(changed.find("Subject: x"), 10, "Subject: y");
  CHECK(!verify_dkim(domain.zone, changed).at(0).is_for_tls_reports);
  domain.publish("v=DKIM1; s=other; " + record.substr(record.find("p=")));
  CHECK(!verify_dkim(domain.zone, text).at(0).is_for_tls_reports);
}

TEST_CASE("dkim: of several key records one that fits is enough, and a foreign one does not hurt") {
  OneKey domain;
  const auto other = key_record_text(crypto::PrivateKey::generate(crypto::KeyType::rsa).value().public_key());
  domain.zone.texts["rsa._domainkey.example.com"] = {"v=spf1 -all", other, domain.record()};
  CHECK(only_result(domain, domain.sign(message)) == "pass");
}

TEST_CASE("dkim: t=s wants i= in the very domain, t=y is passed on") {
  OneKey domain;
  domain.publish("t=y:s; " + domain.record().substr(domain.record().find("p=")));
  domain.options.identity = "@example.com";
  const auto results = verify_dkim(domain.zone, domain.sign(message));
  CHECK(describe(results[0]) == "pass");
  CHECK(results[0].testing);
  domain.options.identity = "@sub.example.com";
  CHECK(only_result(domain, domain.sign(message)) == "permerror: domain mismatch");
}

TEST_CASE("dkim: a DNS that cannot say now is a temporary error, one that says no a permanent one") {
  OneKey domain;
  const auto text = domain.sign(message);
  using enum dns::AnswerStatus;
  for (const auto status : {server_failure, refused, timeout, bogus, malformed}) {
    domain.zone.faults["rsa._domainkey.example.com"] = status;
    CHECK(only_result(domain, text) == "temperror: key unavailable");
  }
  for (const auto status : {no_such_name, no_data}) {
    domain.zone.faults["rsa._domainkey.example.com"] = status;
    CHECK(only_result(domain, text) == "permerror: no key for signature");
  }
}

TEST_CASE("D4: what is appended behind l= makes a signature no pass, and never a base for DMARC") {
  OneKey domain;
  const auto text = signed_with(domain, "l=5", message, "Hi.\r\n");
  CHECK(only_result(domain, text) == "policy: 8 octets of the body not signed");
  VerifierOptions lenient;
  lenient.appended_body = Unsigned::allow;
  const auto results = verify_dkim(domain.zone, text, testing::at(1'800'000'000), lenient);
  CHECK(describe(results[0]) == "pass");
  CHECK(results[0].unsigned_body_octets == 8);
  CHECK_FALSE(results[0].usable());
  const auto whole = verify_dkim(domain.zone, signed_with(domain, "l=13", message, "Hi.\r\nThere.\r\n"));
  CHECK(describe(whole[0]) == "pass");
  CHECK(whole[0].usable());
  CHECK(only_result(domain, signed_with(domain, "l=14", message, "Hi.\r\nThere.\r\n")) == "permerror: body is shorter than l=");
  CHECK(only_result(domain, signed_with(domain, "l=0", message, "")) == "policy: 13 octets of the body not signed");
}

TEST_CASE("D4: RSA keys below 1024 bits do not count, above 4096 are not verified, 1024 is weak") {
  // Made by another program: none here makes a key that small.
  OneKey domain;
  const auto text = domain.sign(message);
  domain.publish("p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMhpk9HDY5AES9RbitkLdU40uoIvk8wkeH0nQjDxojdEiMneYKasM6XSPoZEZxcjFqosk1skaIpbHf"
                 "lvj0+B52cCAwEAAQ==");
  CHECK(only_result(domain, text) == "policy: key of 512 bits is too short");
  VerifierOptions small;
  small.rsa_bits_max = 1024;
  CHECK(only_result(OneKey(), text, small) == "neutral: key of 2048 bits is too long");
}

TEST_CASE("D5: a field that may stand once and stands twice is no pass unless both were signed; picking is bottom-up") {
  OneKey domain;
  const auto text = domain.sign(message);
  CHECK(only_result(domain, "From: evil@example.org\r\n" + text) == "policy: from stands 2 times, signed 1");
  CHECK(only_result(domain, "Subject: pay now\r\n" + text) == "policy: subject stands 2 times, signed 1");
  CHECK(only_result(domain, "subject : pay now\r\n" + text) == "policy: subject stands 2 times, signed 1");
  CHECK(only_result(domain, "X-Other: y\r\n" + text) == "pass");
  VerifierOptions lenient;
  lenient.duplicate_fields = Unsigned::allow;
  CHECK(only_result(domain, "Subject: pay now\r\n" + text, lenient) == "pass");
  const auto place = text.find("\r\n\r\n");
  CHECK(only_result(domain, text.substr(0, place) + "\r\nSubject: pay now" + text.substr(place), lenient) == "fail: signature did not verify");
}

TEST_CASE("D1: a message without From is a permanent error, whatever its signature") {
  OneKey domain;
  auto text = domain.sign(message);
  text.erase(text.find("From: a@example.com\r\n"), 21);
  CHECK(only_result(domain, text) == "permerror: no From field");
}

TEST_CASE("dkim: a signature from the future is left alone, within the skew it counts") {
  OneKey domain;
  const auto text = domain.sign(message);
  CHECK(describe(verify_dkim(domain.zone, text, testing::at(1'800'000'000 - 299))[0]) == "pass");
  CHECK(describe(verify_dkim(domain.zone, text, testing::at(1'800'000'000 - 301))[0]) == "neutral: signed in the future");
}

TEST_CASE("D7: of a thousand signatures ten are verified, the author's first, each key asked for once") {
  OneKey domain;
  const auto own = domain.fields(message);
  std::string junk;
  for (int i = 0; i < 990; ++i) {
    junk += "DKIM-Signature: v=1; a=rsa-sha256; d=d" + std::to_string(i) + ".example; s=s; h=from; "
            "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=AAAA\r\n";
  }
  Verifier verifier({}, testing::at(1'800'000'000));
  const auto is_over = [](const Event& event) { return std::holds_alternative<Verified>(event); };
  testing::run(verifier, domain.zone, junk + own + own + message, 4096, is_over);
  REQUIRE(verifier.results().size() == 10);
  CHECK(verifier.ignored() == 982);
  CHECK(domain.zone.asked.size() == 9);
  CHECK(describe(verifier.results()[9]) == "pass");
  CHECK(describe(verifier.results()[8]) == "pass");
  CHECK(describe(verifier.results()[0]) == "permerror: no key for signature");
}

TEST_CASE("dkim: header.b tells apart signatures that begin alike (RFC 6008 §4)") {
  const std::string tail = "; d=a.example; s=s; h=from; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=\r\n";
  const auto results = verify_dkim({}, "DKIM-Signature: v=1; a=rsa-sha256; b=AAAABBBBCCCCDDDD" + tail +
                                           "DKIM-Signature: v=1; a=rsa-sha256; b=AAAABBBBCCCCEEEE" + tail + message);
  CHECK(results[0].signature_prefix == "AAAABBBBCCCCD");
  CHECK(results[1].signature_prefix == "AAAABBBBCCCCE");
}

TEST_CASE("dkim: a signature that cannot be read is told with what could be") {
  const auto results = verify_dkim({}, "DKIM-Signature: v=1; d=a.example; s=s; b=AAAA\r\nDKIM-Signature: ?\r\n" + message);
  REQUIRE(results.size() == 2);
  CHECK(describe(results[0]) == "permerror: no a= tag");
  CHECK(results[0].domain == "a.example");
  CHECK(describe(results[1]) == "permerror: tag without =");
}

TEST_CASE("dkim: other signatures may be signed, one's own never is") {
  OneKey domain;
  domain.options.fields.push_back({"DKIM-Signature", FieldRule::oversigned});
  const auto once = domain.sign(message);
  CHECK(only_result(domain, once) == "pass");
  const auto twice = domain.sign(once);
  const auto results = verify_dkim(domain.zone, twice);
  REQUIRE(results.size() == 2);
  CHECK(describe(results[0]) == "pass");
}

TEST_CASE("dkim: results do not depend on where pieces are cut") {
  for (std::size_t piece = 1; piece < 60; ++piece) {
    for (const auto& result : verify_dkim(rfc_zone, rfc8463_message, testing::at(1'800'000'000), {}, piece)) {
      REQUIRE(describe(result) == "pass");
    }
  }
}

TEST_CASE("dkim: answers may come before the body, after it, and in any order") {
  const testing::Domain domain;
  const auto text = domain.sign(message);
  Verifier verifier({}, testing::at(1'800'000'000));
  verifier.receive(text);
  const auto first = std::get<NeedKey>(verifier.next_event());
  const auto second = std::get<NeedKey>(verifier.next_event());
  CHECK(std::holds_alternative<NeedInput>(verifier.next_event()));
  verifier.decide(second.id, domain.zone.answer(second.question));
  verifier.receive_end();
  CHECK(std::holds_alternative<NeedAnswer>(verifier.next_event()));
  verifier.decide(first.id, domain.zone.answer(first.question));
  CHECK(std::holds_alternative<Verified>(verifier.next_event()));
  for (const auto& result : verifier.results()) CHECK(describe(result) == "pass");
}

TEST_CASE("dkim: a header beyond the limits is not verified, and does not gather") {
  Verifier verifier({}, testing::at(0));
  const std::string line = "X: " + std::string(1000, 'x') + "\r\n";
  for (int i = 0; i < 1100; ++i) verifier.receive(line);
  verifier.receive("From: a@b.example\r\nDKIM-Signature: v=1\r\n\r\nbody");
  verifier.receive_end();
  CHECK(std::holds_alternative<Verified>(verifier.next_event()));
  REQUIRE(verifier.results().size() == 1);
  CHECK(describe(verifier.results()[0]) == "neutral: header too large");
}

TEST_CASE("dkim: bare LF is read as the line end it will be sent as") {
  OneKey domain;
  auto text = domain.sign(message);
  std::erase(text, '\r');
  CHECK(only_result(domain, text) == "pass");
}

TEST_CASE("dkim: 50 MiB are signed and verified without the heap growing, be they text or empty lines held back") {
  const testing::Domain domain;
  const std::string header = message.substr(0, message.find("\r\n\r\n") + 4);
  for (const char* line : {"A line of text  with blanks \t\r\n", "\r\n"}) {
    std::string piece;
    while (piece.size() < 64 * 1024) piece += line;
    const auto feed = [&](auto& engine) {
      engine.receive(header);
      const auto before = mallinfo2().uordblks;
      std::size_t most = before;
      for (std::size_t octets = 0; octets < (test::sanitized ? 5U : 50U) << 20; octets += piece.size()) {
        engine.receive(piece);
        most = std::max(most, mallinfo2().uordblks);
      }
      engine.receive("end");
      return most - before;
    };
    Signer signer(domain.options);
    CHECK(feed(signer) < 64 * 1024);
    const auto fields = signer.receive_end(testing::at(1'800'000'000)).value();
    Verifier verifier({}, testing::at(1'800'000'000));
    verifier.receive(fields);
    CHECK(feed(verifier) < 64 * 1024);
    testing::run(verifier, domain.zone, "", 1, [](const Event& event) { return std::holds_alternative<Verified>(event); });
    REQUIRE(verifier.results().size() == 2);
    for (const auto& result : verifier.results()) CHECK(describe(result) == "pass");
  }
}
