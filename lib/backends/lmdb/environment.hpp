// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Environment: the open LMDB files and tables of a store.
#pragma once

#include <lmdb.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backends/lmdb/owner_lock.hpp"
#include "keystonemail/backends/lmdb/kv_store.hpp"

namespace keystonemail::lmdb {

// Nothing that trades durability for speed (NOSYNC, NOMETASYNC, MAPASYNC), exposes the file to stray writes
// (WRITEMAP) or lets old memory leak into it (NOMEMINIT). NOTLS binds a reader to its transaction, not its thread.
inline constexpr unsigned environment_flags = MDB_NOTLS;
static_assert((environment_flags & (MDB_NOSYNC | MDB_NOMETASYNC | MDB_MAPASYNC | MDB_WRITEMAP | MDB_NOMEMINIT |
                                    MDB_NOLOCK)) == 0);

inline constexpr std::uint32_t format_version = 1;
inline constexpr const char* store_table = "_store";  // what the store says about itself

struct TableHandle {
  MDB_dbi dbi = 0;
  std::uint32_t sum = 0;  // CRC-32C of the name
};

struct EnvironmentCloser {
  void operator()(MDB_env* env) const noexcept { mdb_env_close(env); }
};
using EnvironmentHandle = std::unique_ptr<MDB_env, EnvironmentCloser>;

// Threads: LMDB's rules; reopen() and grow() only while no transaction is open, resting read transactions included.
class Environment {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Environment>> open(const KvOptions& options);

  // After an error it is closed, and may be tried again.
  [[nodiscard]] Result<void> reopen();
  [[nodiscard]] bool is_open() const noexcept { return env_ != nullptr; }
  // Doubles the map. Errors: unavailable at the maximum.
  [[nodiscard]] Result<void> grow();
  [[nodiscard]] bool can_grow() const noexcept { return map_octets_ < options_.map_octets_max; }

  [[nodiscard]] MDB_env* get() const noexcept { return env_.get(); }
  [[nodiscard]] const std::vector<TableHandle>& tables() const noexcept { return tables_; }
  [[nodiscard]] const std::string& directory() const noexcept { return options_.directory; }
  [[nodiscard]] std::uint64_t map_octets() const noexcept { return map_octets_; }
  [[nodiscard]] std::uint64_t used_octets() const noexcept;  // to the last page ever used
  // Holds storage for the file and for options.claimed_octets behind its last page, so that what frees can still be
  // committed when others have filled the file system. False when that much is not to be had. True as well where
  // storage cannot be held: then the rule on free space is all there is.
  [[nodiscard]] bool claim_ahead() noexcept;
  [[nodiscard]] std::uint32_t page_octets() const noexcept { return page_octets_; }
  // What is on the free list, in pages, as `txn`, a read transaction, sees it. Reads the whole list.
  [[nodiscard]] static std::uint64_t free_pages(MDB_txn* txn) noexcept;

 private:
  Environment(const KvOptions& options, OwnerLock lock) : options_(options), lock_(std::move(lock)) {}
  void close() noexcept;
  [[nodiscard]] Result<void> open_files();
  [[nodiscard]] Result<void> make_file(const std::string& file);
  [[nodiscard]] Result<void> open_engine(const std::string& path, unsigned flags);
  [[nodiscard]] Result<void> open_tables();
  [[nodiscard]] Result<void> check_format(MDB_txn* txn);

  KvOptions options_;
  OwnerLock lock_;
  EnvironmentHandle env_;
  std::vector<TableHandle> tables_;
  std::uint64_t map_octets_ = 0;
  std::uint64_t claimed_until_ = 0;  // offset in the file
  std::uint32_t page_octets_ = 0;
};

}  // namespace keystonemail::lmdb
