// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/segments/segment.hpp"

#include <unistd.h>

#include <algorithm>
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
  std::string out(octets, '\0');
  for (std::size_t done = 0; done < octets;) {
    const auto got = ::pread(fd_, out.data() + done, octets - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return kv::disk_failed(errno, format("read segment {}", number_));
    if (got == 0) return damaged(*this, offset + done, "the file ends here");
    done += static_cast<std::size_t>(got);
  }
  return out;
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
  for (; index <= last_chunk; ++index) {
    const Chunk chunk = chunk_at(table, index);
    const std::size_t content_octets = std::min<std::uint64_t>(chunk_octets, header->octets - index * chunk_octets);
    if (at + chunk.stored_octets > end_of_record || (!chunk.compressed && chunk.stored_octets != content_octets))
      return damaged(segment, at, "chunk table");
    std::string_view stored;
    if (at + chunk.stored_octets <= location.offset + first.size()) {
      stored = std::string_view(first).substr(at - location.offset, chunk.stored_octets);
    } else {
      KM_TRY(fetched, segment.read(at, chunk.stored_octets));
      stored = fetched;
    }
    if (codec::crc32c(stored) != chunk.sum) return damaged(segment, at, "chunk sum");
    if (!chunk.compressed) out.append(stored);
    else if (!decompress(out, stored, content_octets, Dictionary::none)) return damaged(segment, at, "chunk compression");
    at += chunk.stored_octets;
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
