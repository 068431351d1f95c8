// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include <openssl/err.h>
#include <openssl/pem.h>

#include <new>

#include "base/format.hpp"
#include "base/try.hpp"
#include "tls/state.hpp"

namespace keystonemail::tls {
namespace {

// RFC 9325 §4.2: forward secrecy and authenticated encryption. TLS 1.3 has nothing else.
constexpr char tls1_2_ciphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

#ifdef SSL_GROUP_X25519_MLKEM768
constexpr char groups[] = "X25519MLKEM768:X25519:P-256:P-384";
#else
constexpr char groups[] = "X25519:P-256:P-384";
#endif

std::uint16_t number_of(Version version) noexcept { return version == Version::tls1_3 ? TLS1_3_VERSION : TLS1_2_VERSION; }

bssl::UniquePtr<BIO> reader(std::string_view text) {
  bssl::UniquePtr<BIO> input(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (!input) throw std::bad_alloc();
  return input;
}

}  // namespace

std::string take_error_text() {
  const std::uint32_t code = ERR_peek_error();
  const char* reason = code ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  return reason ? reason : "";
}

std::string library_name() { return format("BoringSSL (API {})", BORINGSSL_API_VERSION); }

Result<bssl::UniquePtr<SSL_CTX>> make_context(Version version_min, Version version_max) {
  bssl::UniquePtr<SSL_CTX> context(SSL_CTX_new(TLS_method()));
  if (!context) throw std::bad_alloc();
  if (!SSL_CTX_set_min_proto_version(context.get(), number_of(version_min)) ||
      !SSL_CTX_set_max_proto_version(context.get(), number_of(version_max)) ||
      !SSL_CTX_set_strict_cipher_list(context.get(), tls1_2_ciphers) || !SSL_CTX_set1_curves_list(context.get(), groups)) {
    return fail(ErrorKind::internal, "TLS could not be set up", take_error_text());
  }
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_early_data_enabled(context.get(), 0);
  SSL_CTX_set_max_cert_list(context.get(), limits::peer_chain_octets_max);
  SSL_CTX_set_timeout(context.get(), static_cast<std::uint32_t>(std::chrono::seconds(limits::ticket_lifetime).count()));
  SSL_CTX_set_session_psk_dhe_timeout(context.get(),
                                      static_cast<std::uint32_t>(std::chrono::seconds(limits::ticket_lifetime).count()));
  SSL_CTX_set_cert_verify_callback(context.get(), verify_peer, nullptr);
  return context;
}

Result<void> use_certificate(SSL_CTX* context, const CertifiedKey& certified) {
  KM_TRY(const auto chain, crypto::certificates_from_pem(certified.chain_pem));
  if (chain.size() > crypto::limits::certificates_per_chain_max) {
    return fail(ErrorKind::too_large, "A certificate chain has at most 16 certificates");
  }
  if (!SSL_CTX_use_certificate_ASN1(context, chain.front().size(), octets(chain.front()))) {
    return fail(ErrorKind::invalid, "The certificate cannot be used for TLS", take_error_text());
  }
  for (std::size_t i = 1; i < chain.size(); ++i) {
    const std::uint8_t* position = octets(chain[i]);
    bssl::UniquePtr<X509> certificate(d2i_X509(nullptr, &position, static_cast<long>(chain[i].size())));
    if (!certificate || !SSL_CTX_add1_chain_cert(context, certificate.get())) {
      return fail(ErrorKind::invalid, "The certificate chain cannot be used for TLS", take_error_text());
    }
  }
  KM_TRY(const auto parsed, crypto::PrivateKey::from_pem(certified.private_key_pem));  // limits and kinds
  const auto input = reader(certified.private_key_pem);
  bssl::UniquePtr<EVP_PKEY> key(PEM_read_bio_PrivateKey(input.get(), nullptr, nullptr, nullptr));
  if (!key || !SSL_CTX_use_PrivateKey(context, key.get()) || !SSL_CTX_check_private_key(context)) {
    return fail(ErrorKind::invalid, "The private key does not belong to the certificate", take_error_text());
  }
  return {};
}

Result<void> trust_authorities(SSL_CTX* context, std::string_view pem) {
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  KM_TRY(const auto authorities, crypto::certificates_from_pem(pem));
  for (const auto& der : authorities) {
    const std::uint8_t* position = octets(der);
    bssl::UniquePtr<X509> authority(d2i_X509(nullptr, &position, static_cast<long>(der.size())));
    if (!authority || !X509_STORE_add_cert(store, authority.get())) {
      return fail(ErrorKind::invalid, "An authority's certificate cannot be used", take_error_text());
    }
  }
  return {};
}

Result<std::string> protocol_list(const std::vector<std::string>& protocols) {
  std::string list;
  for (const auto& protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255) return fail(ErrorKind::invalid, "An ALPN name has 1 to 255 octets");
    list.push_back(static_cast<char>(protocol.size()));
    list += protocol;
  }
  return list;
}

}  // namespace keystonemail::tls
