// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// TLS 1.2 (RFC 5246) and 1.3 (RFC 8446) configuration, shared by the channels made from it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/result.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/crypto/certificate.hpp"

namespace keystonemail::tls {

namespace limits {
inline constexpr std::size_t certificates_max = 1'000;                 // of one ServerContext
inline constexpr std::size_t peer_chain_octets_max = 64 * 1024;
inline constexpr auto ticket_key_lifetime = std::chrono::hours(12);    // RFC 5077 §5.5: keys change regularly
inline constexpr auto ticket_lifetime = std::chrono::hours(12);
}  // namespace limits

enum class Version : std::uint8_t { tls1_2, tls1_3 };

// A certificate chain, leaf first, with the key of the leaf, both as PEM.
struct CertifiedKey {
  std::string chain_pem;
  std::string private_key_pem;
};

enum class ClientCertificates : std::uint8_t {
  none,
  request,  // ask; a client without one, or with one that does not verify, is served all the same and Channel says so
};

struct ServerOptions {
  // Chosen by server name (RFC 6066 §3), wildcards included; the first is for clients that name none we have.
  // Of several that fit, one whose signature the client can check.
  std::vector<CertifiedKey> certificates;
  std::vector<std::string> application_protocols;  // RFC 7301, e.g. "imap"; empty: not negotiated. Enforced when the client offers any
  Version version_min = Version::tls1_2;
  Version version_max = Version::tls1_3;
  ClientCertificates client_certificates = ClientCertificates::none;
  std::string client_trust_pem;                    // authorities for client certificates
  // Names the listener: tickets are good for contexts of the same name and certificate only, so that a session
  // of one service cannot be carried to another.
  std::string session_context;
};

// ServerContext is an immutable snapshot of a listener's TLS configuration. To change certificates, create a new one
// from the old and use it for new channels; channels keep theirs.
//
// Threads: any. Limits: limits::certificates_max.
class ServerContext {
 public:
  // `previous` hands on its ticket keys, so that sessions survive a reload that keeps the certificate.
  // Errors: invalid (no or bad certificate, key that does not fit), with a detail that says which.
  [[nodiscard]] static Result<std::shared_ptr<const ServerContext>> create(
      const ServerOptions& options, const std::shared_ptr<const ServerContext>& previous = nullptr);
  ~ServerContext();

  // What the certificates say, in the order of the options.
  [[nodiscard]] const std::vector<crypto::CertificateInfo>& certificates() const noexcept;

  struct State;
  explicit ServerContext(std::unique_ptr<State> state) noexcept;
  [[nodiscard]] State& state() const noexcept { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

struct ClientOptions {
  std::string trust_pem;                           // authorities, in addition to those of trust_path
  std::string trust_path;                          // PEM file; empty: none
  std::vector<std::string> application_protocols;  // offered
  Version version_min = Version::tls1_2;
  Version version_max = Version::tls1_3;
  std::vector<CertifiedKey> certificate;           // ours, at most one, given when the server asks
};

// Where Linux systems keep the authorities they trust; empty when none of the usual files is there.
[[nodiscard]] std::string system_trust_path();

// ClientContext is what outgoing connections share. Threads: any.
class ClientContext {
 public:
  // Errors: invalid, not_found (trust_path).
  [[nodiscard]] static Result<std::shared_ptr<const ClientContext>> create(const ClientOptions& options);
  ~ClientContext();

  struct State;
  explicit ClientContext(std::unique_ptr<State> state) noexcept;
  [[nodiscard]] State& state() const noexcept { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

// "BoringSSL (API 17)": for --version.
[[nodiscard]] std::string library_name();

}  // namespace keystonemail::tls
