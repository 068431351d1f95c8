// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "sim/keys.hpp"

#include <chrono>

#include "keystonemail/codec/base64.hpp"
#include "keystonemail/crypto/certificate.hpp"

namespace keystonemail::sim {
namespace {

tls::CertifiedKey make_certified_key() {
  const crypto::CertificateRequest request{.names = {"mx.test", "*.test"},
                                           .email_addresses = {},
                                           .not_before = std::chrono::sys_days(std::chrono::year{2025} / 1 / 1),
                                           .not_after = std::chrono::sys_days(std::chrono::year{2040} / 1 / 1)};
  const crypto::PrivateKey& key = shared_key();
  return {crypto::make_self_signed(request, key).value(), std::string(key.pem().view())};
}

std::shared_ptr<const tls::ServerContext> make_server(tls::Version version_max) {
  static const tls::CertifiedKey certified = make_certified_key();
  tls::ServerOptions options;
  options.certificates = {certified};
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

const std::string& shared_key_record() {
  static const std::string record = "v=DKIM1; k=rsa; p=" + codec::encode_base64(shared_key().public_key().der());
  return record;
}

std::shared_ptr<const tls::ServerContext> good_tls() {
  static const auto context = make_server(tls::Version::tls1_3);
  return context;
}

std::shared_ptr<const tls::ServerContext> broken_tls() {
  static const auto context = make_server(tls::Version::tls1_2);
  return context;
}

std::shared_ptr<const tls::ClientContext> client_tls() {
  static const auto context = [] {
    tls::ClientOptions options;
    options.version_min = tls::Version::tls1_3;
    return tls::ClientContext::create(options).value();
  }();
  return context;
}

}  // namespace keystonemail::sim
