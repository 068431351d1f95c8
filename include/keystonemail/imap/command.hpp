// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The commands of IMAP as values, one struct each (RFC 9051 §6 and the extensions named below).
//
// Ownership: a command owns all it holds, so it may be kept for as long as its work takes.
// Mailbox names are UTF-8 whatever the client's mode; any case of INBOX has become "INBOX".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "keystonemail/imap/fetch_item.hpp"
#include "keystonemail/imap/flags.hpp"
#include "keystonemail/imap/search_key.hpp"
#include "keystonemail/imap/sequence_set.hpp"

namespace keystonemail::imap {

enum class NumberKind : std::uint8_t { sequence, uid };  // whether the command began with UID
enum class AccessMode : std::uint8_t { read_write, read_only };

struct Noop {};
struct Check {};        // IMAP4rev1
struct Namespace {};    // RFC 2342
struct Close {};
struct Unselect {};     // RFC 3691
struct Login { std::string user, password; };
// ID: absent for NIL. A value may be absent too (RFC 2971).
struct Id { std::vector<std::pair<std::string, std::optional<std::string>>> fields; };
// What was newly enabled is in session.features() and the ENABLED response is written: OK is all that is left.
struct Enable {};

// QRESYNC (RFC 7162 §3.2.5).
struct ResyncParameters {
  std::uint32_t uid_validity = 0;
  std::uint64_t modseq = 0;
  std::optional<SequenceSet> known_uids;
  std::optional<std::pair<SequenceSet, SequenceSet>> known_pairs;  // sequence numbers, UIDs; neither holds "*"
};
// SELECT and EXAMINE. The mailbox selected before is closed first, also when this fails: write `* OK [CLOSED]` then.
struct Select {
  std::string mailbox;
  AccessMode access = AccessMode::read_write;
  bool condstore = false;
  std::optional<ResyncParameters> resync;
};

enum class SpecialUse : std::uint8_t { all, archive, drafts, flagged, junk, sent, trash, important };
struct Create { std::string mailbox; std::vector<SpecialUse> special_uses; };  // RFC 6154 §5.3
struct Delete { std::string mailbox; };
struct Rename { std::string from, to; };
struct Subscribe { std::string mailbox; };
struct Unsubscribe { std::string mailbox; };

enum class StatusItem : std::uint16_t {  // bits
  messages = 1, uid_next = 2, uid_validity = 4, unseen = 8, deleted = 16, size = 32, recent = 64,
  highest_modseq = 128, append_limit = 256, mailbox_id = 512, deleted_storage = 1024,
};
struct StatusItems {
  std::uint16_t bits = 0;
  [[nodiscard]] bool has(StatusItem item) const noexcept { return (bits & static_cast<std::uint16_t>(item)) != 0; }
};
struct Status { std::string mailbox; StatusItems items; };

// LIST, LIST-EXTENDED (RFC 5258), SPECIAL-USE (6154), LIST-STATUS (5819), and LSUB.
struct List {
  std::string reference;
  std::vector<std::string> patterns;
  bool lsub = false;
  bool extended = false;                          // selection or return options, or several patterns, were given
  struct {
    bool subscribed = false, remote = false, recursive_match = false, special_use = false;
  } select;
  struct {
    bool subscribed = false, children = false, special_use = false;
    std::optional<StatusItems> status;
  } give;                                         // RETURN
};

struct Fetch {
  NumberKind numbers = NumberKind::sequence;
  SequenceSet set;
  std::vector<FetchItem> items;                   // macros expanded; UID is there when numbers is uid
  std::optional<std::uint64_t> changed_since;     // RFC 7162 §3.1.4.1
  bool vanished = false;                          // RFC 7162 §3.2.6: UID, QRESYNC and changed_since are given
};

enum class StoreAction : std::uint8_t { replace, add, remove };
struct Store {
  NumberKind numbers = NumberKind::sequence;
  SequenceSet set;
  StoreAction action = StoreAction::replace;
  bool silent = false;
  FlagSet flags;
  std::optional<std::uint64_t> unchanged_since;   // RFC 7162 §3.1.3
};

struct Copy { NumberKind numbers = NumberKind::sequence; SequenceSet set; std::string mailbox; };
struct Move { NumberKind numbers = NumberKind::sequence; SequenceSet set; std::string mailbox; };
struct Expunge { std::optional<SequenceSet> uids; };  // given: UID EXPUNGE (RFC 4315)

// RETURN of SEARCH (RFC 4731, 5182).
struct SearchReturn {
  bool given = false;                             // "RETURN ()" asks for ALL: all is set then
  bool min = false, max = false, all = false, count = false, save = false;
};
// `unknown_charset`: nothing behind it was read, and the end is NO [BADCHARSET]. Only with SAVE, whose result that empties
// (RFC 9051 §6.4.4.1); others have been answered.
struct Search {
  NumberKind numbers = NumberKind::sequence;
  SearchReturn give;
  bool unknown_charset = false;
  SearchProgram program;
};

enum class SortField : std::uint8_t { arrival, cc, date, from, size, subject, to };
struct SortCriterion { SortField field; bool reverse = false; };
struct Sort {                                     // RFC 5256
  NumberKind numbers = NumberKind::sequence;
  SearchReturn give;                              // RFC 5267 §3
  bool unknown_charset = false;                   // as of Search
  std::vector<SortCriterion> criteria;
  SearchProgram program;
};
enum class ThreadAlgorithm : std::uint8_t { ordered_subject, references };
struct Thread {
  NumberKind numbers = NumberKind::sequence;
  ThreadAlgorithm algorithm = ThreadAlgorithm::references;
  SearchProgram program;
};

struct GetQuota { std::string root; };            // RFC 9208
struct GetQuotaRoot { std::string mailbox; };
// DEFLATE (RFC 4978). Complete it, flush the output, then wrap the stream.
struct Compress {};

using CommandVariant =
    std::variant<Noop, Check, Namespace, Close, Unselect, Login, Id, Enable, Select, Create, Delete, Rename, Subscribe,
                 Unsubscribe, Status, List, Fetch, Store, Copy, Move, Expunge, Search, Sort, Thread, GetQuota,
                 GetQuotaRoot, Compress>;

}  // namespace keystonemail::imap
