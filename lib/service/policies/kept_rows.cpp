// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/policies/kept_rows.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "base/record.hpp"
#include "base/try.hpp"
#include "keystonemail/crypto/digest.hpp"

namespace keystonemail::policies {
namespace {

constexpr std::size_t rows_at_once_max = 4'096;
constexpr std::size_t name_octets = 12;

}  // namespace

Task<Result<void>> write_rows(kv::Store& store, kv::Table table, const std::vector<RowChange>& changes, Context context) {
  for (std::size_t at = 0; at < changes.size(); at += rows_at_once_max) {
    const auto some = std::span(changes).subspan(at, std::min(rows_at_once_max, changes.size() - at));
    kv::Operation operation = [some, table](kv::Transaction& transaction) -> Task<Result<void>> {
      for (const RowChange& change : some) {
        if (change.value) transaction.put(table, change.key, *change.value);
        else transaction.erase(table, change.key);
      }
      co_return Result<void>();
    };
    KM_CO_CHECK(co_await store.transact(std::move(operation), {}, context));
  }
  co_return Result<void>();
}

Task<Result<void>> read_rows(kv::Store& store, kv::Table table, RowVisitor visit, Context context) {
  std::vector<RowChange> useless;
  {
    KM_CO_TRY(const auto snapshot, co_await store.snapshot(context));
    std::string first;
    for (;;) {
      const kv::Range range{.first = first, .rows_max = 1'024};
      KM_CO_TRY(const auto rows, co_await snapshot->scan(table, range));
      for (const kv::Row& row : rows)
        if (!visit(row.key, row.value)) useless.push_back({std::string(row.key), std::nullopt});
      if (rows.size() < range.rows_max) break;
      first.assign(rows.back().key).push_back('\0');
    }
  }
  co_return co_await write_rows(store, table, useless, context);
}

std::string short_name(std::initializer_list<std::string_view> parts) {
  RecordWriter all;
  for (const std::string_view part : parts) all.text(part);
  const auto digest = crypto::sha256(all.view());
  return {reinterpret_cast<const char*>(digest.data()), name_octets};
}

}  // namespace keystonemail::policies
