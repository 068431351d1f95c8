// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// queue: the port to messages that wait for delivery elsewhere, with the state of each recipient.
#pragma once

#include <cstdint>
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
};

enum class DsnReturn : std::uint8_t { unspecified, full, headers };  // RET (RFC 3461 §4.3)

struct Envelope {
  std::string sender;               // empty: the null reverse-path
  std::string envelope_id;          // ENVID, decoded
  DsnReturn dsn_return = DsnReturn::unspecified;
  bool smtputf8 = false;            // RFC 6531
  bool eight_bit = false;           // BODY=8BITMIME or BINARYMIME
  bool binary = false;
  bool require_tls = false;         // RFC 8689
};

struct NewEntry {
  Envelope envelope;
  std::vector<Recipient> recipients;
  std::string prefix;               // header lines put before the staged message; empty or ends in CRLF
  std::string message_id;           // for people who look for it
  std::string login;                // who submitted it; empty for mail from outside
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
  bool held = false;
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
};

}  // namespace keystonemail::queue
