// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include <algorithm>
#include <array>
#include <span>

#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/crypto/password.hpp"

namespace keystonemail::crypto {
namespace {

constexpr std::size_t password_random_octets = 20;  // 160 bits: 32 letters of 5
constexpr std::size_t group_letters = 4;
// 32 letters and digits, without i, l, o and u: what people misread is read as what was meant.
constexpr std::string_view alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
static_assert(alphabet.size() == 32);

}  // namespace

SecretString generate_app_password(Random& random) {
  std::array<unsigned char, password_random_octets> octets;
  random.fill(std::as_writable_bytes(std::span(octets)));
  std::string text;
  text.reserve(password_random_octets * 2);
  std::uint32_t bits = 0;
  unsigned held = 0;
  std::size_t letters = 0;
  for (const auto octet : octets) {
    bits = (bits << 8 | octet) & 0xFFFF;
    for (held += 8; held >= 5; held -= 5) {
      if (letters != 0 && letters % group_letters == 0) text.push_back('-');
      text.push_back(alphabet[(bits >> (held - 5)) & 31]);
      ++letters;
    }
  }
  wipe(octets.data(), octets.size());
  return SecretString::adopt(text);
}

SecretString normalise_app_password(std::string_view typed) {
  std::string normal;
  normal.reserve(typed.size());
  for (const char c : typed) {
    switch (const char lower = to_lower(c)) {
      case ' ': case '-': case '\t': break;
      case 'o': normal.push_back('0'); break;
      case 'i': case 'l': normal.push_back('1'); break;
      default: normal.push_back(lower);
    }
  }
  return SecretString::adopt(normal);
}

std::string hash_app_password(std::string_view typed) {
  return digest(Hash::sha256, normalise_app_password(typed).view());
}

bool verify_app_password(std::string_view typed, std::string_view stored) noexcept {
  if (typed.size() > limits::password_octets_max) return false;
  const auto value = sha256(normalise_app_password(typed).view());
  return constant_time_equal({reinterpret_cast<const char*>(value.data()), value.size()}, stored);
}

}  // namespace keystonemail::crypto
