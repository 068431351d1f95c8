// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Two channels joined by strings, and certificates made for the occasion.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "keystonemail/crypto/certificate.hpp"
#include "keystonemail/tls/channel.hpp"

namespace keystonemail::tls::test {

using namespace std::chrono_literals;

inline const WallTime now{std::chrono::sys_days(std::chrono::year(2026) / 6 / 1)};

// One authority that has signed whatever is asked of it.
class Authority {
 public:
  explicit Authority(WallTime today = now) : today_(today), key_(crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256).value()) {
    pem_ = crypto::make_self_signed({.names = {"Test-CA"}, .not_before = today - 24h, .not_after = today + 24h * 900, .authority = true}, key_).value();
  }
  [[nodiscard]] const std::string& pem() const { return pem_; }
  [[nodiscard]] CertifiedKey certify(std::vector<std::string> names, WallTime until = now + 24h * 90,
                                     crypto::KeyType type = crypto::KeyType::ecdsa_p256, std::vector<std::string> mail = {}) const {
    const auto key = crypto::PrivateKey::generate(type).value();
    const auto pem = crypto::issue_certificate({.names = std::move(names), .email_addresses = std::move(mail), .not_before = today_ - 24h, .not_after = until},
                                               key.public_key(), pem_, key_).value();
    return {pem, std::string(key.pem().view())};
  }

 private:
  WallTime today_;
  crypto::PrivateKey key_;
  std::string pem_;
};

inline const Authority& authority() {
  static const Authority instance;
  return instance;
}
inline const CertifiedKey& mail_certificate() {
  static const CertifiedKey certified = authority().certify({"mail.example.test"});
  return certified;
}

inline ServerOptions server_options(Version version = Version::tls1_3) {
  return {.certificates = {mail_certificate()}, .application_protocols = {}, .version_max = version, .client_trust_pem = {}, .session_context = "test"};
}
inline ClientOptions client_options(Version version = Version::tls1_3) {
  return {.trust_pem = authority().pem(), .trust_path = {}, .application_protocols = {}, .version_max = version, .certificate = {}};
}

using ServerPointer = std::shared_ptr<const ServerContext>;
using ClientPointer = std::shared_ptr<const ClientContext>;

struct Pair {
  ServerPointer server_context;
  ClientPointer client_context;
  Channel server;
  Channel client;
  std::string at_server;  // plaintext that has arrived
  std::string at_client;

  Pair(ServerPointer server_side, ClientPointer client_side, ClientRequest request = {.server_name = "mail.example.test"}, WallTime time = now)
      : server_context(std::move(server_side)), client_context(std::move(client_side)), server(Channel::server(server_context, time)),
        client(Channel::client(client_context, request, time)) {}
  explicit Pair(const ServerOptions& server_side = server_options(), const ClientOptions& client_side = client_options(),
                ClientRequest request = {.server_name = "mail.example.test"}, WallTime time = now)
      : Pair(ServerContext::create(server_side).value(), ClientContext::create(client_side).value(), std::move(request), time) {}

  // Carries output across, at most `step` octets at a time, until neither side has any.
  void pump(std::size_t step = SIZE_MAX) {
    while (carry(client, server, at_server, step) || carry(server, client, at_client, step)) {}
  }
  [[nodiscard]] bool is_open() const { return client.state() == ChannelState::open && server.state() == ChannelState::open; }

 private:
  static bool carry(Channel& from, Channel& to, std::string& into, std::size_t step) {
    const auto output = from.pending_output().substr(0, step);
    if (output.empty()) return false;
    to.receive(output, into);
    from.consume_output(output.size());
    return true;
  }
};

}  // namespace keystonemail::tls::test
