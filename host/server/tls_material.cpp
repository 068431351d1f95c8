// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "server/tls_material.hpp"

#include <algorithm>
#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"

namespace keystonemail::host {

namespace {

// A client that names other protocols alone is refused (RFC 7301 §3.2): it believes it speaks to another service. Mail
// submission has no registered name; these are the ones in use.
std::vector<std::string> application_protocols(TlsKind kind) {
  switch (kind.service) {
    case TlsService::smtp: return {"smtp", "esmtp"};
    case TlsService::imap: return {"imap"};
    case TlsService::web: return {"http/1.1", "http/1.0"};
  }
  __builtin_unreachable();
}

TlsService service_of(Protocol protocol) noexcept {
  switch (protocol) {
    case Protocol::smtp:
    case Protocol::submission:
    case Protocol::submissions:
    case Protocol::lmtp: return TlsService::smtp;
    case Protocol::imap:
    case Protocol::imaps: return TlsService::imap;
    case Protocol::https:
    case Protocol::http: return TlsService::web;
  }
  __builtin_unreachable();
}

std::string session_context(TlsService service) {
  switch (service) {
    case TlsService::smtp: return "keystone-mail smtp";
    case TlsService::imap: return "keystone-mail imap";
    case TlsService::web: return "keystone-mail web";
  }
  __builtin_unreachable();
}

}  // namespace

TlsKind tls_kind(const ListenerConfig& listener) noexcept {
  return {.service = service_of(listener.protocol), .client_certificates = listener.client_certificates};
}

Result<tls::CertifiedKey> read_certificate(const CertificateConfig& config) {
  tls::CertifiedKey read;
  KM_TRY(read.chain_pem, read_file(config.chain));
  KM_TRY(read.private_key_pem, read_secret(config.private_key));
  tls::ServerOptions alone;
  alone.certificates.push_back(read);
  if (const auto tried = tls::ServerContext::create(alone); !tried) {
    const Error& error = tried.error();
    return fail(error.kind(), format("{} with the key {}: {}", config.chain, config.private_key.name, error.text()), error.detail());
  }
  return read;
}

Result<void> TlsMaterial::load(const Config& config) {
  const bool uses_tls = std::ranges::any_of(config.listeners, [](const ListenerConfig& listener) { return listener.tls != TlsUse::none; });
  if (config.certificate.empty() || !uses_tls) return {};
  tls::ServerOptions options;
  for (const CertificateConfig& one : all_certificates(config)) {
    KM_TRY(auto read, read_certificate(one));
    options.certificates.push_back(std::move(read));
  }
  if (!config.client_authorities.empty()) {
    KM_TRY(options.client_trust_pem, read_file(config.client_authorities));
  }
  std::map<TlsKind, std::shared_ptr<const tls::ServerContext>> fresh;
  for (const ListenerConfig& listener : config.listeners) {
    const TlsKind kind = tls_kind(listener);
    if (listener.tls == TlsUse::none || fresh.contains(kind)) continue;
    options.session_context = session_context(kind.service);
    options.application_protocols = application_protocols(kind);
    options.client_certificates = kind.client_certificates ? tls::ClientCertificates::request : tls::ClientCertificates::none;
    auto created = tls::ServerContext::create(options, context(kind));
    if (!created && !options.client_trust_pem.empty())  // all else has been tried
      return fail(created.error().kind(), format("{}: {}", config.client_authorities, created.error().text()), created.error().detail());
    KM_TRY(fresh[kind], std::move(created));
  }
  const std::lock_guard lock(mutex_);
  contexts_ = std::move(fresh);
  return {};
}

std::shared_ptr<const tls::ServerContext> TlsMaterial::context(TlsKind kind) const {
  const std::lock_guard lock(mutex_);
  const auto found = contexts_.find(kind);
  return found == contexts_.end() ? nullptr : found->second;
}

}  // namespace keystonemail::host
