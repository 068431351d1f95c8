// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Segment files as octets: see FORMAT.md. Numbers are little-endian.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/blob/blob.hpp"

namespace keystonemail::segments {

inline constexpr std::size_t segment_header_octets = 32;
inline constexpr std::size_t record_header_octets = 80;
inline constexpr std::size_t record_trailer_octets = 8;
inline constexpr std::size_t chunk_octets = 64U << 10;   // of content; the last one is shorter
inline constexpr std::size_t chunk_entry_octets = 8;
inline constexpr std::string_view record_magic = "KMR1";

[[nodiscard]] std::string encode_segment_header(std::uint32_t segment);
[[nodiscard]] bool is_segment_header(std::string_view octets, std::uint32_t segment) noexcept;

struct RecordHeader {
  blob::BlobId id;
  std::uint64_t octets = 0;          // of the content
  std::uint64_t chunks_octets = 0;   // of all chunks as stored
  std::uint64_t stored_at = 0;       // milliseconds since 1970
  std::uint32_t chunk_count = 0;
  std::uint32_t table_sum = 0;       // CRC-32C of the chunk table

  [[nodiscard]] std::uint64_t table_octets() const noexcept { return std::uint64_t{chunk_count} * chunk_entry_octets; }
  [[nodiscard]] std::uint64_t record_octets() const noexcept {
    return record_header_octets + table_octets() + chunks_octets + record_trailer_octets;
  }
};

[[nodiscard]] std::string encode_record_header(const RecordHeader& header);
// Nothing when the magic, the sum or the lengths are wrong.
[[nodiscard]] std::optional<RecordHeader> decode_record_header(std::string_view octets) noexcept;
[[nodiscard]] std::string encode_record_trailer(std::string_view encoded_header);

// How one chunk is stored.
struct Chunk {
  std::uint32_t stored_octets = 0;
  bool compressed = false;
  std::uint32_t sum = 0;  // CRC-32C of the stored octets
};
void append_chunk(std::string& table, const Chunk& chunk);
[[nodiscard]] Chunk chunk_at(std::string_view table, std::size_t index) noexcept;

}  // namespace keystonemail::segments
