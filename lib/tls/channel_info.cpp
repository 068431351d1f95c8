// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What an established channel can tell of itself and its peer.
#include <openssl/digest.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/pool.h>

#include <cassert>

#include "base/format.hpp"
#include "keystonemail/tls/channel.hpp"
#include "tls/state.hpp"

namespace keystonemail::tls {

std::string_view to_string(Trust trust) noexcept {
  switch (trust) {
    case Trust::unchecked: return "unchecked";
    case Trust::no_certificate: return "no-certificate";
    case Trust::trusted: return "trusted";
    case Trust::untrusted: return "untrusted";
    case Trust::expired: return "expired";
    case Trust::wrong_name: return "wrong-name";
    case Trust::invalid: return "invalid";
  }
  return {};
}

std::string_view to_string(Fault fault) noexcept {
  switch (fault) {
    case Fault::none: return "none";
    case Fault::not_tls: return "not-tls";
    case Fault::version: return "version";
    case Fault::negotiation: return "negotiation";
    case Fault::application_protocol: return "application-protocol";
    case Fault::certificate: return "certificate";
    case Fault::peer_alert: return "peer-alert";
    case Fault::truncated: return "truncated";
    case Fault::renegotiation: return "renegotiation";
    case Fault::protocol: return "protocol";
    case Fault::internal: return "internal";
  }
  return {};
}

// RFC 5929 §4.1: the leaf's digest by the hash of its signature, SHA-256 in place of MD5 and SHA-1; none is defined
// where the signature has no such hash (Ed25519).
std::optional<std::string> end_point_binding_of(std::string_view der) {
  const std::uint8_t* position = octets(der);
  bssl::UniquePtr<X509> certificate(d2i_X509(nullptr, &position, static_cast<long>(der.size())));
  int digest_nid = NID_undef;
  if (!certificate || !OBJ_find_sigid_algs(X509_get_signature_nid(certificate.get()), &digest_nid, nullptr) || digest_nid == NID_undef) {
    return std::nullopt;
  }
  if (digest_nid == NID_md5 || digest_nid == NID_sha1) digest_nid = NID_sha256;
  const EVP_MD* hash = EVP_get_digestbynid(digest_nid);
  std::string value(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  if (!hash || !X509_digest(certificate.get(), hash, reinterpret_cast<std::uint8_t*>(value.data()), &size)) return std::nullopt;
  value.resize(size);
  return value;
}

namespace {
// The library's names for groups are not all those of IANA's registry.
std::string group_name(std::uint16_t number) {
  switch (number) {
    case 23: return "secp256r1";
    case 24: return "secp384r1";
    case 25: return "secp521r1";
    case 29: return "x25519";
    default: break;
  }
  const char* name = SSL_get_curve_name(number);
  return name ? name : "";
}
}  // namespace

// RFC 8314 §4.3: "tls" cipher-suite [group].
std::string ConnectionInfo::received_clause() const {
  return group.empty() ? format("tls {}", cipher) : format("tls {} group {}", cipher, group);
}

ConnectionInfo Channel::info() const {
  const auto& state = *state_;
  assert(state.phase == ChannelState::open || state.phase == ChannelState::peer_closed);
  const SSL* ssl = state.ssl.get();
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  const std::uint8_t* protocol = nullptr;
  unsigned protocol_size = 0;
  SSL_get0_alpn_selected(ssl, &protocol, &protocol_size);
  return {.version = SSL_version(ssl) == TLS1_3_VERSION ? Version::tls1_3 : Version::tls1_2,
          .cipher = SSL_CIPHER_standard_name(cipher),
          .cipher_bits = static_cast<unsigned>(SSL_CIPHER_get_bits(cipher, nullptr)),
          .group = group_name(SSL_get_curve_id(ssl)),
          .server_name = state.server_name,
          .application_protocol = std::string(reinterpret_cast<const char*>(protocol), protocol_size),
          .resumed = SSL_session_reused(ssl) == 1};
}

Trust Channel::trust() const noexcept { return state_->trust; }

std::vector<std::string> Channel::peer_chain() const {
  std::vector<std::string> chain;
  const STACK_OF(CRYPTO_BUFFER)* certificates = SSL_get0_peer_certificates(state_->ssl.get());
  for (std::size_t i = 0; certificates && i < sk_CRYPTO_BUFFER_num(certificates); ++i) {
    const CRYPTO_BUFFER* der = sk_CRYPTO_BUFFER_value(certificates, i);
    chain.emplace_back(reinterpret_cast<const char*>(CRYPTO_BUFFER_data(der)), CRYPTO_BUFFER_len(der));
  }
  return chain;
}

std::optional<std::string> Channel::exporter_binding() const {
  assert(state_->phase == ChannelState::open || state_->phase == ChannelState::peer_closed);
  SSL* ssl = state_->ssl.get();
  // RFC 9266 §4.2: before TLS 1.3 only with the extended master secret (RFC 7627).
  if (SSL_version(ssl) != TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1) return std::nullopt;
  static constexpr std::string_view label = "EXPORTER-Channel-Binding";
  std::string value(32, '\0');
  const bool done = SSL_export_keying_material(ssl, reinterpret_cast<std::uint8_t*>(value.data()), value.size(), label.data(),
                                               label.size(), octets(""), 0, 1) == 1;
  return done ? std::optional(std::move(value)) : std::nullopt;
}

std::optional<std::string> Channel::end_point_binding() const {
  assert(state_->phase == ChannelState::open || state_->phase == ChannelState::peer_closed);
  if (state_->server) {
    const auto* entry = state_->server->state().entry_of(SSL_get_SSL_CTX(state_->ssl.get()));
    return entry ? entry->end_point_binding : std::nullopt;
  }
  const auto chain = peer_chain();
  return chain.empty() ? std::nullopt : end_point_binding_of(chain.front());
}

std::optional<ClientSession> Channel::take_session() { return std::exchange(state_->session, std::nullopt); }

}  // namespace keystonemail::tls
