// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Webhooks: what becomes of messages in the queue, and of accounts that go wild, told to programs of the administrator over HTTP. An event is written in the commit that
// settles the attempt, so that none is lost or made up, and is sent later, so that mail never waits for it. What is sent is described
// in lib/service/webhook/FORMAT.md.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/log.hpp"
#include "keystonemail/base/random.hpp"
#include "keystonemail/kv/kv.hpp"
#include "keystonemail/service/queue/kv_queue.hpp"
#include "keystonemail/service/web/fetcher.hpp"

namespace keystonemail::transport {
class Waiter;
}

namespace keystonemail::webhook {

enum class Event : std::uint8_t {
  delivered,  // the next server has it
  delayed,    // an attempt failed, and there will be another
  failed,     // there will be none
  suspended,  // an account may send no more, until somebody has looked
};

struct Suspended {
  std::string_view login;
  WallTime when{};
  std::uint32_t recipients = 0;                   // that it tried within an hour
  std::string_view peer;                          // from where
};
[[nodiscard]] std::string_view to_string(Event event) noexcept;

struct EventRow;

struct Hook {
  std::string url;                                // https, or http to this machine
  std::vector<Event> events;                      // empty: all
  std::string secret;                             // of the signature; empty: there is none
};

struct Options {
  std::vector<Hook> hooks;                        // of URLs that differ
  kv::Table table{};                              // table_name
  std::size_t events_max = 100'000;               // that wait for one hook; beyond, new ones are dropped
  std::chrono::seconds kept{24 * 3'600};          // an event that could not be sent is dropped then
  std::size_t batch_max = 100;                    // events in one request
  std::chrono::seconds request_time_max{30};
  std::chrono::seconds retry_first{5};            // doubled with each failure
  std::chrono::seconds retry_max{600};
  std::chrono::milliseconds poll{500};            // how often events that came are looked for
};

inline constexpr std::string_view table_name = "webhook.event";
inline constexpr std::string_view signature_field = "Keystone-Signature";

// "sha256=" and the HMAC (RFC 2104) of a request's body in hexadecimal.
[[nodiscard]] std::string sign(std::string_view secret, std::string_view body);

// Ownership: borrows store, log and random. Threads: write() and waiting() any; all else the executor of run().
// Limits: Options; a row is below 8 KiB.
class Webhooks final : public service::OutcomeWriter {
 public:
  Webhooks(Options options, kv::Store& store, Random& random, Log& log);
  ~Webhooks() override;

  // Forgets events of hooks that are gone, and counts the others. Before all else. Errors: those of the store.
  [[nodiscard]] Task<Result<void>> open(Context context);
  // Hooks from now on, as Options::hooks. One of a URL that was there before gets what waits for that; what waits for one that is gone
  // is forgotten by the next open().
  void set_hooks(std::vector<Hook> hooks);
  // Writes what the hooks want to hear of a settlement, within its transaction.
  void write(kv::Transaction& transaction, const queue::Entry& entry, const queue::Settlement& settlement) override;
  // Writes what they want to hear of an account, within the transaction that suspends it.
  void write(kv::Transaction& transaction, const Suspended& suspended);
  // Sends events until the context is stopped.
  [[nodiscard]] Task<void> run(web::Fetcher& fetcher, Context context);
  // Events that wait, of all hooks, as far as is known without looking.
  [[nodiscard]] std::size_t waiting() const noexcept;

 private:
  struct Sender {
    std::shared_ptr<const Hook> hook;             // guarded by mutex_
    std::string key;                              // of its rows, the first octets
    std::atomic<std::size_t> waiting = 0;         // about: a transaction that is run again counts twice, until all are sent
    std::atomic<std::size_t> dropped = 0;         // for want of room, not yet logged
    unsigned failures = 0;                        // in a row
    std::atomic<bool> is_gone = false;            // its hook is not wanted any more
  };
  using Senders = std::vector<std::shared_ptr<Sender>>;
  struct Running {
    std::shared_ptr<Sender> sender;
    Task<void> task;
  };
  struct Batch {
    std::vector<std::string> keys;
    std::string body;
    std::size_t stale = 0;                        // of keys: too old to be sent, or damaged
  };

  [[nodiscard]] std::shared_ptr<const Senders> senders() const;
  [[nodiscard]] std::shared_ptr<const Hook> hook_of(const Sender& sender) const;
  [[nodiscard]] Task<void> serve(Sender& sender, web::Fetcher& fetcher, Context context);
  [[nodiscard]] Task<Result<Batch>> next_batch(const Sender& sender, Context context);
  [[nodiscard]] Task<bool> send(Sender& sender, web::Fetcher& fetcher, std::string body, Context context);
  [[nodiscard]] Task<Result<void>> forget(Sender& sender, std::vector<std::string> keys, Context context);
  void report_drops(Sender& sender);
  void write(kv::Transaction& transaction, const EventRow& row);

  const Options options_;
  kv::Store& store_;
  Random& random_;
  Log& log_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Senders> senders_;        // guarded by mutex_
  std::unique_ptr<transport::Waiter> changed_;    // of run()
};

}  // namespace keystonemail::webhook
