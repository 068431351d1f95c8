// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Staging: from content to what add_reference() puts into a row.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "backends/segments/record_builder.hpp"
#include "backends/segments/segment_set.hpp"
#include "keystonemail/blob/blob.hpp"
#include "keystonemail/crypto/digest.hpp"

namespace keystonemail::segments {

inline constexpr std::size_t small_content_octets_max = 16U << 10;  // larger content is not tried for a row

struct StagedInline {
  bool compressed = false;
  std::string stored;
};
struct StagedRecord {
  Location location;
  Pin pin;
};

class StagedBlob final : public blob::Staged {
 public:
  StagedBlob(blob::BlobId id, std::uint64_t octets, std::variant<StagedInline, StagedRecord> content)
      : id_(id), octets_(octets), content_(std::move(content)) {}
  const blob::BlobId& id() const noexcept override { return id_; }
  std::uint64_t octets() const noexcept override { return octets_; }
  [[nodiscard]] const StagedInline* inline_content() const noexcept { return std::get_if<StagedInline>(&content_); }
  [[nodiscard]] const Location* location() const noexcept {
    const auto* record = std::get_if<StagedRecord>(&content_);
    return record == nullptr ? nullptr : &record->location;
  }

 private:
  blob::BlobId id_;
  std::uint64_t octets_;
  std::variant<StagedInline, StagedRecord> content_;
};

// Threads: any. Ownership: borrows all.
class Staging {
 public:
  Staging(kv::Store& store, SegmentSet& segments, const BlobOptions& options, const Clock& clock)
      : store_(store), segments_(segments), options_(options), clock_(clock) {}

  [[nodiscard]] Task<Result<std::unique_ptr<blob::Staged>>> stage(std::string_view content, Context context,
                                                                   blob::Place place = blob::Place::cheapest);
  // Appends what `builder` has finished, unless the same content is stored already.
  [[nodiscard]] Task<Result<std::unique_ptr<blob::Staged>>> append(const blob::BlobId& id, const RecordBuilder& builder,
                                                                   Context context);
  [[nodiscard]] const BlobOptions& options() const noexcept { return options_; }

 private:
  [[nodiscard]] Task<Result<std::unique_ptr<blob::Staged>>> find_stored(const blob::BlobId& id, std::uint64_t octets,
                                                                        Context context);

  kv::Store& store_;
  SegmentSet& segments_;
  const BlobOptions& options_;
  const Clock& clock_;
};

class BlobWriter final : public blob::Writer {
 public:
  explicit BlobWriter(Staging& staging)
      : staging_(staging), digester_(crypto::Hash::sha256), builder_(staging.options().directory) {}
  Task<Result<void>> write(std::string_view piece, Context context) override;
  Task<Result<std::unique_ptr<blob::Staged>>> finish(Context context) override;

 private:
  Staging& staging_;
  crypto::Digester digester_;
  RecordBuilder builder_;
  std::string start_;            // while it may still be small
  std::uint64_t octets_ = 0;
  bool is_large_ = false;
};

}  // namespace keystonemail::segments
