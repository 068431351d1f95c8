// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/crypto/certificate_key.hpp"

#include <openssl/mem.h>
#include <openssl/x509.h>

#include "crypto/boringssl.hpp"

namespace keystonemail::crypto {

Result<std::string> certificate_public_key(std::string_view certificate_der) {
  const std::uint8_t* position = octets(certificate_der);
  const bssl::UniquePtr<X509> certificate(d2i_X509(nullptr, &position, static_cast<long>(certificate_der.size())));
  std::uint8_t* data = nullptr;
  const int size = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.get()), &data) : -1;
  if (size < 0) return fail(ErrorKind::invalid, "This is not a certificate", take_error_text());
  std::string der(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(data);
  return der;
}

}  // namespace keystonemail::crypto
