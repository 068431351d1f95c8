// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <string>

#include "keystonemail/base/result.hpp"

namespace keystonemail::host {

struct Identity {
  unsigned user = 0, group = 0;
};

// Errors: not_found.
[[nodiscard]] Result<Identity> find_user(const std::string& name);
// Gives up root for good; every capability goes with it. Does nothing when not root. Errors: denied.
[[nodiscard]] Result<void> become(const std::string& name);

}  // namespace keystonemail::host
