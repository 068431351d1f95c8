// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A stored value: one octet of version, the CRC-32C of table name, key and value (little-endian), the value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace keystonemail::lmdb {

inline constexpr std::size_t value_prefix_octets = 5;
inline constexpr char value_version = 1;

// Writes prefix and value to `out`, which has room for value_prefix_octets more than the value.
// `table_sum` is the CRC-32C of the table's name.
void store_value(char* out, std::uint32_t table_sum, std::string_view key, std::string_view value) noexcept;
// The value inside `stored`; nothing when it is damaged or of an unknown version.
[[nodiscard]] std::optional<std::string_view> load_value(std::uint32_t table_sum, std::string_view key,
                                                         std::string_view stored) noexcept;

}  // namespace keystonemail::lmdb
