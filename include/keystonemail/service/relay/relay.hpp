// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Relay: takes what waits in the queue to where it belongs (RFC 5321 §4.5.4), tells senders what became of it
// (RFC 3461, RFC 3464), and notes everything in the queue before it goes on. A message leaves the queue in the commit that
// notes its last recipient; the only copy too many is the one whose "250" was lost on the way (RFC 1047).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/log.hpp"
#include "keystonemail/base/random.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/delivery/delivery.hpp"
#include "keystonemail/directory/directory.hpp"
#include "keystonemail/queue/queue.hpp"
#include "keystonemail/resolver/resolver.hpp"
#include "keystonemail/service/forwarding/forwarder.hpp"
#include "keystonemail/service/mta_sts/policies.hpp"
#include "keystonemail/service/relay/retry_schedule.hpp"
#include "keystonemail/service/relay/route.hpp"
#include "keystonemail/service/relay/tls_observer.hpp"
#include "keystonemail/smtp/client_session.hpp"
#include "keystonemail/tls/context.hpp"
#include "keystonemail/transport/listener.hpp"

namespace keystonemail::relay {

struct Options {
  std::string hostname;                     // our name in EHLO, in reports, and among MX records
  RouteTable routes;
  RetrySchedule retry;
  smtp::ClientOptions engine;               // timeouts (RFC 5321 §4.5.3.2); its name, protocol and TLS are set by the relay
  std::chrono::seconds connect_timeout{30};
  std::chrono::seconds handshake_timeout{60};
  std::chrono::seconds lookup_timeout{30};  // of one question to the DNS
  std::chrono::seconds stop_grace{20};      // for transactions under way when it is to stop; then they break off
  std::vector<Endpoint> own_endpoints;      // where we listen: mail that leads there goes in circles
  bool use_dane = true;                     // RFC 7672, where the resolver says that DNSSEC vouches for records

  // Ceilings.
  std::size_t active_max = 10'000;                  // entries in memory; the others stay in the queue
  std::size_t waiting_per_destination_max = 500;    // of them, so that one destination cannot take all places
  std::size_t connections_max = 250;                // half of them at most to destinations that failed the last time
  std::size_t connections_per_destination_max = 10;
  std::size_t active_per_account_max = 1'000;       // entries of one login at once
  std::size_t messages_per_connection_max = 100;
  std::uint32_t messages_per_minute_max = 0;        // to one destination; 0: no ceiling
  std::map<std::string, std::uint32_t, std::less<>> rates;  // the same of some domains, as in RouteTable::domains
  std::uint32_t account_messages_per_minute_max = 0;  // of one login
  std::size_t recipients_per_message_max = 100;     // in one transaction (RFC 5321 §4.5.3.1.8)
  std::size_t addresses_per_attempt_max = 10;       // RFC 5321 §5.1: at least two
  std::chrono::seconds search_time_max{600};        // for a session with one of a destination's hosts, DNS and all; then no more are begun
  std::chrono::seconds transaction_time_max{3'600};  // for the recipients of a message and its text, however slow each step ...
  std::size_t octets_per_second_min = 4'096;        // ... and what its size adds to that
  std::chrono::seconds idle_connection_max{2};      // kept for the next message
  std::chrono::seconds destination_wait_max{3'600};  // a domain that failed is tried again at least so often
  std::size_t returned_octets_max = 256 * 1024;     // of a message sent back whole; larger ones as their header
};

// What a relay works with. Ownership: borrowed; outlives run().
struct Services {
  queue::Queue& queue;
  delivery::Delivery& delivery;             // through which reports go
  directory::Directory& directory;          // who of their readers is here
  resolver::Resolver& resolver;
  transport::Connector& connector;
  Random& random;
  Log& log;
  std::shared_ptr<const tls::ClientContext> tls;  // null: no TLS
  TlsObserver* tls_observer = nullptr;      // null: nobody
  mta_sts::Policies* mta_sts = nullptr;     // null: MTA-STS is not looked at
  std::shared_ptr<const forwarding::Forwarder> forwarder = {};  // who knows for whom senders of ours stand; null: nobody
};

// Threads: that of the executor of run()'s context. Ownership: outlives run().
// Limits: memory for active_max entries, and a few hundred octets for each domain that failed lately.
class Relay {
 public:
  Relay(Options options, Services services);
  ~Relay();

  // Works until the context is stopped; what is in hand is then finished, within Options::stop_grace.
  // REQUIRES: called once.
  [[nodiscard]] Task<void> run(Context context);

  // From now on: routes, schedule, DANE, ceilings and rates; all else of `options` stays as it was. What waits in memory goes the new way,
  // a message under way the old one to its end; what was out of reach is tried again when it is due. On run()'s executor.
  void set_options(Options options);
  // As Services::forwarder. On run()'s executor.
  void set_forwarder(std::shared_ptr<const forwarding::Forwarder> forwarder);

  // What is in memory now, for tests and metrics.
  struct Load {
    std::size_t active = 0, connections = 0, destinations = 0;
  };
  [[nodiscard]] Load load() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keystonemail::relay
