// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// X.509 certificates (RFC 5280): making self-signed ones, and reading what a certificate says.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/result.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/crypto/key.hpp"

namespace keystonemail::crypto {

namespace limits {
inline constexpr std::size_t pem_octets_max = 1u << 20;
inline constexpr std::size_t certificates_per_chain_max = 16;
}  // namespace limits

// What a certificate says of itself; nothing in it is verified.
struct CertificateInfo {
  std::string subject;                    // RFC 4514 style: "CN=mail.example.org,O=Example"
  std::string common_name;                // the last one; empty if none or if it holds NUL
  std::string issuer;
  std::vector<std::string> dns_names;     // subjectAltName, lower case
  std::vector<std::string> ip_addresses;
  std::vector<std::string> email_addresses;
  WallTime not_before{};
  WallTime not_after{};
  std::string fingerprint;                // SHA-256 of the DER, lower-case hexadecimal
  bool self_issued = false;               // subject and issuer are the same
};

// Errors: invalid.
[[nodiscard]] Result<CertificateInfo> read_certificate_der(std::string_view der);
// The certificates of a PEM text, first to last. Errors: invalid, too_large.
[[nodiscard]] Result<std::vector<std::string>> certificates_from_pem(std::string_view pem);  // DER each
// The first certificate of a PEM text. Errors: invalid, too_large.
[[nodiscard]] Result<CertificateInfo> read_certificate_pem(std::string_view pem);

// Whether a name of a certificate is `host`, or a wildcard for it, which stands for the whole left-most label (RFC 9525 §6.3). Both in
// lower case and A-labels.
[[nodiscard]] bool certificate_name_fits(std::string_view name, std::string_view host) noexcept;

struct CertificateRequest {
  std::vector<std::string> names;         // DNS names (wildcards too) and IP addresses; the first is the common name
  std::vector<std::string> email_addresses;
  WallTime not_before{};
  WallTime not_after{};
  bool authority = false;                 // may sign others
};

struct IssuedCertificate {
  std::string certificate_pem;
  SecretString private_key_pem;
};

// A certificate for a new ECDSA P-256 key, signed by that key. Errors: invalid (no names, too long), internal.
[[nodiscard]] Result<IssuedCertificate> make_self_signed(const CertificateRequest& request);
// The same for a key at hand; gives the certificate as PEM.
[[nodiscard]] Result<std::string> make_self_signed(const CertificateRequest& request, const PrivateKey& key);
// A certificate for `key` signed by an authority: for tests and private networks.
[[nodiscard]] Result<std::string> issue_certificate(const CertificateRequest& request, const PublicKey& key,
                                                    std::string_view authority_pem, const PrivateKey& authority_key);

}  // namespace keystonemail::crypto
