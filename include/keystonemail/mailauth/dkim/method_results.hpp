// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What a verifier found, as Authentication-Results says it (RFC 8601 §2.7.1, RFC 6008).
//
// Ownership: values. Threads: pure functions. Errors: none. Limits: those of the verifier.
#pragma once

#include <vector>

#include "keystonemail/mailauth/authentication_results.hpp"
#include "keystonemail/mailauth/dkim/verifier.hpp"

namespace keystonemail::mailauth::dkim {

// One "dkim=" for each signature with header.d, header.s, header.a and header.b; "dkim=none" when there is none.
[[nodiscard]] std::vector<MethodResult> method_results(const std::vector<SignatureResult>& results);

}  // namespace keystonemail::mailauth::dkim
