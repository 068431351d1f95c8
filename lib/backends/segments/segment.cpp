// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/segments/segment.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>

#include "backends/segments/compression.hpp"
#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/codec/crc32c.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "kv/disk.hpp"

namespace keystonemail::segments {
namespace {

std::unexpected<Error> damaged(const Segment& segment, std::uint64_t offset, std::string_view what) {
  return fail(ErrorKind::corrupt, "stored data is damaged", format("segment {} at {}: {}", segment.number(), offset, what));
}

}  // namespace

Segment::~Segment() { ::close(fd_); }

Result<std::string> Segment::read(std::uint64_t offset, std::uint64_t octets) const {
  std::string out;
  KM_CHECK(read(offset, octets, out));
  return out;
}

Result<void> Segment::read(std::uint64_t offset, std::uint64_t octets, std::string& out) const {
  const std::size_t begin = out.size(), end = begin + octets;
  std::size_t at = begin;
  ssize_t got = 1;
  int code = 0;
  out.resize_and_overwrite(end, [&](char* text, std::size_t) {
    while (at < end && got > 0) {
      got = ::pread(fd_, text + at, end - at, static_cast<off_t>(offset + at - begin));
      if (got > 0) at += static_cast<std::size_t>(got);
      if (got < 0 && errno == EINTR) got = 1;
      else if (got < 0) code = errno;
    }
    return at;
  });
  if (at == end) return {};
  if (code != 0) return kv::disk_failed(code, format("read segment {}", number_));
  return damaged(*this, offset + at - begin, "the file ends here");
}

Result<void> Segment::write(std::uint64_t offset, std::string_view octets) const {
  while (!octets.empty()) {
    const auto put = ::pwrite(fd_, octets.data(), octets.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return kv::disk_failed(put < 0 ? errno : ENOSPC, format("write segment {}", number_));
    octets.remove_prefix(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return {};
}

Result<void> Segment::write(std::uint64_t offset, std::span<const std::string_view> pieces) const {
  std::array<iovec, 4> parts;
  assert(pieces.size() <= parts.size());
  for (std::size_t i = 0; i < pieces.size(); ++i) parts[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
  const auto put = ::pwritev(fd_, parts.data(), static_cast<int>(pieces.size()), static_cast<off_t>(offset));
  if (put < 0 && errno != EINTR) return kv::disk_failed(errno, format("write segment {}", number_));
  auto done = static_cast<std::size_t>(std::max<ssize_t>(put, 0));
  for (const std::string_view piece : pieces) {  // what the call has not taken
    const std::size_t taken = std::min(done, piece.size());
    KM_CHECK(write(offset + taken, piece.substr(taken)));
    offset += piece.size();
    done -= taken;
  }
  return {};
}

Result<std::optional<Segment::Found>> Segment::find_record(std::uint64_t offset, std::uint64_t end) const {
  constexpr std::uint64_t window_octets = 64U << 10;
  if (offset + record_header_octets > end) return std::nullopt;
  KM_TRY(const auto first, read(offset, record_header_octets));  // as it is where nothing is damaged
  if (const auto header = decode_record_header(first)) return Found{offset, *header};
  while (offset + record_header_octets <= end) {
    KM_TRY(const auto window, read(offset, std::min(window_octets, end - offset)));
    for (std::size_t at = window.find(record_magic); at != std::string::npos; at = window.find(record_magic, at + 1)) {
      if (const auto header = decode_record_header(std::string_view(window).substr(at))) return Found{offset + at, *header};
    }
    if (offset + window.size() == end) break;
    offset += window.size() - record_header_octets + 1;  // a header may span two windows
  }
  return std::nullopt;
}

Result<std::string> read_record(const Segment& segment, const Location& location, const blob::BlobId& id,
                                std::uint64_t from, std::uint64_t octets) {
  // Small enough: the whole record at once; else its header and table first.
  constexpr std::uint64_t at_once_octets = 256U << 10;
  constexpr std::uint64_t run_octets_max = 192U << 10;  // and one chunk
  const std::uint64_t first_octets = location.record_octets <= at_once_octets
                                         ? location.record_octets
                                         : record_header_octets + (location.record_octets / chunk_octets + 2) * chunk_entry_octets;
  KM_TRY(auto first, segment.read(location.offset, std::min(first_octets, location.record_octets)));
  const auto header = decode_record_header(first);
  if (!header || header->id != id || header->record_octets() != location.record_octets)
    return damaged(segment, location.offset, "record header");
  if (first.size() < record_header_octets + header->table_octets()) {
    KM_TRY(first, segment.read(location.offset, record_header_octets + header->table_octets()));
  }
  const auto table = std::string_view(first).substr(record_header_octets, header->table_octets());
  if (codec::crc32c(table) != header->table_sum) return damaged(segment, location.offset, "chunk table");

  std::string out;
  if (from >= header->octets || octets == 0) {
    if (from == 0 && header->octets == 0 && crypto::sha256({}) != id.digest)
      return damaged(segment, location.offset, "digest");
    return out;
  }
  const std::uint64_t to = from + std::min(octets, header->octets - from);
  const std::size_t last_chunk = (to - 1) / chunk_octets;
  std::uint64_t at = location.offset + record_header_octets + header->table_octets();
  std::size_t index = 0;
  for (; index < from / chunk_octets; ++index) at += chunk_at(table, index).stored_octets;
  const std::uint64_t begin_of_content = index * chunk_octets;
  out.reserve(std::min<std::uint64_t>((last_chunk + 1) * chunk_octets, header->octets) - begin_of_content);
  const std::uint64_t end_of_record = location.offset + location.record_octets - record_trailer_octets;
  std::string fetched;
  while (index <= last_chunk) {
    // As many as are stored in a row are fetched together, those that are not compressed to where they belong.
    const bool compressed = chunk_at(table, index).compressed;
    std::size_t after = index;
    std::uint64_t run_octets = 0;
    do run_octets += chunk_at(table, after++).stored_octets;
    while (after <= last_chunk && run_octets < run_octets_max && chunk_at(table, after).compressed == compressed);
    if (at + run_octets > end_of_record) return damaged(segment, at, "chunk table");
    std::string_view stored;
    const bool is_at_hand = at + run_octets <= location.offset + first.size();
    if (is_at_hand) {
      stored = std::string_view(first).substr(at - location.offset, run_octets);
    } else {
      std::string& into = compressed ? fetched : out;
      fetched.clear();
      const std::size_t begin = into.size();
      KM_CHECK(segment.read(at, run_octets, into));
      stored = std::string_view(into).substr(begin);
    }
    for (; index < after; ++index) {
      const Chunk chunk = chunk_at(table, index);
      const std::size_t content_octets = std::min<std::uint64_t>(chunk_octets, header->octets - index * chunk_octets);
      if (!chunk.compressed && chunk.stored_octets != content_octets) return damaged(segment, at, "chunk table");
      const auto piece = stored.substr(0, chunk.stored_octets);
      if (codec::crc32c(piece) != chunk.sum) return damaged(segment, at, "chunk sum");
      if (!compressed && is_at_hand) out.append(piece);
      if (compressed && !decompress(out, piece, content_octets, Dictionary::none)) return damaged(segment, at, "chunk compression");
      stored.remove_prefix(piece.size());
      at += piece.size();
    }
  }
  if (from == 0 && to == header->octets) {
    if (crypto::sha256(out) != id.digest) return damaged(segment, location.offset, "digest");
    return out;
  }
  if (from > begin_of_content) out.erase(0, from - begin_of_content);
  out.resize(to - from);
  return out;
}

}  // namespace keystonemail::segments
