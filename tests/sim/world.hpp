// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// World: a whole server (SMTP, submission, LMTP, IMAP, mail store, queue) in virtual time on a store in memory that outlives
// its crashes, with faults in every port. Everything in it follows from the seed.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "keystonemail/blob/faulty.hpp"
#include "keystonemail/kv/faulty.hpp"
#include "keystonemail/service/delivery/kv_delivery.hpp"
#include "keystonemail/service/imap/service.hpp"
#include "keystonemail/service/reception/reception.hpp"
#include "keystonemail/transport/pipe.hpp"
#include "sim/faulty_ports.hpp"
#include "sim/ledger.hpp"
#include "sim/trace.hpp"
#include "support/fake_directory.hpp"
#include "support/pipe_stream.hpp"
#include "support/sim_executor.hpp"

namespace keystonemail::sim {

enum class Port : std::uint8_t { smtp, submission, lmtp, imap };

// The people: number, name, and what they may keep.
struct Person {
  Place place;
  const char* name;
  mailstore::Quota quota;
};
inline const Person people[] = {
    {1, "alice", {}},
    {2, "bob", {}},
    {3, "carol", {.octets_limit = 60'000, .messages_limit = 12}},
};
inline constexpr const char* domain = "example.test";
[[nodiscard]] inline std::string address_of(const Person& person) { return std::string(person.name) + "@" + domain; }
[[nodiscard]] inline std::string password_of(const Person& person) { return std::string("secret of ") + person.name; }

struct WorldOptions {
  std::uint64_t seed = 1;
  Bug bug = Bug::none;
  bool faults = true;  // false: fair weather, for tests of their own
  bool show = false;   // print all that happens
};

class World {
 public:
  explicit World(WorldOptions options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // A connection to the server, which sees it through `faults`.
  [[nodiscard]] std::unique_ptr<transport::ByteStream> connect(Port port, std::size_t capacity, test::StreamFaults faults);
  // Sets how often calls of the ports fail, by the seed.
  void draw_weather();
  void fair_weather();

  enum class End : std::uint8_t { crash, drain, quiet };
  // Ends the server in that way, with all its sessions, and starts another on the same store.
  void restart(End how);
  // Compares the store with the ledger, and checks the store itself.
  void audit();
  // Whether all that was begun is over; else a violation is noted.
  void check_nothing_left();

  [[nodiscard]] Context client_context() { return {&executor, clients_end_->get_token()}; }
  [[nodiscard]] bool clients_must_end() const { return clients_end_->stop_requested(); }
  [[nodiscard]] std::uint32_t next_wire() noexcept { return ++wires_; }
  [[nodiscard]] std::size_t sessions() const noexcept { return *sessions_; }

  const WorldOptions options;
  test::SimExecutor executor;
  SeededRandom random;
  Trace trace{options.show};
  Ledger ledger;
  std::size_t clients = 0;       // still at work
  Instant last_progress{};       // when octets last went by on any connection
  std::uint64_t faults_struck() const { return faults_.failed(); }

 private:
  struct Server;
  void make_accounts();
  void start();
  void collect(StoredState& state, service::KvMailStore& mail, service::KvQueue& queue);
  StoredAccount collect_account(service::KvMailStore& mail, const Person& person);
  std::string read_all(Result<std::unique_ptr<mailstore::MessageReader>> opened);
  void verify(service::KvMailStore& mail, service::KvQueue& queue);
  static Task<void> count_session(Task<void> session, std::shared_ptr<std::size_t> sessions);

  // What a call on the store itself says; it never waits.
  template <class T>
  T now(Task<Result<T>> task) {
    auto result = executor.run(std::move(task));
    if (!result) throw std::runtime_error("the store itself failed: " + result.error().describe());
    return *std::move(result);
  }

  Context context_{&executor};
  service::MailStoreOptions store_options_;
  std::unique_ptr<kv::Store> kv_;
  std::unique_ptr<blob::Store> blobs_;
  PortWeather kv_weather_, directory_weather_, delivery_weather_;
  kv::Faults faults_;
  WeatheredKv late_kv_;
  WeatheredBlobs late_blobs_;
  std::unique_ptr<kv::Store> faulty_kv_;
  std::unique_ptr<blob::Store> faulty_blobs_;
  test::FakeDirectory people_;
  WeatheredDirectory directory_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<std::size_t> sessions_ = std::make_shared<std::size_t>(0);
  std::optional<std::stop_source> clients_end_{std::in_place};
  std::uint16_t next_port_ = 1024;
  std::uint32_t wires_ = 0;
};

}  // namespace keystonemail::sim
