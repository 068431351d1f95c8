// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include "base/try.hpp"
#include "service/mailstore/content.hpp"
#include "service/mailstore/rows.hpp"

namespace keystonemail::service {

namespace {

constexpr std::uint64_t quantum_octets = 3, quantum_characters = 4;  // RFC 4648 §4

// A base64 body written up to some place in it.
struct Base64Place {
  codec::Base64Encoder encoder;
  std::uint64_t octets = 0;      // of the blob that the encoder was given
  std::uint64_t characters = 0;  // of the body that it wrote
};

// Where the last quantum begins that begins at or before `offset` characters of the body, as if all before it were written.
Base64Place last_quantum(const codec::Base64Layout& layout, std::uint64_t blob_octets, std::uint64_t offset) {
  std::uint64_t quanta = offset / quantum_characters;
  if (layout.line_octets != 0) {
    const std::uint64_t line = layout.line_octets;
    const std::uint64_t unit = line + (layout.line_end == codec::Base64Layout::LineEnd::crlf ? 2 : 1);
    quanta = (offset / unit * line + std::min(offset % unit, line)) / quantum_characters;
  }
  quanta = std::min(quanta, blob_octets / quantum_octets);
  const std::uint64_t octets = quanta * quantum_octets;
  std::uint32_t column = 0;  // a full line is ended by what follows it
  if (layout.line_octets != 0 && quanta != 0) {
    column = static_cast<std::uint32_t>((quanta * quantum_characters - 1) % layout.line_octets + 1);
  }
  return {codec::Base64Encoder(layout, column), octets,
          codec::encoded_base64_octets(octets, {layout.line_octets, layout.line_end, 0})};
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
    std::uint64_t begin = 0;
    for (const Piece& piece : content_.pieces) {
      const std::uint64_t at = offset + buffer_.size(), end = begin + piece.octets;
      if (at < end) {
        const std::size_t whole = std::min<std::uint64_t>(octets - buffer_.size(), end - at) + buffer_.size();
        KM_CO_CHECK(co_await append(piece, at - begin, whole - buffer_.size(), *snapshot));
        if (buffer_.size() < whole || whole == octets) break;
      }
      begin = end;
    }
    co_return std::string_view(buffer_);
  }

 private:
  // Appends `octets` octets from `offset` of the piece. Where that is not its end they may be fewer, but not none: it stops
  // at a unit of the blob, so that the next read begins there.
  Task<Result<void>> append(const Piece& piece, std::uint64_t offset, std::size_t octets, kv::Reader& reader) {
    switch (piece.kind) {
      case Piece::Kind::literal:
        buffer_.append(content_.literal, piece.offset + offset, octets);
        co_return Result<void>();
      case Piece::Kind::blob:
        co_return co_await append_blob(piece, offset, octets, reader);
      case Piece::Kind::base64:
        co_return co_await append_base64(piece, offset, octets, reader);
    }
    std::unreachable();
  }

  Task<Result<void>> append_blob(const Piece& piece, std::uint64_t offset, std::size_t octets, kv::Reader& reader) {
    const std::uint64_t from = piece.offset + offset;
    if (offset + octets < piece.octets) {
      const std::size_t over = (from + octets) % blob::limits::read_unit_octets;
      if (over < octets) octets -= over;
    }
    KM_CO_TRY(auto text, co_await read_blob(piece, from, octets, reader));
    append(std::move(text));
    co_return Result<void>();
  }

  Task<Result<void>> append_base64(const Piece& piece, std::uint64_t offset, std::size_t octets, kv::Reader& reader) {
    constexpr std::uint64_t unit = blob::limits::read_unit_octets;
    const std::uint64_t blob_octets = content_.blobs[piece.blob].octets;
    const bool goes_on = next_piece_ == &piece && next_ && next_->characters == offset;
    Base64Place place = goes_on ? *next_ : last_quantum(piece.layout, blob_octets, offset);
    next_.reset();

    std::uint64_t end = blob_octets;
    bool at_unit = false;
    if (offset + octets < piece.octets) {
      end = last_quantum(piece.layout, blob_octets, offset + octets).octets;
      const std::uint64_t last_unit = end - end % unit;
      at_unit = last_unit >= place.octets + quantum_octets;
      end = at_unit ? last_unit : std::min(blob_octets, end + quantum_octets);
    }
    std::string text;
    text.reserve(codec::encoded_base64_octets(end - place.octets + 2 * quantum_octets, piece.layout) + 2);
    if (end > place.octets) {
      const std::uint64_t from = place.octets - place.octets % unit;
      KM_CO_TRY(const auto decoded, co_await read_blob(piece, from, end - from, reader));
      place.encoder.append(text, std::string_view(decoded).substr(place.octets - from));
    }
    if (end == blob_octets && !at_unit) place.encoder.finish(text);
    const std::uint64_t skip = offset - place.characters;
    if (at_unit) {
      next_piece_ = &piece;
      next_.emplace(place.encoder, end, place.characters + text.size());
    } else if (text.size() < skip + octets) {
      co_return damaged("an attachment is shorter than its message says");
    } else {
      text.resize(skip + octets);
    }
    if (skip > 0) text.erase(0, skip);
    append(std::move(text));
    co_return Result<void>();
  }

  Task<Result<std::string>> read_blob(const Piece& piece, std::uint64_t from, std::uint64_t octets, kv::Reader& reader) {
    KM_CO_TRY(auto text, co_await blobs_.read(reader, content_.blobs[piece.blob].id, from, octets));
    if (text.size() != octets) co_return damaged("a blob is shorter than its message says");
    co_return text;
  }

  void append(std::string text) {
    if (buffer_.empty()) buffer_.swap(text);
    else buffer_.append(text);
  }

  kv::Store& store_;
  blob::Store& blobs_;
  const Content content_;
  const std::uint64_t octets_;
  std::string buffer_;
  const Piece* next_piece_ = nullptr;  // where a read stopped at a unit of a base64 piece; the next goes on from there
  std::optional<Base64Place> next_;
};

}  // namespace

std::unique_ptr<mailstore::MessageReader> make_content_reader(kv::Store& store, blob::Store& blobs, Content content) {
  return std::make_unique<ContentReader>(store, blobs, std::move(content));
}

}  // namespace keystonemail::service
