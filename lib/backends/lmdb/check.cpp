// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/lmdb/check.hpp"

#include <algorithm>
#include <string>

#include "backends/lmdb/errors.hpp"
#include "backends/lmdb/value.hpp"
#include "base/format.hpp"
#include "base/try.hpp"

namespace keystonemail::lmdb {
namespace {

constexpr unsigned rows_per_snapshot = 10'000;  // a short one pins little
constexpr std::size_t findings_max = 100;

struct Place {
  std::string key;  // the last row looked at
  bool at_end = false;
};

void note(KvReport& report, std::string_view table, std::string_view key) {
  ++report.damaged;
  if (report.findings.size() >= findings_max) return;
  std::string hex;
  for (const char c : key) format_to(hex, "{:02x}", static_cast<unsigned char>(c));
  report.findings.push_back(format("table {}: the value of key {} fails its check", table, hex));
}

Result<void> check_some(MDB_txn* txn, const TableHandle& table, std::string_view name, Place& place, KvReport& report) {
  MDB_cursor* cursor = nullptr;
  if (const int code = mdb_cursor_open(txn, table.dbi, &cursor); code != 0) return failed(code, "mdb_cursor_open");
  MDB_val key{place.key.size(), place.key.data()};
  MDB_val value{};
  int code = mdb_cursor_get(cursor, &key, &value, place.key.empty() ? MDB_FIRST : MDB_SET_RANGE);
  const auto key_view = [&] { return std::string_view(static_cast<const char*>(key.mv_data), key.mv_size); };
  if (code == 0 && !place.key.empty() && key_view() == place.key) code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  for (unsigned rows = 0; code == 0 && rows < rows_per_snapshot; ++rows) {
    ++report.rows;
    report.octets += key.mv_size + value.mv_size;
    if (!load_value(table.sum, key_view(), {static_cast<const char*>(value.mv_data), value.mv_size}))
      note(report, name, key_view());
    place.key = key_view();
    code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  mdb_cursor_close(cursor);
  place.at_end = code == MDB_NOTFOUND;
  if (code != 0 && code != MDB_NOTFOUND) return failed(code, "mdb_cursor_get");
  return {};
}

// A table whose name is damaged would be taken for a missing one, and made anew, empty.
Result<void> check_names(ReaderPool& readers, const KvOptions& options, KvReport& report) {
  constexpr MDB_dbi names = 1;  // LMDB's table of tables
  KM_TRY(auto* reader, readers.try_acquire());
  MDB_cursor* cursor = nullptr;
  MDB_val key{};
  int code = mdb_cursor_open(reader->txn, names, &cursor);
  if (code == 0) code = mdb_cursor_get(cursor, &key, nullptr, MDB_FIRST);
  for (; code == 0; code = mdb_cursor_get(cursor, &key, nullptr, MDB_NEXT)) {
    const std::string_view name(static_cast<const char*>(key.mv_data), key.mv_size);
    if (name == store_table || std::ranges::find(options.tables, name) != options.tables.end()) continue;
    ++report.damaged;
    report.findings.push_back(format("table {}: is none of this store's", name));
  }
  if (cursor != nullptr) mdb_cursor_close(cursor);
  readers.release(reader);
  if (code != MDB_NOTFOUND) return failed(code, "mdb_cursor_get");
  return {};
}

}  // namespace

Result<KvReport> check_rows(Environment& environment, ReaderPool& readers, const KvOptions& options) {
  KvReport report;
  KM_CHECK(check_names(readers, options, report));
  for (std::size_t i = 0; i < options.tables.size(); ++i) {
    for (Place place; !place.at_end;) {
      KM_TRY(auto* reader, readers.try_acquire());
      auto checked = check_some(reader->txn, environment.tables()[i], options.tables[i], place, report);
      readers.release(reader);
      if (checked) continue;
      ++report.damaged;  // the tree itself: the rest of the table cannot be reached
      report.findings.push_back(format("table {}: {}", options.tables[i], checked.error().describe()));
      break;
    }
  }
  return report;
}

}  // namespace keystonemail::lmdb
