// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Site: one whole server of several (reception, submission, LMTP, queue, relay, store), with faults in its ports and restarts
// of two kinds. The store is in memory and outlives them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "keystonemail/backends/zone/resolver.hpp"
#include "keystonemail/blob/faulty.hpp"
#include "keystonemail/kv/faulty.hpp"
#include "keystonemail/service/delivery/kv_delivery.hpp"
#include "keystonemail/service/reception/reception.hpp"
#include "keystonemail/service/relay/relay.hpp"
#include "sim/country.hpp"
#include "sim/faulty_ports.hpp"
#include "sim/hostile_network.hpp"
#include "sim/promises.hpp"
#include "sim/witness.hpp"

namespace keystonemail::sim {

// What went into a queue: written down when the commit was over.
struct QueuedRecord {
  queue::EntryId id{};
  std::string key;
  queue::Envelope envelope;
  std::vector<queue::Recipient> recipients;
};
// A notification that a server made, in the commit of the step that it tells of.
struct ReportRecord {
  std::string key;
  std::string text;
  std::string to;                                // the envelope's recipient
  std::optional<queue::Settlement> settlement;   // none: it tells of a delivery into a mailbox
};
struct Records {
  std::vector<QueuedRecord> queued;
  std::vector<ReportRecord> reports;
};

// What all sites share. Ownership: borrowed.
struct Surroundings {
  test::SimExecutor& executor;
  HostileNetwork& network;
  Trace& trace;
  const Country& country;
  Promises& promises;
  std::function<void(std::string)> violation;
  std::chrono::hours lifetime{120};              // of a message in the queue
  std::chrono::hours bounce_lifetime{24};
  Bug bug = Bug::none;
};

class Site {
 public:
  Site(Surroundings& surroundings, SiteNumber number, std::uint64_t seed);
  ~Site();
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  void draw_weather();
  void fair_weather();

  enum class End : std::uint8_t { crash, drain };
  // Begins to go down, and comes up again after that time.
  void end(End how, std::chrono::seconds away);
  // Lets it go on with going down or coming up. Called now and then.
  void tick();
  [[nodiscard]] bool is_up() const noexcept { return phase_ == Phase::up; }
  [[nodiscard]] bool is_ending() const noexcept { return phase_ == Phase::ending; }
  [[nodiscard]] std::size_t restarts() const noexcept { return restarts_; }
  [[nodiscard]] std::uint64_t faults() const { return faults_.failed() + struck_; }
  // Of the DNS.
  [[nodiscard]] std::uint64_t unanswered() const noexcept { return struck_; }
  // Whether nobody vouched for the sender of the message, some time that it came.
  [[nodiscard]] bool is_unproven(const std::string& key) const { return witness_.unproven().contains(key); }
  // Nothing waits and nobody is connected.
  [[nodiscard]] bool is_quiet();

  // What is stored, as it is: no cache, no fault, no wait.
  struct Mail {
    std::string key;
    std::string text;
  };
  struct Stored {
    std::map<Place, std::vector<Mail>> mailboxes;
    std::vector<queue::Entry> queued;
    std::map<std::uint64_t, std::vector<queue::TraceStep>> steps;  // of every entry there ever was
  };
  [[nodiscard]] Stored look();
  [[nodiscard]] const Records& records() const noexcept { return records_; }
  [[nodiscard]] SiteNumber number() const noexcept { return number_; }

 private:
  struct Server;
  enum class Phase : std::uint8_t { up, ending, down };
  void start();
  void listen();
  void remember_policies();
  void recall_policies();
  [[nodiscard]] std::shared_ptr<const tls::ServerContext> show_certificate();

  template <class T>
  T now(Task<Result<T>> task) {
    auto result = around_.executor.run(std::move(task));
    if (!result) throw std::runtime_error("the store itself failed: " + result.error().describe());
    return *std::move(result);
  }

  Surroundings& around_;
  const SiteNumber number_;
  SeededRandom random_;
  Context context_{&around_.executor};
  service::MailStoreOptions store_options_;
  std::unique_ptr<kv::Store> kv_;
  std::unique_ptr<blob::Store> blobs_;
  PortWeather kv_weather_, directory_weather_, delivery_weather_, dns_weather_, fetch_weather_;
  kv::Faults faults_;
  WeatheredKv late_kv_;
  WeatheredBlobs late_blobs_;
  std::unique_ptr<kv::Store> faulty_kv_;
  std::unique_ptr<blob::Store> faulty_blobs_;
  test::FakeDirectory people_;
  WeatheredDirectory directory_;
  zone::ZoneResolver zone_;
  PromisingResolver promising_;
  Witness witness_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<std::size_t> sessions_ = std::make_shared<std::size_t>(0);
  Records records_;
  Phase phase_ = Phase::down;
  Instant next_step_{};       // when it comes up, or must have gone down
  std::chrono::seconds away_{0};
  std::size_t restarts_ = 0;
  std::uint64_t struck_ = 0;  // faults of the DNS
};

}  // namespace keystonemail::sim
