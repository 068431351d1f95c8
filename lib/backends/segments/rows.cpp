// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/segments/rows.hpp"

#include <string>

#include "base/record.hpp"
#include "base/try.hpp"

namespace keystonemail::segments {

Task<Result<std::optional<BlobRow>>> BlobRows::find(kv::Reader& reader, const blob::BlobId& id) const {
  KM_CO_TRY(const auto found, co_await reader.get(blobs_, id.key()));
  if (!found) co_return std::optional<BlobRow>();
  auto row = decode_blob_row(*found);
  if (!row) co_return fail(ErrorKind::corrupt, "stored data is damaged", "row of blob " + id.hex());
  co_return row;
}

Task<Result<std::uint64_t>> BlobRows::dead_octets(kv::Reader& reader, std::uint32_t segment) const {
  const std::string key = segment_key(segment);
  KM_CO_TRY(const auto found, co_await reader.get(segments_, key));
  co_return found ? read_big_endian(*found) : std::uint64_t{0};
}

Task<Result<void>> BlobRows::add_dead(kv::Transaction& transaction, Location location) const {
  KM_CO_TRY(const auto dead, co_await dead_octets(transaction, location.segment));
  set_dead(transaction, location.segment, dead + location.record_octets);
  co_return Result<void>();
}

void BlobRows::set_dead(kv::Transaction& transaction, std::uint32_t segment, std::uint64_t octets) const {
  std::string value;
  append_big_endian(value, octets, 8);
  transaction.put(segments_, segment_key(segment), value);
}

void BlobRows::forget(kv::Transaction& transaction, std::uint32_t segment) const {
  transaction.erase(segments_, segment_key(segment));
}

}  // namespace keystonemail::segments
