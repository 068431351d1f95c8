// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// BlobRows: finding and counting in the two tables.
#pragma once

#include <optional>

#include "backends/segments/row.hpp"
#include "keystonemail/blob/blob.hpp"
#include "keystonemail/kv/kv.hpp"

namespace keystonemail::segments {

class BlobRows {
 public:
  explicit BlobRows(kv::Table first_table)
      : blobs_(first_table), segments_(static_cast<kv::Table>(static_cast<std::uint8_t>(first_table) + 1)) {}

  [[nodiscard]] Task<Result<std::optional<BlobRow>>> find(kv::Reader& reader, const blob::BlobId& id) const;
  [[nodiscard]] Task<Result<std::uint64_t>> dead_octets(kv::Reader& reader, std::uint32_t segment) const;
  // Counts the record at `location` as dead: an estimate, mended when the segment is looked through.
  [[nodiscard]] Task<Result<void>> add_dead(kv::Transaction& transaction, Location location) const;
  void set_dead(kv::Transaction& transaction, std::uint32_t segment, std::uint64_t octets) const;
  void forget(kv::Transaction& transaction, std::uint32_t segment) const;
  [[nodiscard]] kv::Table blobs() const noexcept { return blobs_; }

 private:
  kv::Table blobs_;
  kv::Table segments_;
};

}  // namespace keystonemail::segments
