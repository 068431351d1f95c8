// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The limits of kv.hpp, checked alike by every backend.
#pragma once

#include <string_view>

#include "keystonemail/base/result.hpp"

namespace keystonemail::kv {

// Errors: invalid for an empty key; too_large.
[[nodiscard]] Result<void> check_row(std::string_view key, std::string_view value);

}  // namespace keystonemail::kv
