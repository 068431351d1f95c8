// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What an evaluation found, as Authentication-Results says it.
//
// Ownership: values. Threads: pure. Errors: none. Limits: those of the evaluation.
#pragma once

#include "keystonemail/mailauth/authentication_results.hpp"
#include "keystonemail/mailauth/dmarc/author.hpp"
#include "keystonemail/mailauth/dmarc/evaluation.hpp"

namespace keystonemail::mailauth::dmarc {

// dmarc=, with header.from (RFC 7489 §11.1), and the policy that was found as polrec.p and polrec.domain (RFC 9989 §9.1).
[[nodiscard]] MethodResult method_result(const Verdict& verdict);
// Of a message that names no one author: permerror.
[[nodiscard]] MethodResult method_result(AuthorFault fault);

}  // namespace keystonemail::mailauth::dmarc
