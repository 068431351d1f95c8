// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "sim/keys.hpp"

#include <chrono>
#include <map>
#include <utility>

#include "keystonemail/codec/base64.hpp"
#include "keystonemail/crypto/certificate.hpp"
#include "keystonemail/crypto/digest.hpp"

namespace keystonemail::sim {
namespace {

constexpr WallTime begin_of_all = std::chrono::sys_days(std::chrono::year{2025} / 1 / 1);
constexpr WallTime end_of_all = std::chrono::sys_days(std::chrono::year{2040} / 1 / 1);

const std::string& authority() {
  static const std::string pem = [] {
    const crypto::CertificateRequest request{.names = {"authority.test"}, .email_addresses = {}, .not_before = begin_of_all, .not_after = end_of_all, .authority = true};
    return crypto::make_self_signed(request, authority_key()).value();
  }();
  return pem;
}

tls::CertifiedKey make_certified_key(Certificate certificate) {
  using enum Certificate;
  const crypto::PrivateKey& key = certificate == renewed || certificate == misnamed ? other_key() : shared_key();
  crypto::CertificateRequest request{.names = {"mx.a.test", "mx.b.test", "mx.c.test"}, .email_addresses = {}, .not_before = begin_of_all, .not_after = end_of_all};
  if (certificate == brief) request.not_after = brief_certificate_end;
  if (certificate == misnamed) request.names = {"mx.elsewhere.test"};
  std::string chain = certificate == self_signed ? crypto::make_self_signed(request, key).value()
                                                 : crypto::issue_certificate(request, key.public_key(), authority(), authority_key()).value() + authority();
  return {std::move(chain), std::string(key.pem().view())};
}

std::shared_ptr<const tls::ServerContext> make_server(Certificate certificate, tls::Version version_max) {
  tls::ServerOptions options;
  options.certificates = {make_certified_key(certificate)};
  options.version_max = version_max;
  options.session_context = "sim";
  return tls::ServerContext::create(options).value();
}

}  // namespace

const crypto::PrivateKey& shared_key() {
  static const crypto::PrivateKey key = crypto::PrivateKey::generate(crypto::KeyType::rsa).value();
  return key;
}

const crypto::PrivateKey& other_key() {
  static const crypto::PrivateKey key = crypto::PrivateKey::generate(crypto::KeyType::rsa).value();
  return key;
}

const crypto::PrivateKey& authority_key() {
  static const crypto::PrivateKey key = crypto::PrivateKey::generate(crypto::KeyType::rsa).value();
  return key;
}

std::string key_digest(const crypto::PrivateKey& key) { return crypto::digest(crypto::Hash::sha256, key.public_key().der()); }

const std::string& shared_key_record() {
  static const std::string record = "v=DKIM1; k=rsa; p=" + codec::encode_base64(shared_key().public_key().der());
  return record;
}

std::shared_ptr<const tls::ServerContext> good_tls(Certificate certificate) {
  static std::map<Certificate, std::shared_ptr<const tls::ServerContext>> contexts;
  auto& context = contexts[certificate];
  if (!context) context = make_server(certificate, tls::Version::tls1_3);
  return context;
}

std::shared_ptr<const tls::ServerContext> broken_tls() {
  static const auto context = make_server(Certificate::self_signed, tls::Version::tls1_2);
  return context;
}

std::shared_ptr<const tls::ClientContext> client_tls() {
  static const auto context = [] {
    tls::ClientOptions options;
    options.version_min = tls::Version::tls1_3;
    options.trust_pem = authority();
    return tls::ClientContext::create(options).value();
  }();
  return context;
}

}  // namespace keystonemail::sim
