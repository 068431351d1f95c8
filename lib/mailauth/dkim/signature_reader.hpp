// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The tags that DKIM signatures and ARC seals share. Private to lib/mailauth.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "keystonemail/mailauth/dkim/signature.hpp"
#include "keystonemail/mailauth/tag_list.hpp"

namespace keystonemail::mailauth::dkim {

// Each fills its part of `signature`, and says what is wrong with it.
using Reading = std::optional<Problem>;

[[nodiscard]] Reading read_algorithm(const TagList& tags, Signature& signature);    // a=
[[nodiscard]] Reading read_value(const TagList& tags, Signature& signature);        // b=
[[nodiscard]] Reading read_key_name(const TagList& tags, Signature& signature);     // d= and s=
[[nodiscard]] Reading read_times(const TagList& tags, Signature& signature);        // t= and x=
[[nodiscard]] Reading read_instance(const TagList& tags, Signature& signature);     // i= of ARC, 1 to 50

[[nodiscard]] Problem permanent(std::string_view reason);

}  // namespace keystonemail::mailauth::dkim
