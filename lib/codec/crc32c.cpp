// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/codec/crc32c.hpp"

#include <array>
#include <cstddef>
#include <cstring>

#include "codec/crc32c_table.hpp"

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace keystonemail::codec {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t sum = i;
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) != 0 ? 0x82f63b78U : 0U);
    table[i] = sum;
  }
  return table;
}

constexpr auto table = make_table();

std::uint32_t by_table(std::string_view octets, std::uint32_t sum) noexcept {
  for (const char c : octets) sum = (sum >> 8) ^ table[(sum ^ static_cast<unsigned char>(c)) & 0xff];
  return sum;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::string_view octets, std::uint32_t sum) noexcept {
  const char* p = octets.data();
  std::size_t left = octets.size();
  std::uint64_t wide = sum;
  for (; left >= 8; p += 8, left -= 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  auto narrow = static_cast<std::uint32_t>(wide);
  for (; left > 0; ++p, --left) narrow = _mm_crc32_u8(narrow, static_cast<unsigned char>(*p));
  return narrow;
}
#endif

}  // namespace

std::uint32_t crc32c(std::string_view octets, std::uint32_t previous) noexcept {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ~by_instruction(octets, ~previous);
#endif
  return ~by_table(octets, ~previous);
}

std::uint32_t crc32c_by_table(std::string_view octets, std::uint32_t previous) noexcept {
  return ~by_table(octets, ~previous);
}

}  // namespace keystonemail::codec
