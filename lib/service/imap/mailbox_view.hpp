// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// MailboxView: what one session has been told about its selected mailbox, and how it catches up with the store.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/mailstore/mailstore.hpp"
#include "service/imap/uid_list.hpp"

namespace keystonemail::service::imap {

using mailstore::AccountId;
using mailstore::MailboxId;
using mailstore::MailStore;
using mailstore::MessageRow;
using mailstore::ModSeq;

// RFC 9051 §7.5.1: sequence numbers may not move while a FETCH, STORE or SEARCH by number is being answered, nor
// between commands.
enum class Expunges { hold_back, show };

// What has happened since the client was last told, in the order to tell it.
struct ViewUpdate {
  std::vector<Uid> vanished;             // ascending
  std::vector<Sequence> expunged;        // the numbers they had, ascending
  bool arrived = false;                  // the view has grown: EXISTS
  std::vector<MessageRow> changed;       // flags of messages that were in view before
  [[nodiscard]] bool empty() const noexcept { return vanished.empty() && !arrived && changed.empty(); }
};

// Ownership: a value. Threads: its session's. Memory: that of UidList and little else.
struct MailboxView {
  MailboxId id{};
  std::uint32_t uid_validity = 0;
  bool read_only = false;
  UidList uids;
  ModSeq changes_told = 0;               // flags and arrivals up to here are known to the client
  ModSeq expunges_told = 0;
  bool holds_back = false;               // there is more to tell of expunges, once it may be
  bool behind = false;                   // the client has been told flags newer than expunges held back (RFC 7162 §3.2)
  // All up to here has been told: what a client may take for its own.
  [[nodiscard]] ModSeq told() const noexcept { return std::min(changes_told, expunges_told); }
  std::vector<ModSeq> own_changes;       // above changes_told: the session's own, which it has told already
  std::vector<UidRange> search_result;   // `$` (RFC 9051 §6.4.4.1), ascending and disjoint

  // The session itself has changed flags, which it tells, at `modseq`; the mailbox had been at `before` (FlagsChanged).
  void took(ModSeq modseq, ModSeq before);
  // Drops what `update` says went and adds what came. For pull() and its tests.
  void remove(std::span<const Uid> gone, ViewUpdate& update);
};

// Fills `view` from the store; what happens afterwards is told by pull(). Errors: those of the store.
struct Loaded {
  Sequence first_unseen = 0;             // the first message without \Seen, or 0
  Uid uid_next = 1;
};
[[nodiscard]] Task<Result<Loaded>> load(MailStore& store, AccountId account, MailboxView& view, Context context);

// Brings `view` up to date. With hold_back, what went stays in view. One cheap call when nothing has changed. Errors: not_found when the mailbox is gone.
[[nodiscard]] Task<Result<ViewUpdate>> pull(MailStore& store, AccountId account, MailboxView& view, Expunges expunges,
                                            Context context);

}  // namespace keystonemail::service::imap
