// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "codec/nfc.hpp"

#include <unicase.h>
#include <uninorm.h>

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "keystonemail/base/text.hpp"

namespace keystonemail::codec {
namespace {

const std::uint8_t* data_of(std::string_view utf8) { return reinterpret_cast<const std::uint8_t*>(utf8.data()); }

std::optional<std::string> adopt(std::uint8_t* made, std::size_t octets) {
  const std::unique_ptr<std::uint8_t, decltype(&std::free)> owner(made, &std::free);
  if (!owner) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(owner.get()), octets);
}

}  // namespace

std::optional<std::string> to_nfc(std::string_view utf8) {
  if (is_ascii(utf8)) return std::string(utf8);
  if (!is_utf8(utf8)) return std::nullopt;
  std::size_t octets = 0;
  std::uint8_t* const made = u8_normalize(UNINORM_NFC, data_of(utf8), utf8.size(), nullptr, &octets);
  return adopt(made, octets);
}

std::optional<std::string> to_lower_nfc(std::string_view utf8) {
  if (is_ascii(utf8)) return to_lower(utf8);
  if (!is_utf8(utf8)) return std::nullopt;
  std::size_t octets = 0;
  std::uint8_t* const made = u8_tolower(data_of(utf8), utf8.size(), nullptr, UNINORM_NFC, nullptr, &octets);
  return adopt(made, octets);
}

}  // namespace keystonemail::codec
