// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/base/random.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace keystonemail {

std::uint64_t Random::next_u64() {
  std::uint64_t value = 0;
  fill(std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

std::uint64_t Random::below(std::uint64_t bound) {
  assert(bound > 0);
  const std::uint64_t excess = (0 - bound) % bound;  // values below it would favour small results
  for (;;) {
    const std::uint64_t value = next_u64();
    if (value >= excess) return value % bound;
  }
}

std::string Random::hex(std::size_t octets) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(octets * 2);
  std::byte chunk[32];
  while (octets > 0) {
    const auto part = std::span(chunk).first(std::min(octets, sizeof chunk));
    fill(part);
    for (const std::byte octet : part) {
      out.push_back(digits[std::to_integer<unsigned>(octet) >> 4]);
      out.push_back(digits[std::to_integer<unsigned>(octet) & 15]);
    }
    octets -= part.size();
  }
  return out;
}

void SystemRandom::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    const ssize_t got = ::getrandom(out.data(), out.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) std::abort();
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

// SplitMix64 (Steele, Lea, Flood 2014): one 64-bit state, full period.
void SeededRandom::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t value = state_;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
    value ^= value >> 31;
    const std::size_t count = std::min(out.size(), sizeof value);
    std::memcpy(out.data(), &value, count);
    out = out.subspan(count);
  }
}

}  // namespace keystonemail
