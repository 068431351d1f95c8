// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// delivery: the port through which an accepted message enters, for all its recipients at once. A 250 is sent
// when it completes: then the message is in the local mailboxes and in the queue, on stable storage, in one commit.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/kv/kv.hpp"
#include "keystonemail/mailstore/mailstore.hpp"
#include "keystonemail/queue/queue.hpp"

namespace keystonemail::delivery {

// Into one account's mailbox. The prefix (Return-Path, Received, Delivered-To ...) is the recipient's own header
// part; the message body behind it is shared by all.
struct LocalRecipient {
  mailstore::AccountId account{};
  std::string mailbox = "INBOX";          // path; INBOX when it does not exist
  std::string prefix;                     // header lines put before the staged message; empty or ends in CRLF
  mailstore::KeywordSet keywords;
};

struct Submission {
  std::shared_ptr<mailstore::StagedMessage> message;
  std::vector<LocalRecipient> local;
  std::optional<queue::NewEntry> remote;  // present: also queued for these recipients
  // Present: an entry whose attempt this message tells of (RFC 3464); noted in the same commit. Errors of deliver() are
  // then those of Queue::settle() as well.
  std::optional<queue::Settlement> settlement;
  // Present: what else is written in the same commit, in a store that mail and queue are in; when it fails nothing is
  // delivered, and the error is its own.
  kv::Operation also = {};
  // Of one that comes together with another: asked in the commit, before anything of it is written. Where it fails with conflict,
  // having written nothing, this one is left out and the others are delivered; what it writes else is part of the commit.
  kv::Operation condition = {};
  queue::History history;                 // kept with the trace of `remote`, or on its own
  // What comes in the same commit: copies with another sender, a report to it. These have no `together` of their own.
  std::vector<Submission> together = {};
};

struct Accepted {
  std::vector<mailstore::EmailId> local;  // one for each LocalRecipient
  std::optional<queue::EntryId> queued;
  std::vector<std::optional<queue::EntryId>> together;  // of each of them, where it is queued
  std::vector<std::size_t> left_out = {};  // those among them whose condition did not hold
};

// Threads: any. Durability: all of it or none of it.
class Delivery {
 public:
  virtual ~Delivery() = default;
  [[nodiscard]] virtual Result<std::unique_ptr<mailstore::MessageWriter>> create_message() = 0;
  // Errors: over_quota (an account's, with the account's index in the detail; nothing is delivered), unavailable.
  [[nodiscard]] virtual Task<Result<Accepted>> deliver(Submission submission, Context context) = 0;
  // Whether a message of this size fits the account now; asked at RCPT, so that a full mailbox is refused in session.
  [[nodiscard]] virtual Task<Result<bool>> has_room(mailstore::AccountId account, std::uint64_t octets, Context context) = 0;
  // Keeps the trace of a message that is not delivered. Few are kept when there are many: nobody may fill the store with them.
  [[nodiscard]] virtual Task<Result<void>> note(queue::History history, Context context) {
    (void)history, (void)context;
    co_return Result<void>();
  }
};

}  // namespace keystonemail::delivery
