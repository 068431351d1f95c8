// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The relay at work. Entries are read in the order in which they are due, up to a ceiling; each is divided into jobs by
// destination; a destination's connections take its jobs one after the other; the clerk notes what came of each.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "keystonemail/service/relay/relay.hpp"
#include "service/relay/clerk.hpp"
#include "service/relay/destination.hpp"
#include "service/relay/host_finder.hpp"
#include "transport/waiter.hpp"

namespace keystonemail::relay {

struct Relay::State {
  State(Options given, Services with)
      : options(std::move(given)), services(std::move(with)), clerk(options, services), finder(options, services, hurry.get_token()) {}

  [[nodiscard]] Task<void> run(Context context);
  void take_options(Options fresh);
  void set_forwarder(std::shared_ptr<const forwarding::Forwarder> forwarder) { services.forwarder = std::move(forwarder); }
  [[nodiscard]] Load load() const noexcept { return {active.size(), connections, destinations.size()}; }

 private:
  struct Account {
    std::size_t active = 0;
    std::optional<queue::Due> passed_over;
    Pacer pacer;
    bool is_resuming = false;
  };

  // Reading the queue
  [[nodiscard]] Task<void> read_due(Context context);
  [[nodiscard]] Task<bool> take(queue::Due due, Context context);
  void activate(queue::Entry entry, queue::Due due, const std::vector<std::size_t>& here);
  [[nodiscard]] bool has_turn(const std::string& login, queue::Due due);
  [[nodiscard]] Task<void> resume_account(std::string login, Instant when);
  void look_again(queue::Due from);
  void refill_for(const void* whom, queue::Due from);
  void go_back(queue::Due from);
  void end_refill();
  void wake();
  [[nodiscard]] Task<void> pause(Context context);
  void sweep(WallTime now);

  // Jobs and connections
  [[nodiscard]] Destination& destination_of(const queue::Entry& entry, const std::string& address);
  static void line_up(Destination& destination, Job job);
  void put_off(Destination& destination, std::shared_ptr<ActiveEntry> entry, std::vector<std::size_t> recipients);
  void add(Destination& destination, std::shared_ptr<ActiveEntry> entry, std::vector<std::size_t> recipients);
  void connect(Destination& destination);
  void connect_hungry();
  [[nodiscard]] Task<void> resume(Destination& destination, Instant when);
  [[nodiscard]] std::optional<std::uint32_t> own_rate_of(std::string_view domain) const;
  void renew(Destination& destination, bool is_paced_anew) const;
  void line_up_again(std::vector<Job> jobs);
  [[nodiscard]] bool has_place(const Destination& destination) const noexcept;
  [[nodiscard]] Task<void> serve(Destination& destination);
  [[nodiscard]] Task<std::unique_ptr<Courier>> open(Destination& destination);
  [[nodiscard]] Task<void> wait_for_job(Destination& destination);
  [[nodiscard]] Task<bool> may_go(Job& job);
  [[nodiscard]] Task<bool> deliver(Destination& destination, Courier& courier, Job job, std::uint32_t generation);
  void put_back(Destination& destination, Job job, std::uint32_t generation);
  void sort_out(Destination& destination, Job job, std::vector<Outcome> outcomes, std::uint32_t generation);
  void note_failure(Destination& destination, HostFailure failure);
  void end_connection(Destination& destination, bool was_doubtful);
  void conclude(Job job, std::vector<Outcome> outcomes);
  [[nodiscard]] Task<void> conclude_and_forget(Job job, std::vector<Outcome> outcomes);
  void bring_home(Job job);
  [[nodiscard]] Task<void> bring_home_and_forget(Job job);
  void forget(const std::shared_ptr<ActiveEntry>& entry);
  void job_taken(Destination& destination);
  [[nodiscard]] bool stopping() const noexcept { return context->stop.stop_requested(); }
  [[nodiscard]] WallTime wall_now() const noexcept { return context->executor->wall_now(); }

  Options options;
  Services services;
  std::stop_source hurry;
  Clerk clerk;
  HostFinder finder;
  std::optional<Context> context;                    // of run()

  std::unordered_map<std::uint64_t, std::shared_ptr<ActiveEntry>> active;
  std::unordered_map<std::string, std::unique_ptr<Destination>> destinations;
  std::unordered_map<std::string, Account> accounts;  // those with active entries
  std::deque<std::string> hungry;                    // destinations that found all connections taken
  std::deque<std::string> hungry_doubtful;           // the same, of those that failed the last time
  std::size_t connections = 0;
  std::size_t doubtful = 0;                          // of them, those begun towards what had failed before
  std::size_t unfinished = 0;                        // conclusions under way

  queue::Due seen;                                   // all before it has been looked at
  std::optional<queue::Due> refill;                  // and all before this, when `seen` went back for those who have room again:
  std::set<const void*> short_of;                    // accounts and destinations, by their addresses
  std::optional<WallTime> next_due;                  // what comes after it
  std::uint64_t rewinds = 0;                         // how often `seen` went back
  bool full = false;                                 // the ceiling of active entries ended the last reading
  bool again = false;                                // something changed while it was read
  Instant next_sweep{};
  transport::Waiter waiter;
};

}  // namespace keystonemail::relay
