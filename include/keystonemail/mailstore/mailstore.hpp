// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// mailstore: the port to accounts, mailboxes, emails and their changes. IMAP and JMAP are both served from it;
// whoever wants something else to look like mail (tickets, a test's outbox) implements it.
//
// The model. An account has mailboxes and emails. An email is an immutable message plus keywords, a received
// date and a thread; it is in one or more mailboxes, with a UID and a \Deleted mark in each. Every change takes
// the account's next ModSeq; tombstones remember what went. One mailbox may hold the same email twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/mailstore/ids.hpp"
#include "keystonemail/mailstore/keywords.hpp"

namespace keystonemail::mailstore {

namespace limits {
inline constexpr std::size_t mailbox_name_octets_max = 255;  // one level, UTF-8
inline constexpr std::size_t mailbox_depth_max = 16;
inline constexpr std::size_t mailboxes_per_account_max = 10'000;
inline constexpr std::size_t kept_subscriptions_max = 1'000;  // names without a mailbox
inline constexpr char hierarchy_separator = '/';
}  // namespace limits

// Special uses (RFC 6154, RFC 8457, RFC 8621 §2). An account has at most one mailbox for each.
enum class Role : std::uint8_t { none, inbox, archive, drafts, sent, junk, trash, important, flagged, all };

struct Mailbox {
  MailboxId id{};
  std::optional<MailboxId> parent;
  std::string name;            // the last level, UTF-8 in NFC, without separator; "INBOX" for the inbox
  std::string path;            // all levels joined by hierarchy_separator
  Role role = Role::none;
  bool subscribed = false;
  std::uint32_t uid_validity = 0;
  Uid uid_next = 1;
  ModSeq highest_modseq = 0;   // of any change to its messages (RFC 7162 HIGHESTMODSEQ)
  ModSeq modseq = 0;           // of any change to the mailbox object itself
  std::uint32_t messages = 0;
  std::uint32_t unseen = 0;
  std::uint32_t deleted = 0;   // marked \Deleted
  std::uint64_t octets = 0;    // sum of sizes (RFC 8438)
};

// One message of a mailbox: a membership joined with what changes of its email.
struct MessageRow {
  Uid uid = 0;
  bool deleted = false;        // \Deleted belongs to the membership
  EmailId email{};
  ThreadId thread{};
  ModSeq modseq = 0;           // of the last change to this row's flags or its existence
  WallTime received{};         // INTERNALDATE
  WallTime saved{};            // when it came into this mailbox (RFC 8514)
  std::uint32_t octets = 0;    // RFC822.SIZE
  KeywordSet keywords;
};

struct UidRange {
  Uid first = 1;
  Uid last = UINT32_MAX;       // included
};

// The UIDs of a mailbox and what else is told when it is opened, all of one state.
struct MailboxUids {
  std::uint32_t uid_validity = 0;
  Uid uid_next = 1;
  ModSeq highest_modseq = 0;
  Uid first_unseen = 0;        // the least UID without \Seen; 0: there is none
  std::vector<UidRange> uids;  // ascending; between two of them at least one UID is missing
};

// A message taken in but not yet in any mailbox: hashed, compressed, parsed and written beyond what memory should hold.
class StagedMessage {
 public:
  virtual ~StagedMessage() = default;
  [[nodiscard]] virtual std::uint64_t octets() const noexcept = 0;
};

// Takes a message in pieces with bounded memory.
class MessageWriter {
 public:
  virtual ~MessageWriter() = default;
  // Errors: too_large, unavailable. After an error only destruction is allowed.
  [[nodiscard]] virtual Task<Result<void>> write(std::string_view piece, Context context) = 0;
  // Appends up to `octets` octets of what was written, from `offset` on, to `out`; fewer at the end. Errors: unavailable.
  [[nodiscard]] virtual Result<void> read(std::uint64_t offset, std::size_t octets, std::string& out) const = 0;
  // Parses and seals it. Any octets make a message, however malformed. A store may keep parts that hold NUL and are not encoded in
  // base64, as those show them who read by IMAP (RFC 3516 §6): the default one does, and octets() is then what is kept.
  [[nodiscard]] virtual Task<Result<std::unique_ptr<StagedMessage>>> finish(Context context) = 0;
};

// The octets of a stored message. Holds no snapshot between calls, so it may wait for a slow client.
class MessageReader {
 public:
  virtual ~MessageReader() = default;
  [[nodiscard]] virtual std::uint64_t octets() const noexcept = 0;
  // Up to `octets_max` octets from `offset`. The view lives until the next call. Errors: not_found (expunged
  // meanwhile), corrupt, unavailable.
  [[nodiscard]] virtual Task<Result<std::string_view>> read(std::uint64_t offset, std::size_t octets_max, Context context) = 0;
};

struct NewMessage {
  std::shared_ptr<StagedMessage> message;
  KeywordSet keywords;                 // numbers from keyword_numbers()
  bool deleted = false;
  std::optional<WallTime> received;    // absent: now
};

struct Appended {
  std::uint32_t uid_validity = 0;
  std::vector<Uid> uids;               // one for each message, ascending
  std::vector<EmailId> emails;
  ModSeq modseq = 0;
};

struct Copied {
  std::uint32_t uid_validity = 0;      // of the destination
  std::vector<std::pair<Uid, Uid>> uids;  // from, to; in ascending order of from
};

enum class FlagAction : std::uint8_t { add, remove, replace };

// A change of flags. `deleted` tells whether \Deleted is among the flags named.
struct FlagChange {
  FlagAction action = FlagAction::add;
  KeywordSet keywords;
  bool deleted = false;
  std::optional<ModSeq> unchanged_since;  // RFC 7162 §3.1.3
  ModSeq seen = UINT64_MAX;            // up to where whoever asks knows the mailbox
};

struct FlagsChanged {
  std::vector<MessageRow> changed;     // the rows asked for, as they are now, where anything changed
  // Modified after unchanged_since. To add or remove flags is refused for those flags alone, as if each had a modseq of its own
  // (RFC 7162 §3.1.3, §3.1.12): where one of them was set or cleared since, by whomever; where the message came since, every
  // system flag is of that modseq, and the keywords that it came with. A store that does not know any more may refuse.
  std::vector<Uid> refused;
  std::vector<MessageRow> along;       // rows of this mailbox not asked for that are the same emails, and changed with them
  std::vector<Uid> overtaken;          // of `changed`, those that had been modified after `seen`; ascending
  ModSeq modseq = 0;
  ModSeq before = UINT64_MAX;          // the mailbox's highest_modseq until then; UINT64_MAX: others may have changed it in between
};

struct Quota {
  std::uint64_t octets_used = 0, octets_limit = 0;      // limit 0: none
  std::uint64_t messages_used = 0, messages_limit = 0;
};

struct AccountInfo {
  ModSeq modseq = 0;                   // the account's last change
  Quota quota;
};

struct NewMailbox {
  std::string path;                    // UTF-8; missing parents are made too
  Role role = Role::none;
  bool subscribed = true;
};

struct AllMessages {};

// Ends when destroyed; after that its callback is not called.
class Subscription {
 public:
  virtual ~Subscription() = default;
};

// Threads: any; a task resumes on its context's executor. Durability: a change is on stable storage when its task
// completes with a value, and on any error nothing has changed. Errors beyond those named: unavailable, cancelled,
// timeout, corrupt, internal. Calls for an account that is not there: not_found.
class MailStore {
 public:
  virtual ~MailStore() = default;

  // Makes the account with INBOX, Drafts, Sent, Junk, Trash and Archive. Errors: conflict when it is there.
  [[nodiscard]] virtual Task<Result<void>> create_account(AccountId account, Quota limits, Context context) = 0;
  // Removes the account and all its mail, in steps that survive interruption.
  [[nodiscard]] virtual Task<Result<void>> remove_account(AccountId account, Context context) = 0;
  [[nodiscard]] virtual Task<Result<AccountInfo>> account(AccountId account, Context context) = 0;
  [[nodiscard]] virtual Task<Result<void>> set_quota(AccountId account, Quota limits, Context context) = 0;

  // All mailboxes, ordered by path, parents before children.
  [[nodiscard]] virtual Task<Result<std::vector<Mailbox>>> mailboxes(AccountId account, Context context) = 0;
  [[nodiscard]] virtual Task<Result<Mailbox>> mailbox(AccountId account, MailboxId mailbox, Context context) = 0;
  // By path; "inbox" in any case is the inbox. Errors: not_found.
  [[nodiscard]] virtual Task<Result<Mailbox>> find_mailbox(AccountId account, std::string_view path, Context context) = 0;
  // Errors: conflict (exists, or the role is taken), invalid (name), too_large (limits).
  [[nodiscard]] virtual Task<Result<Mailbox>> create_mailbox(AccountId account, NewMailbox request, Context context) = 0;
  // Children go along. Renaming INBOX moves its messages into a new mailbox (RFC 9051 §6.3.6). Errors: conflict, invalid.
  [[nodiscard]] virtual Task<Result<void>> rename_mailbox(AccountId account, MailboxId mailbox, std::string_view new_path,
                                                          Context context) = 0;
  // Removes it with its messages. Errors: denied for the inbox; conflict when it has children.
  [[nodiscard]] virtual Task<Result<void>> remove_mailbox(AccountId account, MailboxId mailbox, Context context) = 0;
  [[nodiscard]] virtual Task<Result<void>> set_subscribed(AccountId account, MailboxId mailbox, bool subscribed, Context context) = 0;
  // The names that are subscribed to though no mailbox has them, ordered: those of mailboxes that were removed or renamed while
  // they were subscribed to (RFC 3501 §6.3.9), the last kept_subscriptions_max. A mailbox that gets such a name is subscribed to.
  [[nodiscard]] virtual Task<Result<std::vector<std::string>>> kept_subscriptions(AccountId account, Context context) = 0;
  // Ends the subscription to such a name. Errors: not_found.
  [[nodiscard]] virtual Task<Result<void>> forget_subscription(AccountId account, std::string_view path, Context context) = 0;

  // Numbers for names, made where needed. Errors: invalid, too_large.
  [[nodiscard]] virtual Task<Result<std::vector<KeywordNumber>>> keyword_numbers(AccountId account,
                                                                                 std::span<const std::string> names,
                                                                                 Context context) = 0;
  // The name of every number: names[number].
  [[nodiscard]] virtual Task<Result<std::vector<std::string>>> keyword_names(AccountId account, Context context) = 0;

  // What is in a mailbox, without its rows: cheap however many there are. Errors: not_found.
  [[nodiscard]] virtual Task<Result<MailboxUids>> uids(AccountId account, MailboxId mailbox, Context context) = 0;
  // The messages of a mailbox in `uids` that changed after `since` (0: all of them), ascending by UID.
  [[nodiscard]] virtual Task<Result<std::vector<MessageRow>>> messages(AccountId account, MailboxId mailbox, UidRange uids,
                                                                       ModSeq since, Context context) = 0;
  // The UIDs expunged from a mailbox after `since`, ascending. Errors: not_found when tombstones of that age are gone.
  [[nodiscard]] virtual Task<Result<std::vector<Uid>>> expunged(AccountId account, MailboxId mailbox, ModSeq since,
                                                                Context context) = 0;
  // The encoded mime::Summary of each email, made at delivery; empty for those that are gone.
  [[nodiscard]] virtual Task<Result<std::vector<std::string>>> summaries(AccountId account, std::span<const EmailId> emails,
                                                                         Context context) = 0;
  [[nodiscard]] virtual Task<Result<std::unique_ptr<MessageReader>>> open(AccountId account, EmailId email, Context context) = 0;

  // A writer for one message. It may be used for any account.
  [[nodiscard]] virtual Result<std::unique_ptr<MessageWriter>> create_message() = 0;
  // Appends all of `messages` or none. Errors: over_quota, not_found.
  [[nodiscard]] virtual Task<Result<Appended>> append(AccountId account, MailboxId mailbox, std::span<const NewMessage> messages,
                                                      Context context) = 0;
  // UIDs that are not there are passed over. All or none. Errors: over_quota, not_found (a mailbox).
  [[nodiscard]] virtual Task<Result<Copied>> copy(AccountId account, MailboxId from, std::span<const Uid> uids, MailboxId to,
                                                  Context context) = 0;
  [[nodiscard]] virtual Task<Result<Copied>> move(AccountId account, MailboxId from, std::span<const Uid> uids, MailboxId to,
                                                  Context context) = 0;
  [[nodiscard]] virtual Task<Result<FlagsChanged>> change_flags(AccountId account, MailboxId mailbox, std::span<const Uid> uids,
                                                                FlagChange change, Context context) = 0;
  // Removes those of `uids` that are marked \Deleted and returns them, ascending.
  [[nodiscard]] virtual Task<Result<std::vector<Uid>>> expunge(AccountId account, MailboxId mailbox, std::span<const Uid> uids,
                                                               Context context) = 0;
  // The same for all that are marked.
  [[nodiscard]] virtual Task<Result<std::vector<Uid>>> expunge(AccountId account, MailboxId mailbox, AllMessages, Context context) = 0;

  // Calls `changed` on `executor` after each change to the account (several may be told as one) with its last ModSeq.
  [[nodiscard]] virtual std::unique_ptr<Subscription> subscribe(AccountId account, Executor& executor,
                                                                std::function<void(ModSeq)> changed) = 0;
};

}  // namespace keystonemail::mailstore
