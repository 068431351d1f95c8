// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Checking the peer's certificate: PKIX (RFC 5280), and for servers the name (RFC 9525).
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "keystonemail/base/ip_address.hpp"
#include "tls/state.hpp"

namespace keystonemail::tls {
namespace {

// RFC 9525 §2: names are matched against alternative names only, never the common name.
bool expect_name(X509_VERIFY_PARAM* parameters, const std::string& name) {
  if (const auto address = IpAddress::parse(name)) {
    const std::size_t size = address->family() == IpAddress::Family::v4 ? 4 : 16;
    return X509_VERIFY_PARAM_set1_ip(parameters, address->octets().data(), size) == 1;
  }
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return !name.empty() && X509_VERIFY_PARAM_set1_host(parameters, name.data(), name.size()) == 1;
}

}  // namespace

Trust trust_of(long verify_result) noexcept {
  switch (verify_result) {
    case X509_V_OK: return Trust::trusted;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID: return Trust::expired;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return Trust::wrong_name;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: return Trust::untrusted;
    default: return Trust::invalid;
  }
}

int verify_peer(X509_STORE_CTX* store, void*) {
  const auto* ssl = static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto& state = Channel::State::of(ssl);
  if (state.client && state.verification == Verification::none) {
    // Kept in the session, so that one made without a check never looks like a checked one.
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 1;
  }
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(store);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(state.now).time_since_epoch().count();
  X509_VERIFY_PARAM_set_time(parameters, static_cast<time_t>(seconds));
  // What is in the trust store is trusted, be it an authority or the very certificate of a server.
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
  if (state.client && !expect_name(parameters, state.server_name)) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
    state.trust = Trust::wrong_name;
  } else {
    const bool valid = X509_verify_cert(store) == 1;
    const int error = X509_STORE_CTX_get_error(store);
    if (!valid && error == X509_V_OK) X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
    state.trust = valid ? Trust::trusted : trust_of(X509_STORE_CTX_get_error(store));
  }
  if (state.trust == Trust::trusted) return 1;
  state.detail = X509_verify_cert_error_string(X509_STORE_CTX_get_error(store));
  const bool refuse = state.client && state.verification == Verification::required;
  return refuse ? 0 : 1;
}

}  // namespace keystonemail::tls
