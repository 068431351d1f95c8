// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The kv rows of the blob store: see FORMAT.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace keystonemail::segments {

struct InlineContent {
  bool compressed = false;      // with Dictionary::mail
  std::string_view stored;
};

struct Location {
  std::uint32_t segment = 0;
  std::uint64_t offset = 0;
  std::uint64_t record_octets = 0;
  friend bool operator==(const Location&, const Location&) = default;
};

// The row of one blob. Views live as long as what was decoded.
struct BlobRow {
  std::uint64_t references = 0;
  std::uint64_t octets = 0;
  std::variant<InlineContent, Location> content;
};

[[nodiscard]] std::string encode(const BlobRow& row);
[[nodiscard]] std::optional<BlobRow> decode_blob_row(std::string_view octets);

[[nodiscard]] std::string segment_key(std::uint32_t segment);

}  // namespace keystonemail::segments
