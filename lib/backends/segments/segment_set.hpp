// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SegmentSet: all segment files, the place where the next record goes, and the sync that commits wait for.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/segments/segment.hpp"
#include "keystonemail/backends/segments/blob_store.hpp"
#include "keystonemail/kv/kv.hpp"

namespace keystonemail::segments {

// Threads: any.
class SegmentSet final : public kv::Barrier {
 public:
  [[nodiscard]] static Result<std::unique_ptr<SegmentSet>> open(const BlobOptions& options);

  // Where a record of this size goes; its header is written at once, so that a scan can step over it whatever
  // becomes of the rest. The pin keeps the segment.
  struct Place {
    Pin pin;
    Location location;
  };
  [[nodiscard]] Result<Place> reserve(const RecordHeader& header);
  // Writes what follows the header. After an error the place is given up as dead.
  [[nodiscard]] Result<void> write(const Place& place, std::uint64_t offset_in_record, std::string_view octets);

  // fdatasync of every file written since, and fsync of the directory when one is new. After an error all fails.
  [[nodiscard]] Result<void> sync() override;

  [[nodiscard]] std::shared_ptr<Segment> find(std::uint32_t number) const;
  // Nothing when the segment is gone or going.
  [[nodiscard]] std::optional<Pin> pin(std::uint32_t number) const;
  [[nodiscard]] std::vector<std::shared_ptr<Segment>> all() const;
  // Whether nothing will be appended to it any more.
  [[nodiscard]] bool is_sealed(const Segment& segment) const;
  // Appends go elsewhere from now on.
  void seal(const Segment& segment);
  // Marks it as going; false when something still pins it, or it takes appends.
  [[nodiscard]] bool retire(Segment& segment);
  void restore(Segment& segment);
  [[nodiscard]] Result<void> unlink(std::uint32_t number);
  [[nodiscard]] std::uint64_t octets(const Segment& segment) const;
  [[nodiscard]] std::string file_name(std::uint32_t number) const;
  [[nodiscard]] bool has_room() const noexcept;
  // Whether this much can be copied, with something left for deletions.
  [[nodiscard]] bool has_room_to_copy(std::uint64_t octets) const noexcept;

 private:
  explicit SegmentSet(const BlobOptions& options) : options_(options) {}
  [[nodiscard]] Result<void> open_files();
  [[nodiscard]] Result<void> continue_last();
  [[nodiscard]] Result<void> begin_segment();

  const BlobOptions& options_;
  std::mutex syncing_;                // one sync at a time; taken before mutex_
  mutable std::mutex mutex_;          // guards all below
  std::map<std::uint32_t, std::shared_ptr<Segment>> segments_;
  std::shared_ptr<Segment> current_;  // null: the next append begins one
  std::uint32_t last_number_ = 0;
  bool directory_dirty_ = false;
  bool poisoned_ = false;
};

}  // namespace keystonemail::segments
