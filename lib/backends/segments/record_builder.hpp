// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// RecordBuilder: content, piece by piece, into the chunks of a record.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backends/segments/record_format.hpp"
#include "backends/segments/spool_file.hpp"
#include "keystonemail/base/result.hpp"

namespace keystonemail::segments {

// Holds what is not yet a whole chunk, the table, and stored chunks up to a ceiling; beyond that an unnamed file has them.
//
// Threads: one.
class RecordBuilder {
 public:
  explicit RecordBuilder(std::string directory) : spool_(std::move(directory)) {}

  // Errors: unavailable, when the unnamed file cannot be written.
  [[nodiscard]] Result<void> add(std::string_view content);
  // After the last add().
  [[nodiscard]] Result<void> finish();

  [[nodiscard]] RecordHeader header() const;  // all but id and stored_at
  [[nodiscard]] std::string_view table() const noexcept { return table_; }
  // The stored chunks are those that were laid aside, then those in memory.
  [[nodiscard]] const SpoolFile& spooled() const noexcept { return spool_; }
  [[nodiscard]] std::string_view in_memory() const noexcept { return chunks_; }

 private:
  [[nodiscard]] Result<void> add_chunk(std::string_view content);

  std::string partial_;                // of a chunk
  std::string table_;
  std::string chunks_;                 // those not in the file
  SpoolFile spool_;
  std::uint64_t octets_ = 0;
  std::uint32_t chunk_count_ = 0;
  bool last_is_raw_ = false;
};

}  // namespace keystonemail::segments
