// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Segment: one open segment file.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "backends/segments/record_format.hpp"
#include "backends/segments/row.hpp"
#include "keystonemail/base/result.hpp"

namespace keystonemail::segments {

// Threads: reads from any; `end`, `dirty` and `retired` belong to the SegmentSet's mutex.
class Segment {
 public:
  Segment(std::uint32_t number, int fd) noexcept : number_(number), fd_(fd) {}
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
  [[nodiscard]] int fd() const noexcept { return fd_; }
  // All of `octets` from `offset`. Errors: corrupt past the end of the file; unavailable.
  [[nodiscard]] Result<std::string> read(std::uint64_t offset, std::uint64_t octets) const;
  // Appends them to `out`.
  [[nodiscard]] Result<void> read(std::uint64_t offset, std::uint64_t octets, std::string& out) const;
  [[nodiscard]] Result<void> write(std::uint64_t offset, std::string_view octets) const;
  // Up to four pieces, one after the other, by one call.
  [[nodiscard]] Result<void> write(std::uint64_t offset, std::span<const std::string_view> pieces) const;
  // The next sound record header at or after `offset`, found octet by octet where there is damage.
  struct Found {
    std::uint64_t offset;
    RecordHeader header;
  };
  [[nodiscard]] Result<std::optional<Found>> find_record(std::uint64_t offset, std::uint64_t end) const;

  std::uint64_t end = 0;
  bool dirty = false;
  bool retired = false;           // emptied: to be unlinked
  std::atomic<unsigned> pins = 0;  // staged content that names it; new ones under the mutex only

 private:
  std::uint32_t number_;
  int fd_;
};

// Keeps a segment from being collected.
class Pin {
 public:
  explicit Pin(std::shared_ptr<Segment> segment) noexcept : segment_(std::move(segment)) { ++segment_->pins; }
  ~Pin() {
    if (segment_ != nullptr) --segment_->pins;
  }
  Pin(Pin&& other) noexcept : segment_(std::move(other.segment_)) {}
  Pin& operator=(Pin&&) = delete;
  [[nodiscard]] const Segment& segment() const noexcept { return *segment_; }

 private:
  std::shared_ptr<Segment> segment_;
};

// `octets` octets of the content of the record at `location`, from `from` on, every chunk checked; the whole is
// checked against `id`. Errors: corrupt, unavailable.
[[nodiscard]] Result<std::string> read_record(const Segment& segment, const Location& location, const blob::BlobId& id,
                                              std::uint64_t from, std::uint64_t octets);

}  // namespace keystonemail::segments
