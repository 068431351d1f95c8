// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The public key within a certificate, as DANE compares it (RFC 6698 §2.1.2, RFC 7671 §5.1).
#pragma once

#include <string>
#include <string_view>

#include "keystonemail/base/result.hpp"

namespace keystonemail::crypto {

// The SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) of a certificate, both as DER. Nothing is verified. Errors: invalid.
[[nodiscard]] Result<std::string> certificate_public_key(std::string_view certificate_der);

}  // namespace keystonemail::crypto
