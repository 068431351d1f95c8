// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "codec/nfc.hpp"

#include <uninorm.h>

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "keystonemail/base/text.hpp"

namespace keystonemail::codec {

std::optional<std::string> to_nfc(std::string_view utf8) {
  if (is_ascii(utf8)) return std::string(utf8);
  if (!is_utf8(utf8)) return std::nullopt;
  std::size_t octets = 0;
  const std::unique_ptr<std::uint8_t, decltype(&std::free)> made(
      u8_normalize(UNINORM_NFC, reinterpret_cast<const std::uint8_t*>(utf8.data()), utf8.size(), nullptr, &octets), &std::free);
  if (!made) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(made.get()), octets);
}

}  // namespace keystonemail::codec
