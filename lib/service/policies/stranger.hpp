// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Whom the checks of incoming mail are for.
#pragma once

#include <span>

#include "keystonemail/policy/facts.hpp"

namespace keystonemail::policies {

// A server of somebody else: by SMTP, from a network that is neither trusted nor exempt.
[[nodiscard]] bool is_stranger(const policy::Connection& connection, std::span<const IpNetwork> exempt) noexcept;
// Nobody who logged in, nor whom the access rules let pass.
[[nodiscard]] bool is_to_be_checked(const policy::Facts& facts) noexcept;

}  // namespace keystonemail::policies
