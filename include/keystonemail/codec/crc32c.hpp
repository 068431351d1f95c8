// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// CRC-32C (Castagnoli; RFC 3720 §12.1), by the processor's instruction where there is one.
//
// Threads: pure function. Errors: none.
#pragma once

#include <cstdint>
#include <string_view>

namespace keystonemail::codec {

// Of what `previous` is the sum of, followed by `octets`: crc32c(b, crc32c(a)) == crc32c(a + b).
[[nodiscard]] std::uint32_t crc32c(std::string_view octets, std::uint32_t previous = 0) noexcept;

}  // namespace keystonemail::codec
