// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What contexts and channels hold of BoringSSL. Private to lib/tls.
#pragma once

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/tls/channel.hpp"
#include "keystonemail/tls/context.hpp"
#include "tls/ticket_keys.hpp"

namespace keystonemail::tls {

[[nodiscard]] inline const std::uint8_t* octets(std::string_view text) noexcept {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

// One certificate of a server: a context of its own, which BoringSSL switches to by server name.
struct ServerEntry {
  bssl::UniquePtr<SSL_CTX> context;
  std::optional<std::string> end_point_binding;
  bool ecdsa = false;
};

struct ServerContext::State {
  bssl::UniquePtr<BIO_METHOD> bio_method;
  std::vector<ServerEntry> entries;
  std::vector<crypto::CertificateInfo> certificates;
  std::map<std::string, std::vector<std::size_t>, std::less<>> by_name;  // lower case, "*.example.org" for wildcards
  std::vector<std::string> application_protocols;
  std::shared_ptr<TicketKeys> tickets;
  bool requests_certificate = false;

  // The entries for a server name, best first; the first entry of all when there are none.
  [[nodiscard]] const ServerEntry& choose(std::string_view server_name, bool client_takes_ecdsa) const;
  [[nodiscard]] const ServerEntry* entry_of(const SSL_CTX* context) const noexcept;
};

struct ClientContext::State {
  bssl::UniquePtr<BIO_METHOD> bio_method;
  bssl::UniquePtr<SSL_CTX> context;
};

struct ClientSession::State {
  bssl::UniquePtr<SSL_SESSION> session;
  const ClientContext* context;  // only compared
  std::string server_name;
  Verification verification;
};

struct Channel::State {
  std::shared_ptr<const ServerContext> server;  // one of the two
  std::shared_ptr<const ClientContext> client;
  std::string_view input;                       // of the receive() in progress
  std::string output;
  std::size_t written = 0;                      // of output
  std::string server_name;
  std::string detail;
  WallTime now{};
  std::optional<ClientSession> session;
  std::optional<std::uint8_t> alert;
  ChannelState phase = ChannelState::handshaking;
  Fault fault = Fault::none;
  Trust trust = Trust::unchecked;
  Verification verification = Verification::none;
  bool closing = false;
  bssl::UniquePtr<SSL> ssl;                     // last: its BIOs point here

  [[nodiscard]] static State& of(const SSL* ssl) noexcept { return *static_cast<State*>(SSL_get_app_data(ssl)); }
  void attach(SSL_CTX* context, const BIO_METHOD* method);
  void take_input(std::string& plaintext);
  bool shake_hands();
  void read_records(std::string& plaintext);
  void finish_handshake();
  void fail_with(Fault what, std::string why);
  // Sorts out why a call returned `result`; true when it only wants more input.
  bool wants_input(int result);
  bool write_record(std::string_view plaintext);
};

// tls/memory_bio.cpp: a BIO that reads State::input and writes State::output.
[[nodiscard]] bssl::UniquePtr<BIO_METHOD> make_bio_method();
[[nodiscard]] bssl::UniquePtr<BIO> make_bio(const BIO_METHOD* method, Channel::State* state);

// tls/verification.cpp
int verify_peer(X509_STORE_CTX* store, void*);
[[nodiscard]] Trust trust_of(long verify_result) noexcept;

// tls/channel_info.cpp
[[nodiscard]] std::optional<std::string> end_point_binding_of(std::string_view der);

// tls/common.cpp: versions, ciphers, groups and memory settings that both sides share.
[[nodiscard]] Result<bssl::UniquePtr<SSL_CTX>> make_context(Version version_min, Version version_max);
[[nodiscard]] Result<void> use_certificate(SSL_CTX* context, const CertifiedKey& certified);
[[nodiscard]] Result<void> trust_authorities(SSL_CTX* context, std::string_view pem);
// Protocol names as RFC 7301 §3.1 lists them. Errors: invalid (empty or too long).
[[nodiscard]] Result<std::string> protocol_list(const std::vector<std::string>& protocols);
[[nodiscard]] std::string take_error_text();

}  // namespace keystonemail::tls
