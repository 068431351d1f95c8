// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Unicode passwords in one form, by libunistring.
#include <unictype.h>
#include <uninorm.h>

#include <cstdlib>
#include <new>

#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/password.hpp"

namespace keystonemail::crypto {
namespace {

// RFC 3454 §B.1: what is invisible, and so is not compared.
bool is_mapped_to_nothing(char32_t c) noexcept {
  return c == 0x00AD || c == 0x034F || c == 0x1806 || (c >= 0x180B && c <= 0x180D) || (c >= 0x200B && c <= 0x200D) ||
         c == 0x2060 || (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF;
}

bool is_control(char32_t c) noexcept { return uc_is_general_category(c, UC_CONTROL); }

// RFC 4013 §2.1.
std::string map(std::string_view text) {
  std::string mapped;
  mapped.reserve(text.size());
  while (!text.empty()) {
    const auto point = decode_utf8(text);
    if (uc_is_general_category(point->value, UC_SPACE_SEPARATOR)) {
      mapped.push_back(' ');
    } else if (!is_mapped_to_nothing(point->value)) {
      append_utf8(mapped, point->value);
    }
    text.remove_prefix(point->octets);
  }
  return mapped;
}

// RFC 4013 §2.2.
SecretString normalise(std::string_view text) {
  std::size_t size = 0;
  auto* data = u8_normalize(UNINORM_NFKC, reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), nullptr, &size);
  if (!data) throw std::bad_alloc();
  SecretString normal(std::string_view(reinterpret_cast<const char*>(data), size));
  wipe(data, size);
  std::free(data);
  return normal;
}

bool has_control(std::string_view text) noexcept {
  while (!text.empty()) {
    const auto point = decode_utf8(text);
    if (is_control(point->value)) return true;
    text.remove_prefix(point->octets);
  }
  return false;
}

}  // namespace

Result<SecretString> prepare_password(std::string_view password) {
  if (password.size() > limits::password_octets_max) return fail(ErrorKind::too_large, "A password has at most 1024 octets");
  if (!is_utf8(password)) return fail(ErrorKind::invalid, "A password is UTF-8");
  if (has_control(password)) return fail(ErrorKind::invalid, "A password has no control characters");
  if (is_ascii(password)) {
    if (password.empty()) return fail(ErrorKind::invalid, "A password is not empty");
    return SecretString(password);
  }
  std::string mapped = map(password);
  auto normal = normalise(mapped);
  wipe(mapped);
  if (normal.empty()) return fail(ErrorKind::invalid, "A password is not empty");
  return normal;
}

}  // namespace keystonemail::crypto
