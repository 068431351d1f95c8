// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What libunbound is told before its first question.
#pragma once

#include "keystonemail/backends/unbound/resolver.hpp"

struct ub_ctx;

namespace keystonemail::unbound {

// Errors: invalid (a trust anchor or server is not one), unavailable.
[[nodiscard]] Result<void> apply_settings(ub_ctx& context, const Options& options);

}  // namespace keystonemail::unbound
