// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// LZ4 blocks, as they are or after a dictionary of what mail headers say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keystonemail::segments {

enum class Dictionary : std::uint8_t { none, mail };

// Appends `content` to `out` compressed; false, with `out` as it was, when that takes more than `eighths_max` of its length.
[[nodiscard]] bool compress(std::string& out, std::string_view content, Dictionary dictionary, unsigned eighths_max = 7);
// The `octets` octets that were compressed; false when `stored` is damaged. Appends to `out`.
[[nodiscard]] bool decompress(std::string& out, std::string_view stored, std::size_t octets, Dictionary dictionary);

}  // namespace keystonemail::segments
