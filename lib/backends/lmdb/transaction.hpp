// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// LmdbTransaction: what an operation sees, on a write transaction or one nested in it.
#pragma once

#include <lmdb.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "backends/lmdb/environment.hpp"
#include "keystonemail/kv/kv.hpp"

namespace keystonemail::lmdb {

// Threads: the writer's. Ownership: borrows the LMDB transaction and neither commits nor aborts it.
class LmdbTransaction final : public kv::Transaction {
 public:
  LmdbTransaction(MDB_txn* txn, const Environment& environment, std::string& row) noexcept
      : txn_(txn), environment_(environment), row_(row) {}

  Task<Result<std::optional<std::string_view>>> get(kv::Table table, std::string_view key) override;
  Task<Result<std::vector<kv::Row>>> scan(kv::Table table, kv::Range range) override;
  void put(kv::Table table, std::string_view key, std::string_view value) override;
  void erase(kv::Table table, std::string_view key) override;

  // What went wrong first, if anything: LMDB's code, 0 when the row itself was refused.
  [[nodiscard]] const std::optional<Error>& failure() const noexcept { return failure_; }
  [[nodiscard]] int failure_code() const noexcept { return failure_code_; }
  [[nodiscard]] std::size_t octets_changed() const noexcept { return octets_changed_; }

 private:
  [[nodiscard]] const TableHandle& handle(kv::Table table) const {
    return environment_.tables().at(static_cast<std::size_t>(table));
  }
  void note(int code, std::string_view what);

  MDB_txn* txn_;
  const Environment& environment_;
  std::string& row_;  // scratch, kept from one operation to the next
  std::optional<Error> failure_;
  int failure_code_ = 0;
  std::size_t octets_changed_ = 0;
};

}  // namespace keystonemail::lmdb
