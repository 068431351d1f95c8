// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/segments/row.hpp"

#include "base/record.hpp"

namespace keystonemail::segments {
namespace {

enum class Kind : std::uint8_t { raw = 0, compressed = 1, segment = 2 };

}  // namespace

std::string encode(const BlobRow& row) {
  RecordWriter writer;
  if (const auto* inside = std::get_if<InlineContent>(&row.content)) {
    writer.octet(static_cast<std::uint8_t>(inside->compressed ? Kind::compressed : Kind::raw));
    writer.number(row.references).number(row.octets).text(inside->stored);
  } else {
    const auto& location = std::get<Location>(row.content);
    writer.octet(static_cast<std::uint8_t>(Kind::segment)).number(row.references).number(row.octets);
    writer.number(location.segment).number(location.offset).number(location.record_octets);
  }
  return writer.take();
}

std::optional<BlobRow> decode_blob_row(std::string_view octets) {
  RecordReader reader(octets);
  BlobRow row;
  const auto kind = reader.octet();
  row.references = reader.number();
  row.octets = reader.number();
  if (kind == static_cast<std::uint8_t>(Kind::segment)) {
    Location location;
    location.segment = static_cast<std::uint32_t>(reader.number());
    location.offset = reader.number();
    location.record_octets = reader.number();
    row.content = location;
  } else if (kind <= static_cast<std::uint8_t>(Kind::compressed)) {
    row.content = InlineContent{kind == static_cast<std::uint8_t>(Kind::compressed), reader.text()};
  } else {
    return std::nullopt;
  }
  return reader.ok() && reader.at_end() ? std::optional(row) : std::nullopt;
}

std::string segment_key(std::uint32_t segment) {
  std::string key;
  append_big_endian(key, segment, 4);
  return key;
}

}  // namespace keystonemail::segments
