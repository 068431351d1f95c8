// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// LZ4 blocks for short texts, with a dictionary of what mail is full of. Private to the library.
//
// Threads: pure functions. Errors: std::nullopt from decompression for octets that are no such block.
// Limits: blocks of at most lz4_block_octets_max; linear time. The dictionary is part of stored formats: it never changes,
//   another one would get another name.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace keystonemail::codec {

inline constexpr std::size_t lz4_block_octets_max = 1U << 20;

// The words of mail headers, frequent ones last, as the first version of the store has them.
[[nodiscard]] std::string_view mail_dictionary() noexcept;

// Empty when it would not be shorter.
[[nodiscard]] std::string compress_lz4(std::string_view text, std::string_view dictionary);
// REQUIRES: octets <= lz4_block_octets_max. The result has exactly `octets` octets.
[[nodiscard]] std::optional<std::string> decompress_lz4(std::string_view block, std::size_t octets,
                                                        std::string_view dictionary);

}  // namespace keystonemail::codec
