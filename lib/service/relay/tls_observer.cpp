// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/relay/tls_observer.hpp"

namespace keystonemail::relay {

std::string_view to_string(TlsPolicyType type) noexcept {
  switch (type) {
    case TlsPolicyType::sts: return "sts";
    case TlsPolicyType::tlsa: return "tlsa";
    case TlsPolicyType::no_policy_found: return "no-policy-found";
  }
  __builtin_unreachable();
}

std::string_view to_string(TlsResult result) noexcept {
  switch (result) {
    case TlsResult::success: return "success";
    case TlsResult::starttls_not_supported: return "starttls-not-supported";
    case TlsResult::certificate_host_mismatch: return "certificate-host-mismatch";
    case TlsResult::certificate_expired: return "certificate-expired";
    case TlsResult::certificate_not_trusted: return "certificate-not-trusted";
    case TlsResult::validation_failure: return "validation-failure";
    case TlsResult::tlsa_invalid: return "tlsa-invalid";
    case TlsResult::dnssec_invalid: return "dnssec-invalid";
    case TlsResult::dane_required: return "dane-required";
    case TlsResult::sts_policy_fetch_error: return "sts-policy-fetch-error";
    case TlsResult::sts_policy_invalid: return "sts-policy-invalid";
    case TlsResult::sts_webpki_invalid: return "sts-webpki-invalid";
  }
  __builtin_unreachable();
}

}  // namespace keystonemail::relay
