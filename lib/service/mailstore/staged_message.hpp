// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A message taken in: parsed, its attachments decoded and staged as blobs, all before any operation runs.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/blob/blob.hpp"
#include "keystonemail/mailstore/mailstore.hpp"
#include "service/mailstore/content.hpp"
#include "service/mailstore/rows.hpp"
#include "service/mailstore/sip_hash.hpp"

namespace keystonemail::service {

namespace limits {
inline constexpr std::size_t literal_octets_max = 8 * 1024;      // kept in the record; beyond it, a blob
inline constexpr std::size_t attachment_octets_min = 8 * 1024;   // base64 shorter than that stays as it is
inline constexpr std::size_t attachments_max = 64;               // of one message, stored decoded
inline constexpr std::size_t email_row_octets_max = 1'800;       // content behind the summary up to here: it stays within
                                                                 // a page of the index; else it has a row of its own
inline constexpr std::size_t prefix_octets_max = 64 * 1024;
}  // namespace limits

// An email as rows, but for what the operation gives it.
struct PreparedEmail {
  std::string row;                                        // EmailRecord; EmailRecord::place() sets the rest
  std::string content;                                    // of mail.content; empty when it is in the row
  std::vector<std::shared_ptr<blob::Staged>> blobs;       // each takes a reference
  std::uint32_t octets = 0;
  std::uint32_t subject = 0;
  std::uint8_t hash_count = 0;
  std::array<std::uint64_t, thread_hashes_max> hashes{};
};

class KvStagedMessage final : public mailstore::StagedMessage {
 public:
  [[nodiscard]] std::uint64_t octets() const noexcept override { return raw_.size() - headroom; }

  // The email that `prefix` and this message make.
  [[nodiscard]] PreparedEmail prepare(std::string_view prefix, const SipKey& key);
  // The content alone, for the queue.
  [[nodiscard]] std::string content_record(std::string_view prefix) const;
  [[nodiscard]] const std::vector<std::shared_ptr<blob::Staged>>& blobs() const noexcept { return blobs_; }
  // Makes the literal octets a blob too, so that many recipients share one copy.
  [[nodiscard]] Task<Result<void>> share_literal(Context context);

 private:
  friend class KvMessageWriter;
  static constexpr std::size_t headroom = 2048;           // before the message in raw_, for prefixes

  explicit KvStagedMessage(blob::Store& store) : store_(store) {}
  [[nodiscard]] Task<Result<void>> stage(Context context);
  [[nodiscard]] Task<Result<void>> stage_attachment(std::string_view body, std::uint64_t offset, Context context);
  [[nodiscard]] std::string_view raw() const noexcept { return std::string_view(raw_).substr(headroom); }
  [[nodiscard]] Content content_with(std::string_view prefix) const;
  void summarise(std::string_view whole, const SipKey& key);

  blob::Store& store_;
  std::string raw_;                                       // headroom, then the message
  Content content_;                                       // of the message without prefix
  std::vector<std::shared_ptr<blob::Staged>> blobs_;      // content_.blobs, staged
  // What the last prefix gave, for recipients whose prefix cannot make a difference.
  std::optional<std::size_t> summarised_prefix_octets_;
  bool summary_is_of_trace_ = false;
  std::string summary_;
  std::uint32_t subject_ = 0;
  std::uint8_t hash_count_ = 0;
  std::array<std::uint64_t, thread_hashes_max> hashes_{};
};

class KvMessageWriter final : public mailstore::MessageWriter {
 public:
  KvMessageWriter(blob::Store& store, std::uint64_t octets_max);
  Task<Result<void>> write(std::string_view piece, Context context) override;
  Task<Result<std::unique_ptr<mailstore::StagedMessage>>> finish(Context context) override;

 private:
  std::unique_ptr<KvStagedMessage> message_;
  std::uint64_t octets_max_;
};

}  // namespace keystonemail::service
