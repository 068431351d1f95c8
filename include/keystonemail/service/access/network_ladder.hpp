// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The ladder of networks that an address belongs to, with how much more each is allowed than the first: many hosts share
// the wider ones, and one host of IPv6 has a whole /64.
#pragma once

#include <array>
#include <cstdint>

#include "keystonemail/base/ip_address.hpp"

namespace keystonemail::access {

struct Rung {
  unsigned bits_v4, bits_v6;
  std::uint32_t factor;
  [[nodiscard]] unsigned bits(const IpAddress& peer) const noexcept {
    return peer.family() == IpAddress::Family::v4 ? bits_v4 : bits_v6;
  }
};
inline constexpr std::array<Rung, 3> network_ladder{{{32, 64, 1}, {26, 48, 3}, {21, 32, 9}}};

}  // namespace keystonemail::access
