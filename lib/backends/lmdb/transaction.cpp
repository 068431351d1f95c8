// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/lmdb/transaction.hpp"

#include "backends/lmdb/errors.hpp"
#include "backends/lmdb/reader.hpp"
#include "backends/lmdb/value.hpp"
#include "kv/check.hpp"

namespace keystonemail::lmdb {

Task<Result<std::optional<std::string_view>>> LmdbTransaction::get(kv::Table table, std::string_view key) {
  if (failure_) co_return std::unexpected(*failure_);
  co_return get_value(txn_, handle(table), key);
}

Task<Result<std::vector<kv::Row>>> LmdbTransaction::scan(kv::Table table, kv::Range range) {
  if (failure_) co_return std::unexpected(*failure_);
  co_return scan_rows(txn_, handle(table), range);
}

void LmdbTransaction::put(kv::Table table, std::string_view key, std::string_view value) {
  if (failure_) return;
  if (auto checked = kv::check_row(key, value); !checked) {
    failure_ = std::move(checked).error();
    return;
  }
  const auto& to = handle(table);
  // Copied first: both may be views of a page that LMDB is about to rearrange.
  row_.resize(key.size() + value_prefix_octets + value.size());
  key.copy(row_.data(), key.size());
  store_value(row_.data() + key.size(), to.sum, key, value);
  MDB_val name{key.size(), row_.data()};
  MDB_val stored{row_.size() - key.size(), row_.data() + key.size()};
  if (const int code = mdb_put(txn_, to.dbi, &name, &stored, 0); code != 0) return note(code, "mdb_put");
  octets_changed_ += row_.size();
}

void LmdbTransaction::erase(kv::Table table, std::string_view key) {
  if (failure_) return;
  if (auto checked = kv::check_row(key, {}); !checked) {
    failure_ = std::move(checked).error();
    return;
  }
  MDB_val name{key.size(), const_cast<char*>(key.data())};
  const int code = mdb_del(txn_, handle(table).dbi, &name, nullptr);
  if (code == MDB_NOTFOUND) return;
  if (code != 0) return note(code, "mdb_del");
  octets_changed_ += key.size();
}

void LmdbTransaction::note(int code, std::string_view what) {
  failure_code_ = code;
  failure_ = to_error(code, what);
}

}  // namespace keystonemail::lmdb
