// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// TlsMaterial: the certificates in use, replaced on reload without touching connections.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "config/config.hpp"
#include "keystonemail/tls/context.hpp"

namespace keystonemail::host {

// What tells the TLS of one listener from that of another: sessions and application protocols (RFC 7301) are not shared
// between them.
enum class TlsService : std::uint8_t { smtp, imap, web };
struct TlsKind {
  TlsService service = TlsService::smtp;
  bool client_certificates = false;
  friend auto operator<=>(const TlsKind&, const TlsKind&) = default;
};
[[nodiscard]] TlsKind tls_kind(const ListenerConfig& listener) noexcept;

// One certificate and its key, read and tried. Errors: those of the files, and invalid: bad, or no pair; the text names the files.
[[nodiscard]] Result<tls::CertifiedKey> read_certificate(const CertificateConfig& config);

// Threads: any.
class TlsMaterial {
 public:
  // Reads certificates, keys and authorities. On an error the old ones stay. Errors: those of the files; invalid.
  [[nodiscard]] Result<void> load(const Config& config);
  // Null when there is none: no certificate is configured, or no listener of that kind.
  [[nodiscard]] std::shared_ptr<const tls::ServerContext> context(TlsKind kind) const;

 private:
  mutable std::mutex mutex_;
  std::map<TlsKind, std::shared_ptr<const tls::ServerContext>> contexts_;
};

}  // namespace keystonemail::host
