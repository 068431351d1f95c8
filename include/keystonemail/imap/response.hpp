// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ResponseWriter: untagged responses of a server (RFC 9051 §7), written straight into the session's output.
//
//   auto& out = session.responses();
//   out.exists(172);
//   out.status(StatusKind::ok, ResponseCode::uid_validity(3857529045), "UIDs valid");
//   out.begin_fetch(12); out.uid(301); out.flags(flags); out.end_fetch();
//
// Ownership: belongs to a ServerSession. Arguments are borrowed for the call. Threads: the session's.
// Errors: none; order is the caller's duty and asserted. Limits: output grows as the caller writes: look at
//   octets_pending() and let the peer read before going on. What a client could not read (control characters in a
//   text) is made harmless.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "keystonemail/base/time.hpp"
#include "keystonemail/imap/command.hpp"
#include "keystonemail/imap/features.hpp"
#include "keystonemail/imap/fetch_item.hpp"
#include "keystonemail/imap/flags.hpp"
#include "keystonemail/imap/response_code.hpp"
#include "keystonemail/imap/sequence_set.hpp"

namespace keystonemail::mime {
struct Envelope;
struct SummaryPart;
}  // namespace keystonemail::mime

namespace keystonemail::imap {

// Attributes of a LIST response (RFC 9051 §7.3.1, RFC 5258, RFC 6154). Bits.
enum class MailboxAttribute : std::uint32_t {
  no_inferiors = 1, no_select = 2, nonexistent = 4, has_children = 8, has_no_children = 16, subscribed = 32,
  remote = 64, marked = 128, unmarked = 256,
};

struct ListEntry {
  std::uint32_t attributes = 0;
  std::span<const SpecialUse> special_uses = {};
  char separator = '/';                            // 0: NIL
  std::string_view mailbox;                        // UTF-8
  bool child_info_subscribed = false;              // CHILDINFO ("SUBSCRIBED"), RFC 5258 §3.5
  std::optional<std::string_view> old_name = {};   // OLDNAME, RFC 9051 §6.3.9.7
};

// Only what is present is written, in this order.
struct StatusData {
  std::optional<std::uint32_t> messages, recent, uid_next, uid_validity, unseen, deleted;
  std::optional<std::uint64_t> size, deleted_storage, highest_modseq, append_limit;
  std::optional<std::string_view> mailbox_id;
};

// Answer to SEARCH, or to SORT with RETURN. The writer chooses between SEARCH and ESEARCH.
struct SearchResult {
  NumberKind kind = NumberKind::sequence;
  SearchReturn give;                               // of the command
  std::span<const NumberRange> numbers;            // ascending ranges of what matched; of SORT in its order
  std::optional<std::uint64_t> highest_modseq;     // of the matches, when MODSEQ was searched for (RFC 7162 §3.1.5)
};

enum class LiteralKind : std::uint8_t { literal, literal8 };

struct QuotaResource { std::string_view name; std::uint64_t used = 0, limit = 0; };  // "STORAGE" in KiB, "MESSAGE"

class ResponseWriter {
 public:
  ResponseWriter(std::string& out, const Features& features) noexcept : out_(out), features_(features) {}
  ResponseWriter(const ResponseWriter&) = delete;
  ResponseWriter& operator=(const ResponseWriter&) = delete;

  // "* OK [code] text"
  void status(StatusKind kind, const ResponseCode& code, std::string_view text);
  void flags_defined(FlagView flags);                        // "* FLAGS (...)"
  void exists(std::uint32_t messages);
  void recent(std::uint32_t messages);                       // nothing once IMAP4rev2 is enabled
  void expunge(std::uint32_t sequence_number);
  enum class Vanished : std::uint8_t { now, earlier };
  void vanished(std::span<const NumberRange> uids, Vanished when);  // RFC 7162 §3.2.10; nothing when empty
  void list(const ListEntry& entry);
  void lsub(const ListEntry& entry);
  void status_data(std::string_view mailbox, const StatusData& data);
  // One personal namespace without prefix (RFC 2342).
  void personal_namespace(std::string_view prefix, char separator);
  void id(std::span<const std::pair<std::string_view, std::string_view>> fields);
  // `tag` is the command's, for ESEARCH.
  void search(std::string_view tag, const SearchResult& result);
  // "* SORT 2 84 882"; `highest_modseq` of the matches, when MODSEQ was searched for (RFC 7162 §3.1.6).
  void sort(std::span<const std::uint32_t> numbers, std::optional<std::uint64_t> highest_modseq = std::nullopt);
  // "* THREAD (1)(2 3)": `threads` as the caller formed them (RFC 5256 §4).
  void thread(std::string_view threads);
  void quota(std::string_view root, std::span<const QuotaResource> resources);
  void quota_root(std::string_view mailbox, std::span<const std::string_view> roots);

  // FETCH: begin, any of the items, end.
  void begin_fetch(std::uint32_t sequence_number);
  void uid(std::uint32_t uid);
  void flags(FlagView flags);
  void modseq(std::uint64_t modseq);
  void internal_date(WallTime when);                         // told in UTC
  void save_date(std::optional<WallTime> when);              // RFC 8514
  void rfc822_size(std::uint64_t octets);
  void email_id(std::string_view id);
  void thread_id(std::optional<std::string_view> id);        // NIL: none
  void preview(std::optional<std::string_view> text);        // RFC 8970; UTF-8
  void envelope(const mime::Envelope& envelope);
  void body(std::span<const mime::SummaryPart> parts);       // in prefix order, the root first
  void body_structure(std::span<const mime::SummaryPart> parts);
  void binary_size(const FetchItem& item, std::uint64_t octets);
  // BODY[...] or BINARY[...] whole. `octets` is what is left after applying item.partial.
  void section(const FetchItem& item, std::string_view octets);
  void section_nil(const FetchItem& item);                   // the message has no such part
  // The same in pieces: begin, then append() until `octets` are written.
  void begin_section(const FetchItem& item, std::uint64_t octets, LiteralKind kind = LiteralKind::literal);
  void append(std::string_view piece);
  // The same for octets that the caller itself sends, right after all output that is pending.
  void skip(std::uint64_t octets);
  void end_fetch();

  // A whole line in one step: UID and MODSEQ when given. For the flags of many messages.
  void fetch_flags(std::uint32_t sequence_number, std::optional<std::uint32_t> uid, FlagView flags,
                   std::optional<std::uint64_t> modseq);

  // What the peer has not read yet.
  [[nodiscard]] std::size_t octets_pending() const noexcept { return out_.size() - consumed_; }
  // Still to come of a literal that was begun.
  [[nodiscard]] std::uint64_t literal_octets_due() const noexcept { return literal_due_; }
  [[nodiscard]] bool in_fetch() const noexcept { return in_fetch_; }
  [[nodiscard]] const Features& features() const noexcept { return features_; }

 private:
  friend class ServerEngine;
  void item(std::string_view name);
  void section_label(const FetchItem& item);
  void mailbox(std::string_view utf8);
  void list_line(std::string_view verb, const ListEntry& entry);

  std::string& out_;
  const Features& features_;
  std::size_t consumed_ = 0;          // of out_, by the peer
  std::uint64_t literal_due_ = 0;
  bool in_fetch_ = false;
  bool first_item_ = false;
};

}  // namespace keystonemail::imap
