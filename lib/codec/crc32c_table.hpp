// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The way of crc32c() for processors without the instruction, so that tests can hold one against the other.
#pragma once

#include <cstdint>
#include <string_view>

namespace keystonemail::codec {

[[nodiscard]] std::uint32_t crc32c_by_table(std::string_view octets, std::uint32_t previous) noexcept;

}  // namespace keystonemail::codec
