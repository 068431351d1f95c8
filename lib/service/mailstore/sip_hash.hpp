// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash for tables whose keys strangers choose (attack B10).
#pragma once

#include <cstdint>
#include <string_view>

namespace keystonemail::service {

struct SipKey {
  std::uint64_t k0 = 0, k1 = 0;
};

[[nodiscard]] std::uint64_t sip_hash(const SipKey& key, std::string_view octets) noexcept;

}  // namespace keystonemail::service
