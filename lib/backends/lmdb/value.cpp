// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/lmdb/value.hpp"

#include <cstring>

#include "keystonemail/codec/crc32c.hpp"

namespace keystonemail::lmdb {
namespace {

std::uint32_t sum(std::uint32_t table_sum, std::string_view key, std::string_view value) noexcept {
  return codec::crc32c(value, codec::crc32c(key, table_sum));
}

}  // namespace

void store_value(char* out, std::uint32_t table_sum, std::string_view key, std::string_view value) noexcept {
  const std::uint32_t crc = sum(table_sum, key, value);
  out[0] = value_version;
  for (unsigned i = 0; i < 4; ++i) out[1 + i] = static_cast<char>(crc >> (8 * i));
  if (!value.empty()) std::memcpy(out + value_prefix_octets, value.data(), value.size());
}

std::optional<std::string_view> load_value(std::uint32_t table_sum, std::string_view key,
                                           std::string_view stored) noexcept {
  if (stored.size() < value_prefix_octets || stored[0] != value_version) return std::nullopt;
  std::uint32_t crc = 0;
  for (unsigned i = 0; i < 4; ++i) crc |= static_cast<std::uint32_t>(static_cast<unsigned char>(stored[1 + i])) << (8 * i);
  const auto value = stored.substr(value_prefix_octets);
  if (sum(table_sum, key, value) != crc) return std::nullopt;
  return value;
}

}  // namespace keystonemail::lmdb
