// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A message taken in: parsed, its attachments decoded and staged as blobs, all before any operation runs. A long one goes
// to storage as it comes, and is taken apart when it is whole, when StagingRoom has memory for it.
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
#include "service/mailstore/note.hpp"
#include "service/mailstore/rows.hpp"
#include "service/mailstore/store_core.hpp"

namespace keystonemail::service {

namespace limits {
inline constexpr std::size_t literal_octets_max = 8 * 1024;      // kept in the record; beyond it, a blob
inline constexpr std::size_t attachment_octets_min = 8 * 1024;   // base64 shorter than that stays as it is
inline constexpr std::size_t attachments_max = 64;               // of one message, stored decoded
inline constexpr std::size_t email_row_octets_max = 1'800;       // content behind the summary up to here: it stays within
                                                                 // a page of the index; else it has a row of its own
inline constexpr std::size_t prefix_octets_max = 64 * 1024;
inline constexpr std::size_t growth_octets_max = 128 * 1024;     // a message that grows beyond it is given room once:
inline constexpr std::size_t reserved_octets_max = 2U << 20;     // addresses only, until they are written to
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

// What a parse gives for the rows of an email.
struct Findings {
  std::string summary;
  std::uint32_t subject = 0;
  std::uint8_t hash_count = 0;
  std::array<std::uint64_t, thread_hashes_max> hashes{};
};

// Memory: the message while it is not longer than MailStoreOptions::spool_octets_min; of a longer one what is found in it.
class KvStagedMessage final : public mailstore::StagedMessage {
 public:
  [[nodiscard]] std::uint64_t octets() const noexcept override { return octets_; }

  // The email that `prefix` and this message make in that mailbox. Errors: unavailable, cancelled.
  [[nodiscard]] Task<Result<PreparedEmail>> prepare(std::string_view prefix, Whereabouts where, Context context);
  // The content alone, for the queue.
  [[nodiscard]] std::string content_record(std::string_view prefix) const;
  [[nodiscard]] const std::vector<std::shared_ptr<blob::Staged>>& blobs() const noexcept { return blobs_; }
  // Makes the literal octets a blob too, so that many recipients share one copy.
  [[nodiscard]] Task<Result<void>> share_literal(Context context);

 private:
  friend class KvMessageWriter;
  explicit KvStagedMessage(StoreCore& core) : core_(core) {}

  [[nodiscard]] Task<Result<void>> stage(Context context);
  [[nodiscard]] Result<void> read_spool(std::string& text) const;
  [[nodiscard]] Task<Result<void>> stage_text(std::string_view text, Context context);
  [[nodiscard]] Task<Result<void>> stage_attachment(std::string_view body, std::uint64_t offset, Context context);
  [[nodiscard]] Task<Result<void>> stage_blob(std::string_view content, Context context);
  void cut_out_attachments(std::string_view text);
  [[nodiscard]] Content content_with(std::string_view prefix) const;
  // Makes a note of the email one of its blobs, where notes are kept of such.
  [[nodiscard]] Task<Result<void>> add_note(PreparedEmail& email, Content& content, Whereabouts where, Context context);
  [[nodiscard]] Task<Result<Findings>> find(std::string_view prefix, Context context);

  StoreCore& core_;
  std::uint64_t octets_ = 0;
  std::string raw_;                                       // the message, unless it is in spool_
  std::unique_ptr<blob::Spool> spool_;                    // of a long message
  Content content_;                                       // of the message without prefix
  std::vector<std::shared_ptr<blob::Staged>> blobs_;      // content_.blobs, staged
  std::optional<Findings> plain_;                         // of the message without prefix, once it was parsed
  bool takes_trace_ = false;                              // mime::takes_trace() of it
};

class KvMessageWriter final : public mailstore::MessageWriter {
 public:
  explicit KvMessageWriter(StoreCore& core) : message_(new KvStagedMessage(core)) {}
  Task<Result<void>> write(std::string_view piece, Context context) override;
  Result<void> read(std::uint64_t offset, std::size_t octets, std::string& out) const override;
  Task<Result<std::unique_ptr<mailstore::StagedMessage>>> finish(Context context) override;

 private:
  std::unique_ptr<KvStagedMessage> message_;
};

}  // namespace keystonemail::service
