// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// RecordBuilder: content, piece by piece, into the chunks of a record.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backends/segments/record_format.hpp"
#include "keystonemail/base/result.hpp"

namespace keystonemail::segments {

// Holds what is not yet a whole chunk, the table, and stored chunks up to a ceiling; beyond that an unnamed file has them.
//
// Threads: one.
class RecordBuilder {
 public:
  explicit RecordBuilder(std::string directory) : directory_(std::move(directory)) {}
  ~RecordBuilder();
  RecordBuilder(const RecordBuilder&) = delete;
  RecordBuilder& operator=(const RecordBuilder&) = delete;

  // Errors: unavailable, when the unnamed file cannot be written.
  [[nodiscard]] Result<void> add(std::string_view content);
  // After the last add().
  [[nodiscard]] Result<void> finish();

  [[nodiscard]] RecordHeader header() const;  // all but id and stored_at
  [[nodiscard]] std::string_view table() const noexcept { return table_; }
  // Stored chunks from `offset` on, as many as are at hand at once; empty at the end.
  [[nodiscard]] Result<std::string> stored(std::uint64_t offset) const;

 private:
  [[nodiscard]] Result<void> add_chunk(std::string_view content);
  [[nodiscard]] Result<void> spill();

  std::string directory_;
  std::string partial_;                // of a chunk
  std::string table_;
  std::string chunks_;                 // those not in the file
  std::uint64_t spilled_octets_ = 0;
  std::uint64_t octets_ = 0;
  std::uint32_t chunk_count_ = 0;
  int fd_ = -1;
};

}  // namespace keystonemail::segments
