// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Reading from an LMDB transaction of either kind.
#pragma once

#include <lmdb.h>

#include <optional>
#include <string_view>
#include <vector>

#include "backends/lmdb/environment.hpp"
#include "backends/lmdb/reader_pool.hpp"
#include "keystonemail/kv/kv.hpp"

namespace keystonemail::lmdb {

[[nodiscard]] Result<std::optional<std::string_view>> get_value(MDB_txn* txn, const TableHandle& table,
                                                                std::string_view key);
[[nodiscard]] Result<std::vector<kv::Row>> scan_rows(MDB_txn* txn, const TableHandle& table, const kv::Range& range);

// Threads: that of its executor, or of whoever took the reader.
class LmdbSnapshot final : public kv::Snapshot {
 public:
  LmdbSnapshot(Environment& environment, ReaderPool& pool, PooledReader* reader, const Clock& clock,
               std::chrono::milliseconds age_max)
      : environment_(environment), pool_(pool), reader_(reader), clock_(clock), age_max_(age_max) {}
  ~LmdbSnapshot() override { pool_.release(reader_); }

  Task<Result<std::optional<std::string_view>>> get(kv::Table table, std::string_view key) override;
  Task<Result<std::vector<kv::Row>>> scan(kv::Table table, kv::Range range) override;

 private:
  [[nodiscard]] Result<void> check_age();

  Environment& environment_;
  ReaderPool& pool_;
  PooledReader* reader_;
  const Clock& clock_;
  std::chrono::milliseconds age_max_;
  unsigned gets_ = 0;
};

}  // namespace keystonemail::lmdb
