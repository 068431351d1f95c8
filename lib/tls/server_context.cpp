// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "tls/state.hpp"

namespace keystonemail::tls {
namespace {

std::string_view read_server_name(const SSL_CLIENT_HELLO* hello) noexcept {
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;
  if (!SSL_early_callback_ctx_extension_get(hello, TLSEXT_TYPE_server_name, &data, &size)) return {};
  // RFC 6066 §3: a list, of which one entry of type host_name (0) has a use.
  CBS extension, list, name;
  std::uint8_t type = 0;
  CBS_init(&extension, data, size);
  if (!CBS_get_u16_length_prefixed(&extension, &list) || !CBS_get_u8(&list, &type) || type != TLSEXT_NAMETYPE_host_name ||
      !CBS_get_u16_length_prefixed(&list, &name) || CBS_len(&name) > TLSEXT_MAXLEN_host_name) {
    return {};
  }
  return {reinterpret_cast<const char*>(CBS_data(&name)), CBS_len(&name)};
}

// Whether signature_algorithms (RFC 8446 §4.2.3) has ecdsa_secp256r1_sha256.
bool takes_ecdsa(const SSL_CLIENT_HELLO* hello) noexcept {
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;
  if (!SSL_early_callback_ctx_extension_get(hello, TLSEXT_TYPE_signature_algorithms, &data, &size)) return false;
  CBS extension, list;
  CBS_init(&extension, data, size);
  if (!CBS_get_u16_length_prefixed(&extension, &list)) return false;
  for (std::uint16_t algorithm = 0; CBS_get_u16(&list, &algorithm);) {
    if (algorithm == SSL_SIGN_ECDSA_SECP256R1_SHA256) return true;
  }
  return false;
}

ssl_select_cert_result_t select_certificate(const SSL_CLIENT_HELLO* hello) {
  auto& state = Channel::State::of(hello->ssl);
  const auto name = read_server_name(hello);
  // What is kept goes to logs and headers: anything but a host name is not kept.
  const bool plain = std::ranges::all_of(name, [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_'; });
  state.server_name = plain ? to_lower(name) : std::string();
  const auto& entry = state.server->state().choose(state.server_name, takes_ecdsa(hello));
  return SSL_set_SSL_CTX(hello->ssl, entry.context.get()) ? ssl_select_cert_success : ssl_select_cert_error;
}

// RFC 7301 §3.2: a client that offers only what we do not speak is refused.
int select_protocol(SSL* ssl, const std::uint8_t** out, std::uint8_t* out_size, const std::uint8_t* offered, unsigned size, void*) {
  const auto& ours = Channel::State::of(ssl).server->state().application_protocols;
  for (const auto& protocol : ours) {
    CBS list, name;
    CBS_init(&list, offered, size);
    while (CBS_get_u8_length_prefixed(&list, &name)) {
      if (!CBS_mem_equal(&name, octets(protocol), protocol.size())) continue;
      *out = CBS_data(&name);
      *out_size = static_cast<std::uint8_t>(CBS_len(&name));
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int seal_or_open_ticket(SSL* ssl, std::uint8_t* name, std::uint8_t* iv, EVP_CIPHER_CTX* cipher, HMAC_CTX* mac, int encrypt) {
  auto& keys = *Channel::State::of(ssl).server->state().tickets;
  if (encrypt) {
    const auto key = keys.current();
    std::memcpy(name, key.name.data(), key.name.size());
    RAND_bytes(iv, EVP_CIPHER_iv_length(EVP_aes_256_cbc()));
    return EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), iv) &&
                   HMAC_Init_ex(mac, key.mac.data(), key.mac.size(), EVP_sha256(), nullptr)
               ? 1
               : -1;
  }
  const auto found = keys.find(name);
  if (!found) return 0;
  if (!HMAC_Init_ex(mac, found->key.mac.data(), found->key.mac.size(), EVP_sha256(), nullptr) ||
      !EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, found->key.cipher.data(), iv)) {
    return -1;
  }
  return found->is_current ? 1 : 2;  // 2: give the client a new one
}

// Sessions are bound to the listener, to whether it asks for certificates, and to the certificate: a channel binding of a
// resumed session then names the certificate that the client saw.
bool bind_sessions(SSL_CTX* context, const ServerOptions& options, const crypto::CertificateInfo& certificate) {
  const auto id = crypto::sha256(format("{}\n{}\n{}", options.session_context, certificate.fingerprint,
                                        static_cast<int>(options.client_certificates)) + "\n" + options.client_trust_pem);
  return SSL_CTX_set_session_id_context(context, id.data(), id.size()) == 1;
}

Result<ServerEntry> make_entry(const ServerOptions& options, const CertifiedKey& certified, const crypto::CertificateInfo& info) {
  KM_TRY(auto context, make_context(options.version_min, options.version_max));
  SSL_CTX* raw = context.get();
  KM_CHECK(use_certificate(raw, certified));
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);  // tickets only: the server keeps nothing
  SSL_CTX_set_num_tickets(raw, 1);
  SSL_CTX_set_tlsext_ticket_key_cb(raw, seal_or_open_ticket);
  SSL_CTX_set_select_certificate_cb(raw, select_certificate);
  if (!options.application_protocols.empty()) SSL_CTX_set_alpn_select_cb(raw, select_protocol, nullptr);
  if (options.client_certificates == ClientCertificates::request) {
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
    if (!options.client_trust_pem.empty()) KM_CHECK(trust_authorities(raw, options.client_trust_pem));
  }
  if (!bind_sessions(raw, options, info)) return fail(ErrorKind::internal, "TLS could not be set up", take_error_text());
  KM_TRY(const auto chain, crypto::certificates_from_pem(certified.chain_pem));
  ServerEntry entry{std::move(context), end_point_binding_of(chain.front()), false};
  entry.ecdsa = EVP_PKEY_id(SSL_CTX_get0_privatekey(raw)) == EVP_PKEY_EC;
  ERR_clear_error();
  return entry;
}

}  // namespace

const ServerEntry& ServerContext::State::choose(std::string_view server_name, bool client_takes_ecdsa) const {
  auto found = by_name.find(server_name);
  if (found == by_name.end()) {
    // RFC 9525 §6.3: a wildcard stands for one whole left-most label.
    const auto dot = server_name.find('.');
    if (dot != std::string_view::npos) found = by_name.find("*" + std::string(server_name.substr(dot)));
  }
  if (found == by_name.end()) {
    if (client_takes_ecdsa || !entries.front().ecdsa) return entries.front();
    const auto other = std::ranges::find(entries, false, &ServerEntry::ecdsa);
    return other == entries.end() ? entries.front() : *other;
  }
  for (const auto index : found->second) {
    if (entries[index].ecdsa == client_takes_ecdsa) return entries[index];
  }
  return entries[found->second.front()];
}

const ServerEntry* ServerContext::State::entry_of(const SSL_CTX* context) const noexcept {
  const auto found = std::ranges::find(entries, context, [](const ServerEntry& entry) { return entry.context.get(); });
  return found == entries.end() ? nullptr : &*found;
}

Result<std::shared_ptr<const ServerContext>> ServerContext::create(const ServerOptions& options,
                                                                   const std::shared_ptr<const ServerContext>& previous) {
  if (options.certificates.empty()) return fail(ErrorKind::invalid, "TLS needs a certificate");
  if (options.certificates.size() > limits::certificates_max) {
    return fail(ErrorKind::too_large, "A listener has at most 1000 certificates");
  }
  KM_CHECK(protocol_list(options.application_protocols));
  auto state = std::make_unique<State>();
  state->bio_method = make_bio_method();
  state->application_protocols = options.application_protocols;
  state->requests_certificate = options.client_certificates == ClientCertificates::request;
  state->tickets = previous ? previous->state().tickets : std::make_shared<TicketKeys>();
  for (const auto& certified : options.certificates) {
    KM_TRY(auto info, crypto::read_certificate_pem(certified.chain_pem));
    KM_TRY(auto entry, make_entry(options, certified, info));
    for (const auto& name : info.dns_names) state->by_name[name].push_back(state->entries.size());
    state->entries.push_back(std::move(entry));
    state->certificates.push_back(std::move(info));
  }
  return std::make_shared<const ServerContext>(std::move(state));
}

ServerContext::ServerContext(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
ServerContext::~ServerContext() = default;

const std::vector<crypto::CertificateInfo>& ServerContext::certificates() const noexcept { return state_->certificates; }

}  // namespace keystonemail::tls
