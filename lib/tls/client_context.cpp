// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/try.hpp"
#include "tls/state.hpp"

namespace keystonemail::tls {
namespace {

Result<std::string> read_trust_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(ErrorKind::not_found, "The file of trusted authorities cannot be read", path);
  std::string text(crypto::limits::pem_octets_max + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

// A session a server gave: kept until the channel's owner takes it.
int keep_session(SSL* ssl, SSL_SESSION* session) {
  auto& state = Channel::State::of(ssl);
  bssl::UniquePtr<SSL_SESSION> owned(session);
  if (SSL_SESSION_is_resumable(session)) {
    state.session = ClientSession(std::make_shared<const ClientSession::State>(
        ClientSession::State{std::move(owned), state.client.get(), state.server_name, state.verification}));
  }
  return 1;  // the session is ours, kept or not
}

}  // namespace

std::string system_trust_path() {
  for (const char* path : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"}) {
    std::error_code error;
    if (std::filesystem::is_regular_file(path, error)) return path;
  }
  return {};
}

Result<std::shared_ptr<const ClientContext>> ClientContext::create(const ClientOptions& options) {
  auto state = std::make_unique<State>();
  state->bio_method = make_bio_method();
  KM_TRY(state->context, make_context(options.version_min, options.version_max));
  SSL_CTX* raw = state->context.get();
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(raw, keep_session);
  if (!options.trust_path.empty()) {
    KM_TRY(const auto text, read_trust_file(options.trust_path));
    KM_CHECK(trust_authorities(raw, text));
  }
  if (!options.trust_pem.empty()) KM_CHECK(trust_authorities(raw, options.trust_pem));
  if (options.certificate.size() > 1) return fail(ErrorKind::invalid, "A client has at most one certificate");
  for (const auto& certified : options.certificate) KM_CHECK(use_certificate(raw, certified));
  KM_TRY(const auto protocols, protocol_list(options.application_protocols));
  if (SSL_CTX_set_alpn_protos(raw, octets(protocols), static_cast<unsigned>(protocols.size())) != 0) {  // 0 is success
    return fail(ErrorKind::invalid, "The ALPN names cannot be used", take_error_text());
  }
  return std::make_shared<const ClientContext>(std::move(state));
}

ClientContext::ClientContext(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
ClientContext::~ClientContext() = default;

}  // namespace keystonemail::tls
