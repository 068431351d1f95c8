// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/content.hpp"

#include <algorithm>
#include <cassert>
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

// Writes the part [offset, offset + octets) of a base64 body whose decoded octets are a blob.
Task<Result<void>> append_base64_piece(std::string& out, const Piece& piece, const BlobUse& use, blob::Store& blobs,
                                       kv::Reader& reader, std::uint64_t offset, std::size_t octets) {
  const std::string_view line_end = piece.layout.line_end == codec::Base64Layout::LineEnd::crlf ? "\r\n" : "\n";
  const std::uint64_t line = piece.layout.line_octets == 0 ? 4096 : piece.layout.line_octets;
  const std::uint64_t unit = piece.layout.line_octets == 0 ? line : line + line_end.size();
  const std::uint64_t line_decoded = line / 4 * 3;
  assert(use.octets > 0 && octets > 0);
  const std::uint64_t row_last = (use.octets - 1) / line_decoded;  // what follows its characters are line ends only
  const std::uint64_t row = std::min(offset / unit, row_last);
  const std::uint64_t begin = row * line_decoded;
  const std::uint64_t end = std::min(use.octets, ((offset + octets - 1) / unit + 1) * line_decoded);
  const std::uint64_t from = begin - begin % blob::limits::read_unit_octets;
  KM_CO_TRY(const auto decoded, co_await blobs.read(reader, use.id, from, end - from));
  if (decoded.size() != end - from) co_return damaged("a blob is shorter than its message says");
  std::string text;
  text.reserve((end - begin + line_decoded - 1) / line_decoded * unit + 1024);  // and line ends after it
  codec::Base64Encoder encoder(piece.layout);
  encoder.append(text, std::string_view(decoded).substr(begin - from));
  if (end == use.octets) encoder.finish(text);
  else if (piece.layout.line_octets != 0) text.append(line_end);
  const std::uint64_t skip = offset - row * unit;
  if (text.size() < skip + octets) co_return damaged("an attachment is shorter than its message says");
  if (out.empty()) {
    text.erase(0, skip);
    text.resize(octets);
    out.swap(text);
  } else {
    out.append(text, skip, octets);
  }
  co_return Result<void>();
}

class ContentReader final : public mailstore::MessageReader {
 public:
  ContentReader(kv::Store& store, blob::Store& blobs, Content content)
      : store_(store), blobs_(blobs), content_(std::move(content)), octets_(content_.octets()) {}

  std::uint64_t octets() const noexcept override { return octets_; }
  Task<Result<std::string_view>> read(std::uint64_t offset, std::size_t octets_max, Context context) override {
    if (offset >= octets_) co_return std::string_view();
    const auto octets = static_cast<std::size_t>(std::min<std::uint64_t>(octets_max, octets_ - offset));
    if (content_.pieces.size() == 1 && content_.pieces.front().kind == Piece::Kind::literal) {
      co_return std::string_view(content_.literal).substr(offset, octets);
    }
    KM_CO_TRY(auto snapshot, co_await store_.snapshot(context));
    buffer_.clear();
    KM_CO_CHECK(co_await append_content(buffer_, content_, blobs_, *snapshot, offset, cheapest(offset, octets)));
    co_return std::string_view(buffer_);
  }

 private:
  // Where a read does not reach the end it stops at a unit of the blob that it stops in, so that the next begins there.
  [[nodiscard]] std::size_t cheapest(std::uint64_t offset, std::size_t octets) const noexcept {
    const std::uint64_t end = offset + octets;
    std::uint64_t begin = 0;
    for (const Piece& piece : content_.pieces) {
      if (end >= begin + piece.octets) {
        begin += piece.octets;
        continue;
      }
      if (piece.kind != Piece::Kind::blob) return octets;
      const std::uint64_t over = (piece.offset + (end - begin)) % blob::limits::read_unit_octets;
      return over < octets && end - over >= begin ? static_cast<std::size_t>(octets - over) : octets;
    }
    return octets;
  }

  kv::Store& store_;
  blob::Store& blobs_;
  Content content_;
  std::uint64_t octets_;
  std::string buffer_;
};

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

Task<Result<void>> append_content(std::string& out, const Content& content, blob::Store& blobs, kv::Reader& reader,
                                  std::uint64_t offset, std::size_t octets) {
  std::uint64_t begin = 0;
  for (const Piece& piece : content.pieces) {
    if (octets == 0) break;
    const std::uint64_t end = begin + piece.octets;
    if (offset < end) {
      const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(octets, end - offset));
      const std::uint64_t within = offset - begin;
      switch (piece.kind) {
        case Piece::Kind::literal:
          out.append(content.literal, piece.offset + within, take);
          break;
        case Piece::Kind::blob: {
          KM_CO_TRY(auto part,
                    co_await blobs.read(reader, content.blobs[piece.blob].id, piece.offset + within, take));
          if (part.size() != take) co_return damaged("a blob is shorter than its message says");
          if (out.empty()) out.swap(part);
          else out.append(part);
          break;
        }
        case Piece::Kind::base64:
          KM_CO_CHECK(co_await append_base64_piece(out, piece, content.blobs[piece.blob], blobs, reader, within, take));
          break;
      }
      offset += take;
      octets -= take;
    }
    begin = end;
  }
  assert(octets == 0);
  co_return Result<void>();
}

std::unique_ptr<mailstore::MessageReader> make_content_reader(kv::Store& store, blob::Store& blobs, Content content) {
  return std::make_unique<ContentReader>(store, blobs, std::move(content));
}

}  // namespace keystonemail::service
