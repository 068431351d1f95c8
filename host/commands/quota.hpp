// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// How much an account may keep.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/mailstore/mailstore.hpp"

namespace keystonemail::host {

// "524288000", "500M", "2 GiB": K, M, G and T are powers of 1,024. Nothing when it is no size, or none that there can be.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
// "12.3 MiB of 500.0 MiB, 17 messages"
[[nodiscard]] std::string describe_quota(const mailstore::Quota& quota);

}  // namespace keystonemail::host
