// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// How the octets of a message are kept: a recipe of pieces. Literal octets lie in the record itself, compressed, or in a
// blob; a base64 attachment is the blob of what it decodes to, written out again when read. FORMAT.md has the octets.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/blob/blob.hpp"
#include "keystonemail/codec/base64.hpp"
#include "keystonemail/kv/kv.hpp"
#include "keystonemail/mailstore/mailstore.hpp"

namespace keystonemail::service {

struct BlobUse {
  blob::BlobId id;
  std::uint64_t octets = 0;
};

struct Piece {
  enum class Kind : std::uint8_t { literal, blob, base64 };
  Kind kind = Kind::literal;
  std::uint64_t octets = 0;        // of the message
  std::uint32_t blob = 0;          // index into Content::blobs
  std::uint64_t offset = 0;        // literal: into the literal octets; blob: into the blob
  codec::Base64Layout layout;      // base64
};

struct Content {
  std::string literal;             // decompressed
  std::vector<BlobUse> blobs;      // each holds one reference; the last may be the note, of which no piece is
  std::vector<Piece> pieces;

  [[nodiscard]] std::uint64_t octets() const noexcept;
  [[nodiscard]] std::string encode() const;
  // Errors: corrupt.
  [[nodiscard]] static Result<Content> decode(std::string_view record);
  // The blobs alone, without decompressing.
  [[nodiscard]] static Result<std::vector<BlobUse>> decode_blobs(std::string_view record);
};

// Reads by a snapshot of its own for each call; none for content that is all literal.
[[nodiscard]] std::unique_ptr<mailstore::MessageReader> make_content_reader(kv::Store& store, blob::Store& blobs,
                                                                            Content content);

}  // namespace keystonemail::service
