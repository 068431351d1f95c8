// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/segments/record_builder.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "backends/segments/compression.hpp"
#include "base/try.hpp"
#include "keystonemail/codec/crc32c.hpp"
#include "kv/disk.hpp"

namespace keystonemail::segments {
namespace {

constexpr std::size_t in_memory_octets_max = 768U << 10;
constexpr std::size_t piece_octets = 256U << 10;

}  // namespace

RecordBuilder::~RecordBuilder() {
  if (fd_ >= 0) ::close(fd_);
}

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
  header.chunks_octets = spilled_octets_ + chunks_.size();
  header.chunk_count = chunk_count_;
  header.table_sum = codec::crc32c(table_);
  return header;
}

Result<std::string> RecordBuilder::stored(std::uint64_t offset) const {
  if (offset >= spilled_octets_) return chunks_.substr(std::min<std::uint64_t>(offset - spilled_octets_, chunks_.size()));
  std::string piece(std::min<std::uint64_t>(piece_octets, spilled_octets_ - offset), '\0');
  for (std::size_t done = 0; done < piece.size();) {
    const auto got = ::pread(fd_, piece.data() + done, piece.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return kv::disk_failed(got < 0 ? errno : EIO, "read spooled content");
    done += static_cast<std::size_t>(got);
  }
  return piece;
}

Result<void> RecordBuilder::add_chunk(std::string_view content) {
  const std::size_t before = chunks_.size();
  Chunk chunk;
  chunk.compressed = compress(chunks_, content, Dictionary::none);
  if (!chunk.compressed) chunks_.append(content);
  chunk.stored_octets = static_cast<std::uint32_t>(chunks_.size() - before);
  chunk.sum = codec::crc32c(std::string_view(chunks_).substr(before));
  append_chunk(table_, chunk);
  ++chunk_count_;
  return chunks_.size() > in_memory_octets_max ? spill() : Result<void>();
}

Result<void> RecordBuilder::spill() {
  if (fd_ < 0) {
    std::string name = directory_ + "/spool-XXXXXX";
    fd_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd_ < 0) return kv::disk_failed(errno, "create " + name);
    ::unlink(name.c_str());
  }
  for (std::string_view rest = chunks_; !rest.empty();) {
    const auto put = ::pwrite(fd_, rest.data(), rest.size(), static_cast<off_t>(spilled_octets_));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return kv::disk_failed(put < 0 ? errno : ENOSPC, "write spooled content");
    spilled_octets_ += static_cast<std::uint64_t>(put);
    rest.remove_prefix(static_cast<std::size_t>(put));
  }
  chunks_.clear();
  return {};
}

}  // namespace keystonemail::segments
