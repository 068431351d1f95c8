// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The records of the default mail store: flat, little-endian, read where they lie. FORMAT.md describes them.
//
// Errors: a record that is too short or of another version reads as nothing; its reader reports `corrupt`.
#pragma once

#include <array>
#include <bit>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/base/result.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/mailstore/ids.hpp"
#include "keystonemail/mailstore/keywords.hpp"
#include "keystonemail/mailstore/mailstore.hpp"

namespace keystonemail::service {

template <class Number>
[[nodiscard]] inline Number load_little(const char* at) noexcept {
  Number value;
  std::memcpy(&value, at, sizeof value);
  if constexpr (std::endian::native == std::endian::big && sizeof value > 1) {
    std::array<char, sizeof value> octets;
    for (std::size_t i = 0; i < sizeof value; ++i) octets[i] = at[sizeof value - 1 - i];
    std::memcpy(&value, octets.data(), sizeof value);
  }
  return value;
}
template <class Number>
inline void store_little(char* at, Number value) noexcept {
  for (std::size_t i = 0; i < sizeof value; ++i) {
    at[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (i * 8));
  }
}

// A short record without allocation.
template <std::size_t capacity>
class Flat {
 public:
  template <class Number>
  void add(Number value) noexcept {
    assert(size_ + sizeof value <= capacity);
    store_little(octets_.data() + size_, value);
    size_ += sizeof value;
  }
  operator std::string_view() const noexcept { return {octets_.data(), size_}; }

 private:
  std::array<char, capacity> octets_;
  std::size_t size_ = 0;
};

inline constexpr std::uint8_t row_version = 1;

// mail.counter (account, 0).
struct AccountRow {
  std::uint64_t modseq = 0;
  std::uint64_t email_last = 0;
  std::uint64_t octets_used = 0, octets_limit = 0, messages_used = 0, messages_limit = 0;
  std::uint64_t tree_modseq = 0;  // of the last change to any mailbox object
  std::uint32_t mailbox_last = 0;
  std::uint32_t uid_validity_last = 0;

  static constexpr std::size_t octets = 1 + 7 * 8 + 2 * 4;
  template <class Self, class Each>
  static void fields(Self& r, Each each) {
    each(r.modseq), each(r.email_last), each(r.octets_used), each(r.octets_limit), each(r.messages_used);
    each(r.messages_limit), each(r.tree_modseq), each(r.mailbox_last), each(r.uid_validity_last);
  }
  friend bool operator==(const AccountRow&, const AccountRow&) = default;
};

// mail.counter (account, mailbox).
struct MailboxRow {
  std::uint64_t highest_modseq = 0;
  std::uint64_t octets_total = 0;
  std::uint64_t log_floor = 0;  // the log is whole after this number
  std::uint32_t uid_validity = 0, uid_next = 1;
  std::uint32_t messages = 0, unseen = 0, deleted = 0;
  std::uint32_t log_rows = 0;

  static constexpr std::size_t octets = 1 + 3 * 8 + 6 * 4;
  template <class Self, class Each>
  static void fields(Self& r, Each each) {
    each(r.highest_modseq), each(r.octets_total), each(r.log_floor), each(r.uid_validity), each(r.uid_next);
    each(r.messages), each(r.unseen), each(r.deleted), each(r.log_rows);
  }
  friend bool operator==(const MailboxRow&, const MailboxRow&) = default;
};

// mail.message (account, mailbox, uid): the membership, with all that FETCH FLAGS asks of the email.
struct MessageRecord {
  std::uint64_t email = 0, thread = 0;
  std::uint64_t modseq = 0;   // of the last change
  std::uint64_t created = 0;  // the modseq it came with: ascends with the UID
  std::int64_t received = 0, saved = 0;  // milliseconds since 1970
  std::uint32_t size = 0;
  std::uint8_t system = 0;    // SystemKeyword bits
  bool deleted = false;
  bool listed = false;        // the email's memberships are in mail.membership; else this is the only one
  std::string_view numbers;   // user keywords, two octets each, ascending; a view into the record

  static constexpr std::size_t octets_fixed = 2 + 2 + 4 + 6 * 8;
  static constexpr std::size_t octets_max = octets_fixed + 2 * mailstore::limits::keywords_per_email_max;

  [[nodiscard]] static std::optional<MessageRecord> read(std::string_view row) noexcept;
  [[nodiscard]] Flat<octets_max> encode() const noexcept;
  [[nodiscard]] bool seen() const noexcept { return (system & 1U) != 0; }
};

[[nodiscard]] mailstore::KeywordSet keywords_of(const MessageRecord& record);
// Two octets for each number, as MessageRecord::numbers has them.
[[nodiscard]] std::string encode_numbers(const mailstore::KeywordSet& keywords);
[[nodiscard]] mailstore::MessageRow to_message_row(mailstore::Uid uid, const MessageRecord& record);

// mail.mailbox (account, mailbox).
struct MailboxObject {
  std::uint32_t parent = 0;  // 0: none
  mailstore::Role role = mailstore::Role::none;
  bool subscribed = false;
  std::uint64_t modseq = 0;
  std::string name;

  [[nodiscard]] static std::optional<MailboxObject> read(std::string_view row);
  [[nodiscard]] std::string encode() const;
};

// mail.subscription (account, modseq, mailbox): a name that is subscribed to and that mailbox had until then.
[[nodiscard]] std::optional<std::string> read_kept_name(std::string_view row);
[[nodiscard]] std::string encode_kept_name(std::string_view path);

// mail.thread (account, hash of a message id).
struct ThreadRow {
  std::uint64_t thread = 0;
  std::uint64_t email = 0;        // that made the row, and takes it along when it goes
  std::uint32_t subject = 0;      // hash of the base subject

  static constexpr std::size_t octets = 1 + 2 * 8 + 4;
  template <class Self, class Each>
  static void fields(Self& r, Each each) {
    each(r.thread), each(r.email), each(r.subject);
  }
};

template <class Row>
[[nodiscard]] Flat<Row::octets> encode_row(const Row& row) noexcept {
  Flat<Row::octets> flat;
  flat.add(row_version);
  Row::fields(row, [&flat](const auto& field) { flat.add(field); });
  return flat;
}

template <class Row>
[[nodiscard]] std::optional<Row> read_row(std::string_view octets) noexcept {
  if (octets.size() != Row::octets || static_cast<std::uint8_t>(octets[0]) != row_version) return std::nullopt;
  Row row;
  const char* at = octets.data() + 1;
  Row::fields(row, [&at](auto& field) {
    field = load_little<std::remove_cvref_t<decltype(field)>>(at);
    at += sizeof field;
  });
  return row;
}

// mail.email (account, email): never changed once written. `tail` begins with the summary.
inline constexpr std::size_t thread_hashes_max = 5;
struct EmailRecord {
  std::uint64_t thread = 0;
  std::uint32_t home_mailbox = 0, home_uid = 0;  // where it came in; the only membership unless its message is `listed`
  std::int64_t received = 0;
  std::uint32_t size = 0;
  std::uint32_t subject = 0;
  std::uint8_t hash_count = 0;
  bool content_apart = false;                    // in mail.content rather than behind the summary
  std::array<std::uint64_t, thread_hashes_max> hashes{};  // of its Message-ID (0: none), then of those it refers to
  std::string_view summary;
  std::string_view content;                      // empty when apart

  [[nodiscard]] static std::optional<EmailRecord> read(std::string_view row) noexcept;
  [[nodiscard]] std::string encode() const;
  // Sets, in an encoded row, what only the operation knows.
  static void place(std::string& row, std::uint64_t thread, std::uint32_t mailbox, std::uint32_t uid,
                    std::int64_t received) noexcept;
};

[[nodiscard]] inline std::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorKind::corrupt, "stored data is damaged", std::string(what));
}
[[nodiscard]] inline std::int64_t to_milliseconds(WallTime time) noexcept { return time.time_since_epoch().count(); }
[[nodiscard]] inline WallTime from_milliseconds(std::int64_t value) noexcept {
  return WallTime(std::chrono::milliseconds(value));
}

}  // namespace keystonemail::service
