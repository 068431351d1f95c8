// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/content.hpp"

#include <cstring>

#include "base/record.hpp"
#include "base/try.hpp"
#include "codec/lz4.hpp"
#include "service/mailstore/rows.hpp"

namespace keystonemail::service {

namespace {

constexpr std::uint8_t content_version = 1;
constexpr std::size_t blobs_max = 10'000, pieces_max = 20'001;

void encode_piece(RecordWriter& writer, const Piece& piece) {
  writer.octet(static_cast<std::uint8_t>(piece.kind)).number(piece.octets);
  switch (piece.kind) {
    case Piece::Kind::literal:
      return;  // in order, one after the other
    case Piece::Kind::blob:
      writer.number(piece.blob).number(piece.offset);
      return;
    case Piece::Kind::base64:
      writer.number(piece.blob).number(piece.layout.line_octets);
      writer.octet(static_cast<std::uint8_t>(piece.layout.line_end)).octet(piece.layout.trailing_line_ends);
      return;
  }
}

bool decode_piece(RecordReader& reader, Piece& piece, std::uint64_t& literal, const std::vector<BlobUse>& blobs) {
  const std::uint8_t kind = reader.octet();
  if (kind > static_cast<std::uint8_t>(Piece::Kind::base64)) return false;
  piece.kind = static_cast<Piece::Kind>(kind);
  piece.octets = reader.number();
  if (!reader.ok() || piece.octets > blob::limits::blob_octets_max * 2) return false;
  if (piece.kind == Piece::Kind::literal) {
    piece.offset = literal;
    literal += piece.octets;
    return true;
  }
  const std::uint64_t index = reader.number();
  if (!reader.ok() || index >= blobs.size()) return false;
  piece.blob = static_cast<std::uint32_t>(index);
  if (piece.kind == Piece::Kind::blob) {
    piece.offset = reader.number();
    return piece.offset <= blobs[index].octets && piece.octets <= blobs[index].octets - piece.offset;
  }
  const std::uint64_t line = reader.number();
  const std::uint8_t line_end = reader.octet();
  piece.layout.trailing_line_ends = reader.octet();
  if (line > UINT32_MAX || line % 4 != 0 || line_end > 1 || blobs[index].octets == 0) return false;
  piece.layout.line_octets = static_cast<std::uint32_t>(line);
  piece.layout.line_end = static_cast<codec::Base64Layout::LineEnd>(line_end);
  return piece.octets == codec::encoded_base64_octets(blobs[index].octets, piece.layout);
}

bool read_blobs(RecordReader& reader, std::vector<BlobUse>& blobs) {
  const std::uint64_t count = reader.number();
  if (!reader.ok() || count > blobs_max) return false;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string_view digest = reader.text();
    BlobUse use;
    if (digest.size() != use.id.digest.size()) return false;
    std::memcpy(use.id.digest.data(), digest.data(), digest.size());
    use.octets = reader.number();
    if (use.octets > blob::limits::blob_octets_max) return false;
    blobs.push_back(use);
  }
  return reader.ok();
}

}  // namespace

std::uint64_t Content::octets() const noexcept {
  std::uint64_t sum = 0;
  for (const Piece& piece : pieces) sum += piece.octets;
  return sum;
}

std::string Content::encode() const {
  const std::string packed = codec::compress_lz4(literal, codec::mail_dictionary());
  RecordWriter writer;
  writer.octet(content_version).number(blobs.size());
  for (const BlobUse& use : blobs) writer.text(use.id.key()).number(use.octets);
  writer.number(pieces.size());
  for (const Piece& piece : pieces) encode_piece(writer, piece);
  writer.number(literal.size()).text(packed.empty() ? literal : packed);
  return writer.take();
}

Result<std::vector<BlobUse>> Content::decode_blobs(std::string_view record) {
  RecordReader reader(record);
  std::vector<BlobUse> blobs;
  if (reader.octet() != content_version || !read_blobs(reader, blobs)) return damaged("content record");
  return blobs;
}

Result<Content> Content::decode(std::string_view record) {
  RecordReader reader(record);
  Content content;
  if (reader.octet() != content_version || !read_blobs(reader, content.blobs)) return damaged("content record");
  const std::uint64_t count = reader.number();
  if (!reader.ok() || count > pieces_max) return damaged("content record");
  std::uint64_t literal = 0;
  content.pieces.resize(count);
  for (Piece& piece : content.pieces) {
    if (!decode_piece(reader, piece, literal, content.blobs)) return damaged("content piece");
  }
  const std::uint64_t literal_octets = reader.number();
  const std::string_view stored = reader.text();
  if (!reader.ok() || !reader.at_end() || literal_octets != literal || literal > codec::lz4_block_octets_max) {
    return damaged("content record");
  }
  if (stored.size() == literal) {
    content.literal = stored;
    return content;
  }
  auto text = codec::decompress_lz4(stored, literal, codec::mail_dictionary());
  if (!text) return damaged("compressed content");
  content.literal = *std::move(text);
  return content;
}

}  // namespace keystonemail::service
