// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Collector: gives the space of dead records back.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "backends/segments/rows.hpp"
#include "backends/segments/segment_set.hpp"
#include "keystonemail/backends/segments/blob_store.hpp"

namespace keystonemail::segments {

// A segment that is mostly dead is read through; its live records are appended elsewhere and the rows that named
// them changed, in commits that wait for the new copies to be synced. Only then, and after no snapshot can be left
// that saw the old rows, is the file removed. A crash anywhere leaves the old file or both.
//
// Threads: one collect() at a time; stat() from any.
class Collector {
 public:
  Collector(kv::Store& store, SegmentSet& segments, const BlobRows& rows, const BlobOptions& options, const Clock& clock)
      : store_(store), segments_(segments), rows_(rows), options_(options), clock_(clock) {}

  [[nodiscard]] Task<Result<CollectReport>> collect(Context context);
  [[nodiscard]] std::vector<SegmentStat> stat() const;

 private:
  struct Move {
    blob::BlobId id;
    Location from;
    Location to;
  };
  [[nodiscard]] Task<Result<void>> remove_emptied(CollectReport& report, Context context);
  [[nodiscard]] Task<Result<std::shared_ptr<Segment>>> choose(Context context);
  [[nodiscard]] Task<Result<std::vector<RecordInfo>>> live_records(const Segment& segment, Context context);
  [[nodiscard]] Task<Result<void>> empty(Segment& segment, std::vector<RecordInfo> live, CollectReport& report, Context context);
  [[nodiscard]] Result<SegmentSet::Place> copy(const Segment& segment, const RecordInfo& record);
  [[nodiscard]] Task<Result<void>> change_rows(const std::vector<Move>& moves, Context context);
  [[nodiscard]] Task<Result<void>> set_dead(std::uint32_t segment, std::uint64_t octets, Context context);
  [[nodiscard]] Instant put_off_until(std::uint32_t segment) const;
  [[nodiscard]] bool is_old(const Segment& segment) const noexcept;

  kv::Store& store_;
  SegmentSet& segments_;
  const BlobRows& rows_;
  const BlobOptions& options_;
  const Clock& clock_;
  std::map<std::uint32_t, Instant> emptied_;       // when
  std::map<std::uint32_t, Instant> put_off_;       // no room for what lives in them
  std::set<std::uint32_t> looked_through_;         // for orphans, since it was opened
  mutable std::mutex mutex_;
  std::map<std::uint32_t, std::uint64_t> dead_;    // as last seen; guarded by mutex_
};

}  // namespace keystonemail::segments
