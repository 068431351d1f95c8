// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/sip_hash.hpp"

#include <bit>

#include "service/mailstore/rows.hpp"

namespace keystonemail::service {

namespace {

struct State {
  std::uint64_t v0, v1, v2, v3;

  void round() noexcept {
    v0 += v1; v1 = std::rotl(v1, 13); v1 ^= v0; v0 = std::rotl(v0, 32);
    v2 += v3; v3 = std::rotl(v3, 16); v3 ^= v2;
    v0 += v3; v3 = std::rotl(v3, 21); v3 ^= v0;
    v2 += v1; v1 = std::rotl(v1, 17); v1 ^= v2; v2 = std::rotl(v2, 32);
  }
  void absorb(std::uint64_t word) noexcept {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

}  // namespace

std::uint64_t sip_hash(const SipKey& key, std::string_view octets) noexcept {
  State s{key.k0 ^ 0x736f6d6570736575ULL, key.k1 ^ 0x646f72616e646f6dULL, key.k0 ^ 0x6c7967656e657261ULL,
          key.k1 ^ 0x7465646279746573ULL};
  std::size_t at = 0;
  for (; at + 8 <= octets.size(); at += 8) s.absorb(load_little<std::uint64_t>(octets.data() + at));
  std::uint64_t last = static_cast<std::uint64_t>(octets.size()) << 56;
  for (unsigned shift = 0; at < octets.size(); ++at, shift += 8) {
    last |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(octets[at])) << shift;
  }
  s.absorb(last);
  s.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) s.round();
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

}  // namespace keystonemail::service
