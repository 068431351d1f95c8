// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/segments/record_builder.hpp"

#include <algorithm>

#include "backends/segments/compression.hpp"
#include "base/try.hpp"
#include "keystonemail/codec/crc32c.hpp"

namespace keystonemail::segments {
namespace {

constexpr std::size_t in_memory_octets_max = 2U << 20;

// Decompressing prose takes as long as all else that serves it, and to halve it saves little where most content that large
// does not compress at all. So from here on only what shrinks much is compressed: logs and tables, which is quicker too.
constexpr std::size_t chunks_of_small = 2;
constexpr unsigned small_eighths_max = 7, large_eighths_max = 3;

// Whether a chunk that comes after one that did not compress is worth trying: what is not text seldom becomes it. In so
// little less is found to be the same than in a chunk.
bool sample_compresses(std::string_view content, unsigned eighths_max) {
  constexpr std::size_t sample_octets = 4U << 10;
  if (content.size() <= 2 * sample_octets) return true;
  std::string out;
  return compress(out, content.substr((content.size() - sample_octets) / 2, sample_octets), Dictionary::none,
                  std::min(eighths_max + 1, small_eighths_max));
}

}  // namespace

Result<void> RecordBuilder::add(std::string_view content) {
  octets_ += content.size();
  if (!partial_.empty()) {
    const auto missing = std::min(chunk_octets - partial_.size(), content.size());
    partial_.append(content.substr(0, missing));
    content.remove_prefix(missing);
    if (partial_.size() < chunk_octets) return {};
    KM_CHECK(add_chunk(partial_));
    partial_.clear();
  }
  for (; content.size() >= chunk_octets; content.remove_prefix(chunk_octets))
    KM_CHECK(add_chunk(content.substr(0, chunk_octets)));
  partial_.append(content);
  return {};
}

Result<void> RecordBuilder::finish() {
  if (!partial_.empty()) KM_CHECK(add_chunk(partial_));
  partial_.clear();
  return {};
}

RecordHeader RecordBuilder::header() const {
  RecordHeader header;
  header.octets = octets_;
  header.chunks_octets = spool_.octets() + chunks_.size();
  header.chunk_count = chunk_count_;
  header.table_sum = codec::crc32c(table_);
  return header;
}

Result<void> RecordBuilder::add_chunk(std::string_view content) {
  const std::size_t before = chunks_.size();
  Chunk chunk;
  const unsigned eighths_max = chunk_count_ < chunks_of_small ? small_eighths_max : large_eighths_max;
  chunk.compressed = (!last_is_raw_ || sample_compresses(content, eighths_max)) &&
                     compress(chunks_, content, Dictionary::none, eighths_max);
  if (!chunk.compressed) chunks_.append(content);
  last_is_raw_ = !chunk.compressed;
  chunk.stored_octets = static_cast<std::uint32_t>(chunks_.size() - before);
  chunk.sum = codec::crc32c(std::string_view(chunks_).substr(before));
  append_chunk(table_, chunk);
  ++chunk_count_;
  if (chunks_.size() <= in_memory_octets_max) return {};
  KM_CHECK(spool_.write(chunks_));
  chunks_.clear();
  return {};
}

}  // namespace keystonemail::segments
