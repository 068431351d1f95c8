// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/segments/record_format.hpp"

#include <algorithm>
#include <cassert>

#include "keystonemail/codec/crc32c.hpp"

namespace keystonemail::segments {
namespace {

constexpr std::string_view segment_magic = "KMSEGMT1";
constexpr std::string_view trailer_magic = "KMRE";
constexpr std::uint8_t record_version = 1;
constexpr std::uint32_t compressed_bit = 1U << 31;

void append_little_endian(std::string& out, std::uint64_t value, unsigned octets) {
  for (; octets > 0; --octets, value >>= 8) out.push_back(static_cast<char>(value));
}

std::uint64_t read_little_endian(std::string_view octets) noexcept {
  std::uint64_t value = 0;
  for (auto at = octets.rbegin(); at != octets.rend(); ++at) value = value << 8 | static_cast<std::uint8_t>(*at);
  return value;
}

}  // namespace

std::string encode_segment_header(std::uint32_t segment) {
  std::string out(segment_magic);
  append_little_endian(out, 1, 4);
  append_little_endian(out, segment, 4);
  append_little_endian(out, 0, 12);
  append_little_endian(out, codec::crc32c(out), 4);
  assert(out.size() == segment_header_octets);
  return out;
}

bool is_segment_header(std::string_view octets, std::uint32_t segment) noexcept {
  return octets.size() >= segment_header_octets && octets.substr(0, 8) == segment_magic &&
         read_little_endian(octets.substr(8, 4)) == 1 && read_little_endian(octets.substr(12, 4)) == segment &&
         read_little_endian(octets.substr(28, 4)) == codec::crc32c(octets.substr(0, 28));
}

std::string encode_record_header(const RecordHeader& header) {
  std::string out(record_magic);
  append_little_endian(out, record_version, 4);
  append_little_endian(out, chunk_octets, 4);
  append_little_endian(out, header.chunk_count, 4);
  append_little_endian(out, header.octets, 8);
  append_little_endian(out, header.chunks_octets, 8);
  out.append(header.id.key());
  append_little_endian(out, header.stored_at, 8);
  append_little_endian(out, header.table_sum, 4);
  append_little_endian(out, codec::crc32c(out), 4);
  assert(out.size() == record_header_octets);
  return out;
}

std::optional<RecordHeader> decode_record_header(std::string_view octets) noexcept {
  if (octets.size() < record_header_octets || octets.substr(0, 4) != record_magic) return std::nullopt;
  if (read_little_endian(octets.substr(76, 4)) != codec::crc32c(octets.substr(0, 76))) return std::nullopt;
  if (read_little_endian(octets.substr(4, 4)) != record_version) return std::nullopt;
  if (read_little_endian(octets.substr(8, 4)) != chunk_octets) return std::nullopt;
  RecordHeader header;
  header.chunk_count = static_cast<std::uint32_t>(read_little_endian(octets.substr(12, 4)));
  header.octets = read_little_endian(octets.substr(16, 8));
  header.chunks_octets = read_little_endian(octets.substr(24, 8));
  std::copy_n(octets.data() + 32, 32, reinterpret_cast<char*>(header.id.digest.data()));
  header.stored_at = read_little_endian(octets.substr(64, 8));
  header.table_sum = static_cast<std::uint32_t>(read_little_endian(octets.substr(72, 4)));
  // Sums only tell that these are the octets written; a forged file may still hold any numbers.
  const bool sane = header.octets <= blob::limits::blob_octets_max && header.chunks_octets <= header.octets &&
                    header.chunk_count == (header.octets + chunk_octets - 1) / chunk_octets;
  return sane ? std::optional(header) : std::nullopt;
}

std::string encode_record_trailer(std::string_view encoded_header) {
  std::string out(trailer_magic);
  out.append(encoded_header.substr(76, 4));
  return out;
}

void append_chunk(std::string& table, const Chunk& chunk) {
  append_little_endian(table, chunk.stored_octets | (chunk.compressed ? compressed_bit : 0), 4);
  append_little_endian(table, chunk.sum, 4);
}

Chunk chunk_at(std::string_view table, std::size_t index) noexcept {
  const auto entry = table.substr(index * chunk_entry_octets, chunk_entry_octets);
  const auto first = static_cast<std::uint32_t>(read_little_endian(entry.substr(0, 4)));
  return {first & ~compressed_bit, (first & compressed_bit) != 0,
          static_cast<std::uint32_t>(read_little_endian(entry.substr(4, 4)))};
}

}  // namespace keystonemail::segments
