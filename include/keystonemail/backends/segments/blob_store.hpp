// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// segments: the blob port on a kv store for small content and append-only segment files for large.
// Format: lib/backends/segments/FORMAT.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/log.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/base/worker_pool.hpp"
#include "keystonemail/blob/blob.hpp"

namespace keystonemail::segments {

// The tables that the kv store must have been opened with, one after the other.
[[nodiscard]] std::span<const std::string_view> blob_tables() noexcept;

struct BlobOptions {
  std::string directory;                        // made if missing, mode 0700
  kv::Table first_table{};                      // of blob_tables()
  std::size_t small_octets_max = 1'900;         // as stored, compressed: up to this the content lives in its kv row
  std::uint64_t segment_octets_max = 128U << 20;  // a new file is begun beyond it; one larger blob has its own
  std::uint64_t blob_octets_max = blob::limits::blob_octets_max;
  std::uint64_t free_octets_min = 1ULL << 30;   // as lmdb::KvOptions has them
  unsigned free_percent_min = 5;
  unsigned live_percent_min = 50;               // below it a segment is emptied into another
  std::chrono::milliseconds orphan_age = std::chrono::hours(24);        // then unreferenced records count as dead
  std::chrono::milliseconds unlink_delay = std::chrono::seconds(10);    // longer than any snapshot lives
  bool read_only = false;                       // writes nothing to the files; staging answers unavailable
  WorkerPool* workers = nullptr;                // borrowed; decode what a reader asks for next; null: none does
  const Clock* clock = nullptr;                 // borrowed; null: the system's
  Log* log = nullptr;                           // borrowed; null: none
};

// One record of a segment file.
struct RecordInfo {
  blob::BlobId id;
  std::uint64_t octets = 0;        // of the content
  std::uint32_t segment = 0;
  std::uint64_t offset = 0;
  std::uint64_t stored_octets = 0;  // of the whole record
  WallTime stored_at{};
};

struct SegmentStat {
  std::uint32_t segment = 0;
  std::uint64_t octets = 0;
  std::uint64_t dead_octets = 0;   // counted; orphans come on top
};

struct CollectReport {
  unsigned segments_emptied = 0;
  unsigned segments_removed = 0;
  std::uint64_t octets_moved = 0;
};

struct ScrubPosition {
  std::uint32_t segment = 0;
  std::uint64_t offset = 0;
};
struct ScrubStep {
  ScrubPosition next;              // where the next step begins
  bool at_end = false;
  std::uint64_t octets = 0;        // read
  std::uint64_t records = 0;
  std::vector<std::string> findings;
};

// How many references each blob should have.
using References = std::map<blob::BlobId, std::uint64_t>;

struct RecountReport {
  std::uint64_t rows_corrected = 0;
  std::uint64_t rows_found = 0;    // lost, and made anew from the records of segments
  std::uint64_t lost = 0;          // referred to, and nowhere
};

// Content is hashed, compressed and appended where it is staged, on the caller's thread; barrier() syncs what was
// appended since, once for all operations of a commit. Records name their digest and length, so that a lost kv
// store can be rebuilt from the files.
//
// Ownership: borrows the kv store. Threads: any; reads and appends of large content use the page cache and may
//   wait for the disk. collect() and scrub() are steps that the embedder calls now and then, one at a time.
// Errors: unavailable (full; or a sync failed, and then always until opened anew), too_large, corrupt, not_found.
// Limits: memory for a Writer is 1 MiB and 8 octets for each 64 KiB of content; 2 MiB for what is read ahead.
class BlobStore : public blob::Store {
 public:
  [[nodiscard]] virtual std::vector<SegmentStat> stat() const = 0;
  // Removes files that were emptied a while ago, and empties the next one that is mostly dead.
  [[nodiscard]] virtual Task<Result<CollectReport>> collect(Context context) = 0;
  // Reads about `octets_max` octets of records from `position` on, of one file, and checks every sum and digest.
  [[nodiscard]] virtual Result<ScrubStep> scrub(ScrubPosition position, std::uint64_t octets_max) = 0;
  // Calls `visit` for every sound record header of every file, whether anything refers to it or not.
  [[nodiscard]] virtual Result<void> records(const std::function<void(const RecordInfo&)>& visit) = 0;
  // The content of a listed record. Errors: corrupt when it fails its check; not_found.
  [[nodiscard]] virtual Result<std::string> content(const RecordInfo& record) = 0;
  // A listed record as staged content, to be referred to again: for a store rebuilt from scratch.
  // Errors: corrupt when the record fails its check; not_found.
  [[nodiscard]] virtual Result<std::unique_ptr<blob::Staged>> adopt(const RecordInfo& record) = 0;
  // Raises counts to what `references` says, and makes lost rows anew where the content is whole in a segment. For an
  // index that was recovered. REQUIRES: nothing else changes the store meanwhile.
  [[nodiscard]] virtual Task<Result<RecountReport>> recount(References references, Context context) = 0;
  // Copies every segment file into `directory` as it is now, synced. Taken after a kv backup it holds all that the
  // backup names. REQUIRES: no collect() meanwhile.
  [[nodiscard]] virtual Result<void> backup(const std::string& directory) = 0;
};

// Errors: unavailable, corrupt.
[[nodiscard]] Task<Result<std::unique_ptr<BlobStore>>> open_blob_store(kv::Store& store, BlobOptions options,
                                                                       Context context);

}  // namespace keystonemail::segments
