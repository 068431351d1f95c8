// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What an evaluation found, as Authentication-Results says it.
//
// Ownership: values. Threads: pure. Errors: none. Limits: those of the evaluation.
#pragma once

#include "keystonemail/mailauth/authentication_results.hpp"
#include "keystonemail/mailauth/iprev/evaluation.hpp"

namespace keystonemail::mailauth::iprev {

// iprev=, with policy.iprev (RFC 8601 §2.7.3).
[[nodiscard]] MethodResult method_result(const Verdict& verdict);

}  // namespace keystonemail::mailauth::iprev
