// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/segments/segment_set.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <system_error>

#include "base/format.hpp"
#include "base/try.hpp"
#include "kv/disk.hpp"

namespace keystonemail::segments {
namespace {

constexpr std::string_view suffix = ".segment";

std::optional<std::uint32_t> number_of(const std::string& name) {
  std::uint32_t number = 0;
  if (!name.ends_with(suffix)) return std::nullopt;
  const char* end = name.data() + name.size() - suffix.size();
  const auto parsed = std::from_chars(name.data(), end, number);
  return parsed.ec == std::errc() && parsed.ptr == end && number > 0 ? std::optional(number) : std::nullopt;
}

std::unexpected<Error> poisoned() {
  return fail(ErrorKind::unavailable, "storage has failed", "segments: poisoned by a failed sync");
}

}  // namespace

Result<std::unique_ptr<SegmentSet>> SegmentSet::open(const BlobOptions& options) {
  KM_CHECK(kv::make_directory(options.directory));
  std::unique_ptr<SegmentSet> set(new SegmentSet(options));
  KM_CHECK(set->open_files());
  KM_CHECK(set->continue_last());
  return set;
}

Result<SegmentSet::Place> SegmentSet::reserve(const RecordHeader& header) {
  const std::string encoded = encode_record_header(header);
  const std::lock_guard lock(mutex_);
  if (options_.read_only) return fail(ErrorKind::unavailable, {}, "segments: opened to be read");
  if (poisoned_) return poisoned();
  const auto octets = header.record_octets();
  if (current_ != nullptr && current_->end > segment_header_octets && current_->end + octets > options_.segment_octets_max)
    current_.reset();
  if (current_ == nullptr) KM_CHECK(begin_segment());
  const Location location{current_->number(), current_->end, octets};
  current_->dirty = true;
  if (auto written = current_->write(location.offset, encoded); !written) {
    current_.reset();  // a scan could not step over what is there now, so nothing may follow it
    return std::unexpected(std::move(written).error());
  }
  current_->end += octets;
  return Place{Pin(current_), location};
}

Result<void> SegmentSet::write(const Place& place, std::uint64_t offset_in_record, std::string_view octets) {
  return place.pin.segment().write(place.location.offset + offset_in_record, octets);
}

Result<void> SegmentSet::sync() {
  const std::lock_guard one_at_a_time(syncing_);
  std::vector<std::shared_ptr<Segment>> dirty;
  bool directory = false;
  {
    const std::lock_guard lock(mutex_);
    if (poisoned_) return poisoned();
    for (const auto& [number, segment] : segments_) {
      if (!segment->dirty) continue;
      segment->dirty = false;
      dirty.push_back(segment);
    }
    directory = std::exchange(directory_dirty_, false);
  }
  Result<void> result;
  for (const auto& segment : dirty)
    if (result && ::fdatasync(segment->fd()) != 0)
      result = kv::disk_failed(errno, format("sync segment {}", segment->number()));
  if (result && directory) result = kv::sync_directory(options_.directory);
  if (result) return {};
  const std::lock_guard lock(mutex_);
  poisoned_ = true;  // the kernel may have dropped what it could not write, and says so only once
  return result;
}

std::shared_ptr<Segment> SegmentSet::find(std::uint32_t number) const {
  const std::lock_guard lock(mutex_);
  const auto found = segments_.find(number);
  return found == segments_.end() ? nullptr : found->second;
}

std::optional<Pin> SegmentSet::pin(std::uint32_t number) const {
  const std::lock_guard lock(mutex_);
  const auto found = segments_.find(number);
  if (found == segments_.end() || found->second->retired) return std::nullopt;
  return Pin(found->second);
}

std::vector<std::shared_ptr<Segment>> SegmentSet::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Segment>> segments;
  for (const auto& [number, segment] : segments_) segments.push_back(segment);
  return segments;
}

bool SegmentSet::is_sealed(const Segment& segment) const {
  const std::lock_guard lock(mutex_);
  return current_.get() != &segment;
}

void SegmentSet::seal(const Segment& segment) {
  const std::lock_guard lock(mutex_);
  if (current_.get() == &segment) current_.reset();
}

bool SegmentSet::retire(Segment& segment) {
  const std::lock_guard lock(mutex_);
  if (current_.get() == &segment || segment.pins > 0 || segment.retired) return false;
  segment.retired = true;
  return true;
}

void SegmentSet::restore(Segment& segment) {
  const std::lock_guard lock(mutex_);
  segment.retired = false;
}

Result<void> SegmentSet::unlink(std::uint32_t number) {
  {
    const std::lock_guard lock(mutex_);
    segments_.erase(number);
  }
  if (::unlink(file_name(number).c_str()) != 0 && errno != ENOENT) return kv::disk_failed(errno, "unlink " + file_name(number));
  return {};
}

std::uint64_t SegmentSet::octets(const Segment& segment) const {
  const std::lock_guard lock(mutex_);
  return segment.end;
}

std::string SegmentSet::file_name(std::uint32_t number) const {
  return format("{}/{:010}{}", options_.directory, number, suffix);
}

bool SegmentSet::has_room() const noexcept {
  return kv::has_room(options_.directory, {options_.free_octets_min, options_.free_percent_min});
}

bool SegmentSet::has_room_to_copy(std::uint64_t octets) const noexcept {
  constexpr std::uint64_t left_octets = 2U << 20;
  const auto free = kv::free_octets(options_.directory);
  return octets == 0 || !free || *free >= octets + left_octets;
}

Result<void> SegmentSet::open_files() {
  std::error_code code;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory, code)) {
    const auto number = number_of(entry.path().filename().string());
    if (!number) continue;
    const int fd = ::open(entry.path().c_str(), (options_.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (fd < 0) return kv::disk_failed(errno, "open " + entry.path().string());
    auto segment = std::make_shared<Segment>(*number, fd);
    struct stat status {};
    if (::fstat(fd, &status) != 0) return kv::disk_failed(errno, "fstat " + entry.path().string());
    segment->end = static_cast<std::uint64_t>(status.st_size);
    segments_.emplace(*number, std::move(segment));
    last_number_ = std::max(last_number_, *number);
  }
  if (code) return kv::disk_failed(code.value(), "list " + options_.directory);
  return {};
}

// Appends go on in the last file when it ends with a whole record. When it does not, a crash has torn its tail: that
// stays as it is, dead or (where a committed row names it) damaged, and a new file is begun.
Result<void> SegmentSet::continue_last() {
  if (segments_.empty() || options_.read_only) return {};
  const auto& last = segments_.rbegin()->second;
  if (last->end < segment_header_octets) return {};
  KM_TRY(const auto start, last->read(0, segment_header_octets));
  if (!is_segment_header(start, last->number())) return {};
  std::uint64_t at = segment_header_octets;
  while (at < last->end) {
    if (at + record_header_octets > last->end) return {};
    KM_TRY(const auto encoded, last->read(at, record_header_octets));
    const auto header = decode_record_header(encoded);
    if (!header || at + header->record_octets() > last->end) return {};
    at += header->record_octets();
    KM_TRY(const auto trailer, last->read(at - record_trailer_octets, record_trailer_octets));
    // A record given up, or torn: only its header counts while others follow, but nothing may be put after the last.
    if (at == last->end && trailer != encode_record_trailer(encoded)) return {};
  }
  // What a killed process had written but not synced is in the page cache only: the first sync covers it.
  last->dirty = true;
  if (at < options_.segment_octets_max) current_ = last;
  return {};
}

Result<void> SegmentSet::begin_segment() {
  const std::uint32_t number = last_number_ + 1;
  const int fd = ::open(file_name(number).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return kv::disk_failed(errno, "create " + file_name(number));
  auto segment = std::make_shared<Segment>(number, fd);
  last_number_ = number;
  directory_dirty_ = true;
  segment->dirty = true;
  segment->end = segment_header_octets;
  segments_.emplace(number, segment);
  KM_CHECK(segment->write(0, encode_segment_header(number)));
  current_ = std::move(segment);
  return {};
}

}  // namespace keystonemail::segments
