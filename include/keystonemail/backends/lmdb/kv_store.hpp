// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// lmdb: the kv port on one LMDB environment. Format: lib/backends/lmdb/FORMAT.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "keystonemail/base/log.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/kv/kv.hpp"

namespace keystonemail::lmdb {

enum class FileSystems : std::uint8_t {
  local,  // network, FUSE and overlay file systems are refused: their locks, maps or syncs do not hold
  any,
};

struct KvOptions {
  std::string directory = {};            // made if missing, mode 0700
  std::vector<std::string> tables = {};  // a Table is an index into it; the names are in the file, so order may change
  // Address space, not storage: the file is as large as its content. Doubled when nearly used, up to the maximum.
  std::uint64_t map_octets_initial = 64ULL << 30;
  std::uint64_t map_octets_max = 1ULL << 40;
  std::uint64_t map_reserve_octets = 0;  // kept for Growth::frees; 0: the larger of 64 MiB and 5 % of the map
  // Operations that add are refused below this much free storage (never more than a quarter of the file system).
  std::uint64_t free_octets_min = 1ULL << 30;
  unsigned free_percent_min = 5;
  // Storage held behind the end of the file for Growth::frees, so that a file system without a free block does not keep
  // mail from being deleted (never more than a sixteenth of the file system). Operations that add keep it whole.
  std::uint64_t claimed_octets = 8U << 20;
  unsigned readers_max = 126;            // snapshots at a time
  std::chrono::milliseconds snapshot_age_max = std::chrono::seconds(5);  // older ones answer timeout: they pin storage
  std::size_t group_operations_max = 256;
  std::size_t group_octets_max = 8U << 20;
  std::size_t queue_max = 16'384;        // operations that wait; more are refused
  FileSystems file_systems = FileSystems::local;
  const Clock* clock = nullptr;          // borrowed; null: the system's
  Log* log = nullptr;                    // borrowed; null: none
};

struct TableStat {
  std::string name;
  std::uint64_t rows = 0;
  std::uint64_t pages = 0;
};

struct KvStat {
  std::uint32_t page_octets = 0;
  std::uint64_t pages_used = 0;          // up to the last one in the file, free ones included
  std::uint64_t pages_free = 0;
  std::uint64_t map_octets = 0;
  std::uint32_t engine_flags = 0;        // as mdb_env_get_flags gives them
  unsigned snapshots = 0;                // open now
  std::chrono::milliseconds oldest_snapshot{};
  std::uint64_t commits = 0;             // since it was opened, as are those below
  std::uint64_t operations = 0;          // that changed something and were committed
  std::uint64_t failed_commits = 0;
  bool poisoned = false;
  std::vector<TableStat> tables;
};

// What check() found. A store without damage has an empty list.
struct KvReport {
  std::uint64_t rows = 0;
  std::uint64_t octets = 0;
  std::uint64_t damaged = 0;
  std::vector<std::string> findings;     // the first hundred
};

enum class Compaction : std::uint8_t { no, yes };

// One thread, owned by the store, commits what has gathered: one sync for a group, no delay for a lone operation.
// Each value is stored with a version and a CRC-32C over table, key and value, checked whenever it is read.
//
// Ownership: the destructor commits what was taken, joins its thread and closes the files. REQUIRES: no snapshot
//   is left, and the executors of all calls still run.
// Threads: any. Snapshots and completions belong to the thread of their executor. stat(), check(), backup() and
//   reopen() block: call them on a thread that may.
// Errors: unavailable (storage full or failing, too many snapshots), corrupt, timeout (snapshot too old), invalid.
//   After a failed sync every transact() fails with unavailable until reopen(). When storage was merely full the
//   store reopens itself with the next operation.
// Limits: as in KvOptions; one process at a time, by a lock that names its holder.
// Signals: a truncated file or a bad sector under the map raises SIGBUS on access. The program installs the
//   handler: report with write(2) and end; the store never does.
class KvStore : public kv::Store {
 public:
  [[nodiscard]] virtual KvStat stat() = 0;
  // Reads every row of every table and checks it, in short snapshots.
  [[nodiscard]] virtual Result<KvReport> check() = 0;
  // Writes a consistent copy to `file` while operations go on: to a temporary name, synced, renamed, directory
  // synced. The copy is opened by putting it into a directory of its own as "data.mdb".
  [[nodiscard]] virtual Result<void> backup(const std::string& file, Compaction compaction) = 0;
  // Closes and opens the files again, once no snapshot is left, and takes operations as before.
  [[nodiscard]] virtual Result<void> reopen() = 0;
};

// Errors: unavailable (cannot be opened, held by another process), corrupt (damaged or truncated), invalid (a newer
// format, an unfit file system).
[[nodiscard]] Result<std::unique_ptr<KvStore>> open_kv_store(KvOptions options);

}  // namespace keystonemail::lmdb
