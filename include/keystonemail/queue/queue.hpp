// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// queue: the port to messages that wait for delivery elsewhere, with the state of each recipient.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/mailstore/mailstore.hpp"

namespace keystonemail::queue {

enum class EntryId : std::uint64_t {};  // later arrivals are greater

enum class RecipientState : std::uint8_t { pending, delivered, failed };

// NOTIFY (RFC 3461 §4.1), as bits; none given means the default, failure and delay.
struct Notify {
  bool specified = false, never = false, success = false, failure = false, delay = false;
};

struct Recipient {
  std::string address;              // RFC 5321 Mailbox, or UTF-8 as RFC 6531
  std::string original_recipient;   // ORCPT, decoded, "type;address"; empty when absent
  Notify notify;
  RecipientState state = RecipientState::pending;
  std::uint32_t attempts = 0;
  WallTime next_attempt{};
  std::string last_reply;           // the peer's last words, escaped by whoever shows them
  std::string last_host;            // who said them; empty when nobody did, and last_reply is of our own making
  bool delay_told = false;          // the sender has heard that it takes longer
};

enum class DsnReturn : std::uint8_t { unspecified, full, headers };  // RET (RFC 3461 §4.3)

// BY= (RFC 2852 §4): until when, and what happens then.
struct DeliverBy {
  WallTime when{};
  bool returns = false;             // mode R: it goes back, and only to servers that promise the same; else the sender is told
  bool trace = false;               // T: the sender hears of servers that do not promise it, and of those that do (§4.1.5)
  friend bool operator==(const DeliverBy&, const DeliverBy&) = default;
};

struct Envelope {
  std::string sender;               // empty: the null reverse-path
  std::string envelope_id;          // ENVID, decoded
  DsnReturn dsn_return = DsnReturn::unspecified;
  bool smtputf8 = false;            // RFC 6531
  bool eight_bit = false;           // BODY=8BITMIME or BINARYMIME
  bool binary = false;
  bool require_tls = false;         // RFC 8689: REQUIRETLS
  bool tls_optional = false;        // RFC 8689 §3: TLS-Required: No; never with require_tls
  WallTime released{};              // held back until then (RFC 4865); otherwise zero
  std::optional<DeliverBy> deliver_by = {};
  int priority = 0;                 // MT-PRIORITY (RFC 6710): -9 to 9; among what is due, the greatest goes first
  bool unproven = false;            // nobody vouches for the sender, so that it hears of nothing (attack E3)
};

struct NewEntry {
  Envelope envelope;
  std::vector<Recipient> recipients;
  std::string prefix;               // header lines put before the staged message; empty or ends in CRLF
  std::string message_id;           // for people who look for it
  std::string login;                // who submitted it; empty for mail from outside
  std::string session = {};         // in which it came, as the log names it
  std::string origin = {};          // who brought it and how, for its trace
  bool held = false;                // waits until somebody looks at it and lets it go
  std::string hold_reason = {};     // for its trace
};

struct Entry {
  EntryId id{};
  Envelope envelope;
  std::vector<Recipient> recipients;
  std::string message_id;
  std::string login;
  WallTime arrived{};
  WallTime expires{};
  std::uint64_t octets = 0;
  std::string session;
  std::string route;                // where it goes instead: "host:port", or a domain; empty: where its recipients are
  bool held = false;
};

// One thing that happened to an entry. It is kept for some weeks, when the entry is long gone.
struct TraceStep {
  WallTime when{};
  // connected, sender, recipient, judged, accepted, refused, discarded, forwarded, answered, not answered; delivered, deferred, failed; held,
  // released, retried, moved, cancelled
  std::string what;
  std::string recipient;            // of accepted and refused: the message id
  std::string host;                 // who said so; empty: we did
  std::string text;
  std::uint32_t attempts = 0;
  std::string security = {};        // of the connection that it went over, or was refused on; empty: there was none
};

// What happened to a message until it was queued, delivered or refused: its trace, the first step its beginning.
struct History {
  std::string message_id;           // by which it is found, brackets included; may be empty
  std::vector<TraceStep> steps;     // none: there is no trace but that of the queue
};

// A place in the order in which entries are due.
struct Due {
  WallTime when{};
  EntryId id{};
  friend auto operator<=>(const Due&, const Due&) = default;
};

// What an attempt changed of one recipient.
struct RecipientChange {
  std::size_t index = 0;            // among the entry's recipients, whose order never changes
  RecipientState state = RecipientState::pending;
  std::uint32_t attempts = 0;
  WallTime next_attempt{};
  std::string last_reply;
  std::string last_host;
  bool delay_told = false;
  std::string security = {};        // of the connection, for the trace: "TLSv1.3 TLS_AES_128_GCM_SHA256 dane"
};

// What an attempt changed of an entry. All else stays as it is stored, so that a hold that came meanwhile stays too.
struct Settlement {
  EntryId id{};
  std::vector<RecipientChange> changes;
  WallTime when{};                  // of the attempt; zero: it leaves no trace
};

// What an administrator does with an entry.
enum class Handling : std::uint8_t {
  hold,     // it stays until it is released
  release,
  retry,    // its pending recipients are due now, before everything else, wherever they are
};

// Threads: any. Durability as that of a MailStore.
class Queue {
 public:
  virtual ~Queue() = default;
  // Entries with an id above `after`, ascending, at most `entries_max`.
  [[nodiscard]] virtual Task<Result<std::vector<Entry>>> list(EntryId after, std::size_t entries_max, Context context) = 0;
  [[nodiscard]] virtual Task<Result<Entry>> show(EntryId id, Context context) = 0;
  // The message as it will be sent.
  [[nodiscard]] virtual Task<Result<std::unique_ptr<mailstore::MessageReader>>> open(EntryId id, Context context) = 0;
  // Replaces an entry's recipients and hold; an entry without a pending recipient is removed with its message.
  [[nodiscard]] virtual Task<Result<void>> update(const Entry& entry, Context context) = 0;
  [[nodiscard]] virtual Task<Result<void>> remove(EntryId id, Context context) = 0;

  // Entries behind `after` in the order of their next attempt, soonest first, at most `entries_max`; those to come as
  // well. Held ones are not due.
  [[nodiscard]] virtual Task<Result<std::vector<Due>>> due(Due after, std::size_t entries_max, Context context) = 0;
  // Notes the outcome of an attempt; without a pending recipient the entry goes, with its message.
  // Errors: not_found (removed meanwhile), conflict (an index the entry does not have).
  [[nodiscard]] virtual Task<Result<void>> settle(Settlement settlement, Context context) = 0;
  // Errors: not_found.
  [[nodiscard]] virtual Task<Result<void>> handle(EntryId id, Handling handling, Context context) = 0;
  // Calls `changed` on `executor` after entries came in or became due by update() or handle(), several told as one, with the soonest
  // of their times.
  [[nodiscard]] virtual std::unique_ptr<mailstore::Subscription> subscribe(Executor& executor,
                                                                           std::function<void(WallTime)> changed) = 0;
};

}  // namespace keystonemail::queue
