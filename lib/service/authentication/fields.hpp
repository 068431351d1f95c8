// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Header fields as text, made edits; and whom a header says it is from.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/policy/decision.hpp"

namespace keystonemail::authentication {

// Whole fields, each with its line end, as additions on top in the same order.
[[nodiscard]] std::vector<policy::Edit> additions(std::string_view fields);

// The domain of the one address in the one From field (A-labels, lower case); nothing when there are more or fewer.
[[nodiscard]] std::optional<std::string> author_domain(std::string_view header);

}  // namespace keystonemail::authentication
