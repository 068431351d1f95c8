// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// milter: connections to mail filters, and those that wait for the next SMTP session.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/milter/client_session.hpp"
#include "keystonemail/service/milter/address.hpp"
#include "keystonemail/transport/listener.hpp"

namespace keystonemail::milter {

// A connection, and what is known of who is at its other end.
struct Link {
  Link(std::unique_ptr<transport::ByteStream> connected, const ClientOptions& wanted, Instant now)
      : options(wanted), stream(std::move(connected)), session(options, now) {}

  const ClientOptions options;
  std::unique_ptr<transport::ByteStream> stream;
  ClientSession session;
  bool reused = false;    // it waited for this SMTP session
  bool answered = false;  // something was heard from it since
};

// What makes connections on that executor; null where nothing does.
using ConnectorProvider = std::function<transport::Connector*(Executor& on)>;

// The addresses of a host, the best first. Errors: unavailable, timeout; not_found (it has none).
using HostLookup = std::function<Task<Result<std::vector<IpAddress>>>(std::string host, Context context)>;

struct ConnectionsOptions {
  std::chrono::milliseconds idle_max{10'000};
  std::size_t idle_links_max = 16;      // to one filter on one executor
};

// Threads: any; a link is used again on its own executor alone.
// Ownership: owns links that wait. REQUIRES: destroyed before the executors, when none of them runs any more.
class Connections {
 public:
  using Options = ConnectionsOptions;
  // `hosts` may be empty: then no names are known.
  explicit Connections(ConnectorProvider connectors, HostLookup hosts = {}, Options options = {})
      : connectors_(std::move(connectors)), hosts_(std::move(hosts)), options_(options) {}
  ~Connections();
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  // One that waits; null when there is none.
  [[nodiscard]] std::unique_ptr<Link> take(const Address& to, Executor& on);
  // A new one, nothing said yet. Of a host's addresses, the first that answers: each of them has its share of the time that is
  // left, so that one that says nothing leaves enough for the next. Errors: those of the connector and the lookup.
  [[nodiscard]] Task<Result<std::unique_ptr<Link>>> open(Address to, ClientOptions options, Context context);
  // REQUIRES: quit_new_connection() was said and written.
  void keep(const Address& to, Executor& on, std::unique_ptr<Link> link);
  [[nodiscard]] std::size_t waiting() const;

 private:
  struct Idle {
    Address to;
    Executor* on;
    std::unique_ptr<Link> link;
    Executor::TimerId timer;
    std::uint64_t number;
  };
  void drop(std::uint64_t number);
  [[nodiscard]] Task<Result<std::unique_ptr<transport::ByteStream>>> connect(transport::Connector& connector, const Address& to, Context context);

  const ConnectorProvider connectors_;
  const HostLookup hosts_;
  const Options options_;
  mutable std::mutex mutex_;
  std::vector<Idle> idle_;        // guarded by mutex_
  std::uint64_t last_number_ = 0;
};

}  // namespace keystonemail::milter
