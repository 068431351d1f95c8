// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// KvMailStore: the mail store, written once on the ports kv and blob. Its tables are described in
// lib/service/mailstore/FORMAT.md.
//
// Ownership: borrows the kv store, the blob store and the Random, which outlive it; it outlives its tasks, readers and
//   subscriptions. Threads: any. Errors: those of the port. Limits: a message being written or staged holds
//   spool_octets_min at most, and all of them together staging_octets_max more; beyond that of calls in flight memory is
//   cache_octets_max (MailStoreOptions).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/random.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/blob/blob.hpp"
#include "keystonemail/kv/kv.hpp"
#include "keystonemail/mailstore/mailstore.hpp"

namespace keystonemail::service {

struct StoreCore;

// Of which messages a note is kept outside of the index, from which they can be found when the index is lost
// (lib/docs/decisions/notes.md).
enum class Notes : std::uint8_t {
  none,
  larger,  // those that are stored outside of the index anyhow: it costs nothing to notice
  all,     // each small message is then written twice, and a sync more is waited for
};

struct MailStoreOptions {
  kv::Table first_table{};                          // of mail_store_tables(), which the kv store has in that order
  std::uint64_t message_octets_max = 50ULL << 20;   // a message beyond it is too_large
  std::size_t spool_octets_min = 2U << 20;          // a longer message is laid aside on storage as it comes
  std::size_t staging_octets_max = std::size_t{128} << 20;  // for taking such messages apart; one alone may take more
  std::size_t cache_octets_max = std::size_t{64} << 20;   // of listings and UIDs of mailboxes kept in memory
  Notes notes = Notes::larger;
  std::uint32_t log_rows_max = 10'000;              // changes remembered for each mailbox; older ones cost a full listing
};

// The names of the tables a mail store needs, for opening the kv store.
[[nodiscard]] std::span<const std::string_view> mail_store_tables() noexcept;

// What verify() found wrong: where, and in what way.
struct Finding {
  std::string what;
  mailstore::AccountId account{};
};

struct VerifyProgress {
  std::uint64_t accounts = 0, mailboxes = 0, messages = 0, octets = 0;
};

struct VerifyOptions {
  bool contents = true;                             // read every message whole, which checks every blob's digest
  std::size_t findings_max = 10'000;
  std::function<void(const VerifyProgress&)> progress = {};
};

struct VerifyReport {
  VerifyProgress seen;
  std::vector<Finding> findings;                    // empty: all is well
};

struct RepairReport {
  std::uint64_t rows_changed = 0;
};

class KvMailStore : public mailstore::MailStore {
 public:
  using mailstore::MailStore::open;

  // Errors: corrupt (a store of another format), unavailable.
  [[nodiscard]] static Task<Result<std::unique_ptr<KvMailStore>>> open(kv::Store& store, blob::Store& blobs, Random& random,
                                                                       MailStoreOptions options, Context context);

  // Ends removals of accounts and mailboxes that were interrupted. Call once after open().
  [[nodiscard]] virtual Task<Result<void>> finish_removals(Context context) = 0;
  // Every account there is, ascending.
  [[nodiscard]] virtual Task<Result<std::vector<mailstore::AccountId>>> accounts(Context context) = 0;
  // Checks every row against every other; goes on after damage. REQUIRES: nothing else changes the store meanwhile,
  // else changes may be reported as findings.
  [[nodiscard]] virtual Task<Result<VerifyReport>> verify(VerifyOptions options, Context context) = 0;
  // Makes all derived rows anew from the messages and emails: counts, sums, memberships, threads.
  // REQUIRES: as verify().
  [[nodiscard]] virtual Task<Result<RepairReport>> repair(std::function<void(const VerifyProgress&)> progress,
                                                          Context context) = 0;

  // For the queue and delivery, which share its tables and staged messages.
  [[nodiscard]] virtual StoreCore& core() noexcept = 0;
};

}  // namespace keystonemail::service
