// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/server/known_rows.hpp"

#include <optional>
#include <string>
#include <utility>

#include "base/record.hpp"
#include "base/try.hpp"

namespace keystonemail {

namespace {

constexpr std::uint8_t known_version = 1;
constexpr std::uint64_t networks_max = 64;

std::string encode(const KnownRows::Known& known) {
  RecordWriter writer;
  writer.octet(known_version).number(known.networks.size());
  for (const IpAddress& network : known.networks) writer.text(network.to_string());
  return writer.take();
}

std::optional<KnownRows::Known> decode(std::string_view key, std::string_view value) {
  RecordReader reader(value);
  if (reader.octet() != known_version) return std::nullopt;
  const std::uint64_t count = reader.number();
  if (!reader.ok() || count > networks_max) return std::nullopt;
  KnownRows::Known known{std::string(key), {}};
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto network = IpAddress::parse(reader.text());
    if (!reader.ok() || !network) return std::nullopt;
    known.networks.push_back(*network);
  }
  return known;
}

}  // namespace

Task<Result<std::vector<KnownRows::Known>>> KnownRows::load(std::size_t rows_max, Context context) {
  std::vector<Known> all;
  KM_CO_TRY(const auto snapshot, co_await store_.snapshot(context));
  std::string first;
  while (all.size() < rows_max) {
    const kv::Range range{.first = first};
    KM_CO_TRY(const auto rows, co_await snapshot->scan(table_, range));
    for (const kv::Row& row : rows)
      if (auto known = decode(row.key, row.value)) all.push_back(*std::move(known));
    if (rows.size() < range.rows_max) break;
    first.assign(rows.back().key).push_back('\0');
  }
  co_return all;
}

Task<Result<void>> KnownRows::put(const Known& known, Context context) {
  kv::Operation operation = [this, &known](kv::Transaction& transaction) -> Task<Result<void>> {
    const std::string value = encode(known);
    transaction.put(table_, known.login, value);
    co_return {};
  };
  co_return co_await store_.transact(std::move(operation), {}, context);
}

}  // namespace keystonemail
