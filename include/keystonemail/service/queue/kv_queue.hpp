// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// KvQueue: the queue in the same kv store as the mail, so that one operation can enter both. Its tables are described
// in lib/service/queue/FORMAT.md.
//
// Ownership: borrows the mail store, whose blobs and staged messages it shares. Threads: any. Errors: those of the port.
// Limits: queue::limits are the reception's; an entry is one row.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/kv/kv.hpp"
#include "keystonemail/queue/queue.hpp"
#include "keystonemail/service/mailstore/kv_mail_store.hpp"

namespace keystonemail::service {

struct QueueOptions {
  kv::Table first_table{};                              // of queue_tables(), which the kv store has in that order
  std::chrono::hours lifetime{5 * 24};                  // RFC 5321 §4.5.4.1: an entry expires after that
  // What one login may have waiting; beyond it, over_quota. 0: as much as it likes.
  std::uint64_t account_entries_max = 0;
  std::uint64_t account_octets_max = 0;
};

[[nodiscard]] std::span<const std::string_view> queue_tables() noexcept;

struct QueuePlan;

// Is told what came of an attempt, within the transaction that notes it: what it writes is committed with that, or not at all.
//
// Threads: any. It waits for nothing; an operation may be run again, and then so is this.
class OutcomeWriter {
 public:
  virtual ~OutcomeWriter() = default;
  // `entry` as it was before the attempt.
  virtual void write(kv::Transaction& transaction, const queue::Entry& entry, const queue::Settlement& settlement) = 0;
};

class KvQueue final : public queue::Queue {
 public:
  KvQueue(KvMailStore& mail, QueueOptions options);
  ~KvQueue() override;

  Task<Result<std::vector<queue::Entry>>> list(queue::EntryId after, std::size_t entries_max, Context context) override;
  Task<Result<queue::Entry>> show(queue::EntryId id, Context context) override;
  Task<Result<std::unique_ptr<mailstore::MessageReader>>> open(queue::EntryId id, Context context) override;
  Task<Result<void>> update(const queue::Entry& entry, Context context) override;
  Task<Result<void>> remove(queue::EntryId id, Context context) override;

  Task<Result<std::vector<queue::Due>>> due(queue::Due after, std::size_t entries_max, Context context) override;
  Task<Result<void>> settle(queue::Settlement settlement, Context context) override;
  Task<Result<void>> handle(queue::EntryId id, queue::Handling handling, Context context) override;
  std::unique_ptr<mailstore::Subscription> subscribe(Executor& executor, std::function<void(WallTime)> changed) override;

  // Has it go elsewhere, now: `route` is "host:port" or a domain; empty: where its recipients are. Errors: not_found.
  [[nodiscard]] Task<Result<void>> move(queue::EntryId id, std::string route, Context context);
  // Messages of a login that wait, and their octets.
  struct Use {
    std::uint64_t entries = 0, octets = 0;
  };
  [[nodiscard]] Task<Result<Use>> use(std::string login, Context context);
  // What happened to an entry, gone or not, in order; none when nothing is known of it.
  [[nodiscard]] Task<Result<std::vector<queue::TraceStep>>> trace(queue::EntryId id, Context context);
  // Entries, gone or not, of that Message-ID, brackets included.
  [[nodiscard]] Task<Result<std::vector<queue::EntryId>>> find(std::string message_id, Context context);

  // Checks entries, due times, contents and their blobs. REQUIRES: as KvMailStore::verify().
  [[nodiscard]] Task<Result<std::vector<Finding>>> verify(Context context);

  // As QueueOptions, for what comes from now on.
  void set_limits(std::chrono::hours lifetime, std::uint64_t account_entries_max, std::uint64_t account_octets_max) noexcept;

  // Null: nobody. Set before the first attempt is settled; outlives the queue.
  void set_outcome_writer(OutcomeWriter* writer) noexcept { outcome_writer_ = writer; }

  // For delivery: what an operation writes, made before it.
  [[nodiscard]] QueuePlan plan(const queue::NewEntry& entry, const mailstore::StagedMessage& message, WallTime now) const;
  [[nodiscard]] Task<Result<void>> apply(kv::Transaction& t, QueuePlan& plan) const;
  [[nodiscard]] Task<Result<void>> apply(kv::Transaction& t, const queue::Settlement& settlement) const;
  // Keeps a trace under a number of its own.
  [[nodiscard]] Task<Result<void>> apply(kv::Transaction& t, const queue::History& history, WallTime now) const;
  // The same, in an operation of its own.
  [[nodiscard]] Task<Result<void>> note(queue::History history, Context context);
  // Tells subscribers of an entry that has been committed.
  void notify(const queue::Entry& entry);

  struct Notifier;

 private:
  KvMailStore& mail_;
  [[nodiscard]] QueueOptions options() const noexcept;

  const QueueOptions options_;                          // its table; of all else, what it began with
  std::atomic<std::chrono::hours> lifetime_;
  std::atomic<std::uint64_t> account_entries_max_, account_octets_max_;
  std::shared_ptr<Notifier> notifier_;
  OutcomeWriter* outcome_writer_ = nullptr;
};

}  // namespace keystonemail::service
