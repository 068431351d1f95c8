// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "operations/rebuild.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "base/try.hpp"
#include "server/stores.hpp"
#include "service/mailstore/content.hpp"
#include "service/mailstore/rows.hpp"

namespace keystonemail::host {

namespace {

constexpr std::size_t rows_per_snapshot = 500;

kv::Table table_named(const Stores& stores, std::string_view name) {
  const auto tables = Stores::index_options(stores.config).tables;
  return static_cast<kv::Table>(std::ranges::find(tables, name) - tables.begin());
}

Task<Result<void>> each_row(Stores& stores, std::string_view table, const std::function<void(std::string_view)>& visit, Context context) {
  const kv::Table wanted = table_named(stores, table);
  std::string after;
  for (bool at_end = false; !at_end;) {
    KM_CO_TRY(auto snapshot, co_await stores.kv->snapshot(context));
    const kv::Range range{.first = after, .rows_max = rows_per_snapshot};
    KM_CO_TRY(const auto rows, co_await snapshot->scan(wanted, range));
    for (const kv::Row& row : rows) visit(row.value);
    at_end = rows.size() < rows_per_snapshot;
    if (!at_end) after = std::string(rows.back().key) + '\0';
  }
  co_return Result<void>();
}

void count(std::string_view content, segments::References& references) {
  const auto blobs = service::Content::decode_blobs(content);
  if (!blobs) return;  // verify says so
  for (const service::BlobUse& use : *blobs) ++references[use.id];
}

}  // namespace

Task<Result<segments::RecountReport>> rebuild_references(Stores& stores, Context context) {
  segments::References references;
  const std::function<void(std::string_view)> of_content = [&](std::string_view row) { count(row, references); };
  const std::function<void(std::string_view)> of_email = [&](std::string_view row) {
    const auto email = service::EmailRecord::read(row);
    if (email && !email->content_apart) count(email->content, references);
  };
  KM_CO_CHECK(co_await each_row(stores, "mail.email", of_email, context));
  KM_CO_CHECK(co_await each_row(stores, "mail.content", of_content, context));
  KM_CO_CHECK(co_await each_row(stores, "queue.content", of_content, context));
  co_return co_await stores.blobs->recount(std::move(references), std::move(context));
}

}  // namespace keystonemail::host
