// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/crypto/certificate.hpp"

#include <doctest/doctest.h>

#include "keystonemail/crypto/digest.hpp"

using namespace keystonemail;
using namespace keystonemail::crypto;
using namespace std::chrono_literals;

namespace {
CertificateRequest example() {
  const WallTime from{std::chrono::sys_days(std::chrono::year(2026) / 1 / 1)};
  return {.names = {"mail.example.test", "*.Example.test", "192.0.2.1", "2001:db8::1"},
          .email_addresses = {"postmaster@example.test"},
          .not_before = from,
          .not_after = from + 24h * 90};
}
}  // namespace

TEST_CASE("crypto: a self-signed certificate says what was asked for") {
  const auto request = example();
  const auto issued = make_self_signed(request).value();
  const auto info = read_certificate_pem(issued.certificate_pem).value();
  CHECK(info.subject == "CN=mail.example.test");
  CHECK(info.common_name == "mail.example.test");
  CHECK(info.self_issued);
  CHECK(info.dns_names == std::vector<std::string>{"mail.example.test", "*.example.test"});
  CHECK(info.ip_addresses == std::vector<std::string>{"192.0.2.1", "2001:db8::1"});
  CHECK(info.email_addresses == std::vector<std::string>{"postmaster@example.test"});
  CHECK(info.not_before == request.not_before);
  CHECK(info.not_after == request.not_after);
  const auto der = certificates_from_pem(issued.certificate_pem).value();
  REQUIRE(der.size() == 1);
  CHECK(info.fingerprint == to_hex(digest(Hash::sha256, der[0])));
  CHECK(PrivateKey::from_pem(issued.private_key_pem.view())->type() == KeyType::ecdsa_p256);
}

TEST_CASE("crypto: dates after 2050 are kept") {
  auto request = example();
  request.not_after = WallTime{std::chrono::sys_days(std::chrono::year(2099) / 12 / 31)};
  CHECK(read_certificate_pem(make_self_signed(request)->certificate_pem)->not_after == request.not_after);
}

TEST_CASE("crypto: an authority issues for a key it has only the public half of") {
  auto authority = example();
  authority.names = {"Example-CA"};
  authority.authority = true;
  const auto authority_key = PrivateKey::generate(KeyType::ecdsa_p256).value();
  const auto authority_pem = make_self_signed(authority, authority_key).value();
  const auto key = PrivateKey::generate(KeyType::ed25519).value();
  const auto pem = issue_certificate(example(), key.public_key(), authority_pem, authority_key).value();
  const auto info = read_certificate_pem(pem).value();
  CHECK(info.issuer == "CN=Example-CA");
  CHECK_FALSE(info.self_issued);
}

TEST_CASE("crypto: a chain is read in order and text around it is skipped") {
  const auto first = make_self_signed(example())->certificate_pem;
  const auto second = make_self_signed(example())->certificate_pem;
  CHECK(certificates_from_pem("subject: x\n" + first + "\nmore\n" + second + "trailing\n")->size() == 2);
}

TEST_CASE("crypto: damaged certificates are errors") {
  CHECK_FALSE(certificates_from_pem("").has_value());
  CHECK_FALSE(certificates_from_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").has_value());
  const auto pem = make_self_signed(example())->certificate_pem;
  CHECK_FALSE(certificates_from_pem(pem + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").has_value());
  CHECK_FALSE(certificates_from_pem(pem.substr(0, pem.size() - 40)).has_value());
  CHECK(certificates_from_pem(std::string(2'000'000, 'x')).error().kind() == ErrorKind::too_large);
  const auto der = certificates_from_pem(pem)->front();
  for (std::size_t size = 0; size < der.size(); ++size) REQUIRE_FALSE(read_certificate_der(der.substr(0, size)).has_value());
}

TEST_CASE("crypto: names that could smuggle others into a certificate are refused") {
  for (const char* name : {"", "a,DNS:b", "a b", "a\nb", "m\xc3\xbcller.test"}) {
    auto request = example();
    request.names = {name};
    CHECK(make_self_signed(request).error().kind() == ErrorKind::invalid);
  }
  auto request = example();
  request.names = {};
  CHECK(make_self_signed(request).error().kind() == ErrorKind::invalid);
}

TEST_CASE("certificate: a wildcard stands for one whole label, RFC 9525 §6.3") {
  CHECK(certificate_name_fits("mail.example.org", "mail.example.org"));
  CHECK(certificate_name_fits("*.example.org", "mail.example.org"));
  for (const std::string_view host : {"example.org", ".example.org", "a.mail.example.org", "mail.example.net", "", "org"}) CHECK(!certificate_name_fits("*.example.org", host));
  CHECK(!certificate_name_fits("m*.example.org", "mail.example.org"));
  CHECK(!certificate_name_fits("", ""));
}
