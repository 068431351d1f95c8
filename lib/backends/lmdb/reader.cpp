// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/lmdb/reader.hpp"

#include "backends/lmdb/errors.hpp"
#include "backends/lmdb/octets.hpp"
#include "backends/lmdb/value.hpp"
#include "base/format.hpp"
#include "base/try.hpp"

namespace keystonemail::lmdb {
namespace {

std::string_view to_view(const MDB_val& value) noexcept { return {static_cast<const char*>(value.mv_data), value.mv_size}; }

std::unexpected<Error> damaged(std::string_view key) {
  std::string hex;
  for (const char c : key.substr(0, 40)) format_to(hex, "{:02x}", static_cast<unsigned char>(c));
  return fail(ErrorKind::corrupt, "stored data is damaged", format("lmdb: the value of key {} fails its check", hex));
}

class Cursor {
 public:
  ~Cursor() {
    if (cursor_ != nullptr) mdb_cursor_close(cursor_);
  }
  Cursor() = default;
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  [[nodiscard]] int open(MDB_txn* txn, MDB_dbi dbi) noexcept { return mdb_cursor_open(txn, dbi, &cursor_); }
  [[nodiscard]] int move(MDB_cursor_op op) noexcept { return mdb_cursor_get(cursor_, &key_, &value_, op); }
  // To the first key that is not before `key`.
  [[nodiscard]] int seek(std::string_view key) noexcept {
    if (key.empty()) return move(MDB_FIRST);
    key_ = to_val(key);
    return move(MDB_SET_RANGE);
  }
  // To the last key before `end`; empty means the last of all.
  [[nodiscard]] int seek_before(std::string_view end) noexcept {
    if (end.empty()) return move(MDB_LAST);
    const int code = seek(end);
    return code == MDB_NOTFOUND ? move(MDB_LAST) : code != 0 ? code : move(MDB_PREV);
  }
  [[nodiscard]] std::string_view key() const noexcept { return to_view(key_); }
  [[nodiscard]] std::string_view value() const noexcept { return to_view(value_); }

 private:
  MDB_cursor* cursor_ = nullptr;
  MDB_val key_{};
  MDB_val value_{};
};

}  // namespace

Result<std::optional<std::string_view>> get_value(MDB_txn* txn, const TableHandle& table, std::string_view key) {
  if (key.empty() || key.size() > kv::limits::key_octets_max) return std::nullopt;  // cannot have been put
  auto name = to_val(key);
  MDB_val found{};
  const int code = mdb_get(txn, table.dbi, &name, &found);
  if (code == MDB_NOTFOUND) return std::nullopt;
  if (code != 0) return failed(code, "mdb_get");
  const auto value = load_value(table.sum, key, to_view(found));
  if (!value) return damaged(key);
  return value;
}

Result<std::vector<kv::Row>> scan_rows(MDB_txn* txn, const TableHandle& table, const kv::Range& range) {
  std::vector<kv::Row> rows;
  if (range.rows_max == 0 || (!range.end.empty() && range.end <= range.first)) return rows;
  const bool forward = range.direction == kv::Direction::forward;
  Cursor cursor;
  if (const int code = cursor.open(txn, table.dbi); code != 0) return failed(code, "mdb_cursor_open");
  int code = forward ? cursor.seek(range.first) : cursor.seek_before(range.end);
  for (; code == 0; code = cursor.move(forward ? MDB_NEXT : MDB_PREV)) {
    if (forward ? !range.end.empty() && cursor.key() >= range.end : cursor.key() < range.first) break;
    const auto value = load_value(table.sum, cursor.key(), cursor.value());
    if (!value) return damaged(cursor.key());
    rows.push_back({cursor.key(), *value});
    if (rows.size() == range.rows_max) break;
  }
  if (code != 0 && code != MDB_NOTFOUND) return failed(code, "mdb_cursor_get");
  return rows;
}

Task<Result<std::optional<std::string_view>>> LmdbSnapshot::get(kv::Table table, std::string_view key) {
  if ((++gets_ & 63) == 0) KM_CO_CHECK(check_age());  // a clock call costs as much as a lookup
  co_return get_value(reader_->txn, environment_.tables().at(static_cast<std::size_t>(table)), key);
}

Task<Result<std::vector<kv::Row>>> LmdbSnapshot::scan(kv::Table table, kv::Range range) {
  KM_CO_CHECK(check_age());
  co_return scan_rows(reader_->txn, environment_.tables().at(static_cast<std::size_t>(table)), range);
}

Result<void> LmdbSnapshot::check_age() {
  if (clock_.now() - reader_->since <= age_max_) return {};
  return fail(ErrorKind::timeout, "storage is busy", "lmdb: the snapshot is too old");
}

}  // namespace keystonemail::lmdb
