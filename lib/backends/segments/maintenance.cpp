// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/segments/maintenance.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/format.hpp"
#include "base/try.hpp"
#include "kv/disk.hpp"

namespace keystonemail::segments {
namespace {

RecordInfo describe(const Segment& segment, const Segment::Found& found) {
  return {found.header.id, found.header.octets, segment.number(), found.offset, found.header.record_octets(),
          WallTime(std::chrono::milliseconds(found.header.stored_at))};
}

Result<void> copy_segment(const Segment& segment, std::uint64_t octets, const std::string& file) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return kv::disk_failed(errno, "create " + file);
  const Segment copy(segment.number(), fd);
  constexpr std::uint64_t piece_octets = 1U << 20;
  for (std::uint64_t at = 0; at < octets; at += piece_octets) {
    KM_TRY(const auto piece, segment.read(at, std::min(piece_octets, octets - at)));
    KM_CHECK(copy.write(at, piece));
  }
  if (::fsync(fd) != 0) return kv::disk_failed(errno, "fsync " + file);
  return {};
}

}  // namespace

Result<ScrubStep> scrub_records(const SegmentSet& segments, ScrubPosition position, std::uint64_t octets_max) {
  ScrubStep step{.next = position};
  const auto all = segments.all();
  for (const auto& segment : all) {
    if (segment->number() < position.segment) continue;
    const std::uint64_t end = segments.octets(*segment);
    std::uint64_t at = segment->number() == position.segment ? position.offset : 0;
    at = std::max<std::uint64_t>(at, segment_header_octets);
    for (;;) {
      if (step.octets >= octets_max) {
        step.next = {segment->number(), at};
        return step;
      }
      KM_TRY(const auto found, segment->find_record(at, end));
      if (!found) break;
      if (found->offset != at)
        step.findings.push_back(format("segment {}: {} octets at {} are no record", segment->number(), found->offset - at, at));
      const auto record = describe(*segment, *found);
      const Location location{record.segment, record.offset, record.stored_octets};
      if (auto checked = read_record(*segment, location, record.id, 0, record.octets); !checked)
        step.findings.push_back(format("blob {}: {}", record.id.hex(), checked.error().describe()));
      ++step.records;
      step.octets += record.stored_octets;
      at = record.offset + record.stored_octets;
    }
    if (step.octets == 0 || segment == all.back()) continue;
    step.next = {segment->number() + 1, 0};
    return step;
  }
  step.at_end = true;
  step.next = {};
  return step;
}

Result<void> list_records(const SegmentSet& segments, const std::function<void(const RecordInfo&)>& visit) {
  for (const auto& segment : segments.all()) KM_CHECK(list_records(segments, *segment, visit));
  return {};
}

Result<void> list_records(const SegmentSet& segments, const Segment& segment,
                          const std::function<void(const RecordInfo&)>& visit) {
  const std::uint64_t end = segments.octets(segment);
  for (std::uint64_t at = segment_header_octets; at < end;) {
    KM_TRY(const auto found, segment.find_record(at, end));
    if (!found) break;
    visit(describe(segment, *found));
    at = found->offset + found->header.record_octets();
  }
  return {};
}

Result<void> copy_segments(const SegmentSet& segments, const std::string& directory) {
  KM_CHECK(kv::make_directory(directory));
  for (const auto& segment : segments.all()) {
    const auto name = segments.file_name(segment->number());
    KM_CHECK(copy_segment(*segment, segments.octets(*segment), directory + name.substr(name.rfind('/'))));
  }
  return kv::sync_directory(directory);
}

}  // namespace keystonemail::segments
