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

// A polynomial times x, modulo that of CRC-32C. The highest bit is the coefficient of x^0.
constexpr std::uint32_t times_x(std::uint32_t sum) noexcept { return (sum >> 1) ^ ((sum & 1) != 0 ? 0x82f63b78U : 0U); }

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t sum = i;
    for (int bit = 0; bit < 8; ++bit) sum = times_x(sum);
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
// The instruction takes three cycles and one may begin in each: three lanes side by side are three times as fast as one.
constexpr std::size_t lane_octets = 4096;

constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) noexcept {
  std::uint32_t product = 0;
  for (std::uint32_t bit = 1U << 31; bit != 0; bit >>= 1, b = times_x(b))
    if ((a & bit) != 0) product ^= b;
  return product;
}

// For each octet of a sum what it becomes once a lane of zeros has followed.
using LaneTable = std::array<std::array<std::uint32_t, 256>, 4>;
constexpr LaneTable make_lane_table() {
  std::uint32_t lane = 1U << 30;  // x, squared until it is x to as many bits as a lane has
  for (std::size_t bits = 1; bits < lane_octets * 8; bits *= 2) lane = multiply(lane, lane);
  LaneTable made{};
  for (std::size_t place = 0; place < made.size(); ++place)
    for (std::uint32_t octet = 0; octet < 256; ++octet) made[place][octet] = multiply(lane, octet << (8 * place));
  return made;
}
constexpr LaneTable lane_table = make_lane_table();

std::uint32_t after_lane(std::uint64_t sum) noexcept {
  return lane_table[0][sum & 0xff] ^ lane_table[1][sum >> 8 & 0xff] ^ lane_table[2][sum >> 16 & 0xff] ^ lane_table[3][sum >> 24 & 0xff];
}

std::uint64_t load(const char* p) noexcept {
  std::uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::string_view octets, std::uint32_t sum) noexcept {
  const char* p = octets.data();
  std::size_t left = octets.size();
  std::uint64_t wide = sum;
  for (; left >= 3 * lane_octets; p += 2 * lane_octets, left -= 3 * lane_octets) {
    std::uint64_t second = 0, third = 0;
    for (const char* end = p + lane_octets; p != end; p += 8) {
      wide = _mm_crc32_u64(wide, load(p));
      second = _mm_crc32_u64(second, load(p + lane_octets));
      third = _mm_crc32_u64(third, load(p + 2 * lane_octets));
    }
    wide = after_lane(after_lane(wide) ^ second) ^ third;
  }
  for (; left >= 8; p += 8, left -= 8) wide = _mm_crc32_u64(wide, load(p));
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
