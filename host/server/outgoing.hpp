// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Outgoing: how a running server sends mail: its relay, with the TLS and the policies that it needs.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "config/config.hpp"
#include "keystonemail/backends/libuv/uv_loop.hpp"
#include "keystonemail/backends/unbound/resolver.hpp"
#include "keystonemail/service/mta_sts/policies.hpp"
#include "keystonemail/service/relay/relay.hpp"
#include "keystonemail/service/server/server.hpp"
#include "keystonemail/service/web/fetcher.hpp"

namespace keystonemail::host {

[[nodiscard]] unbound::Options resolver_options(const ResolverConfig& config);
// Whom mail hosts and web servers of others have their certificates from: the system's authorities and ours. Errors: those of reading.
[[nodiscard]] Result<tls::ClientOptions> client_trust(const RelayConfig& config);
// Of what a reload may change as well. Errors: those of reading a password; invalid (a route).
[[nodiscard]] Result<relay::Options> relay_options(const Config& config);

// Threads: that of the loop. REQUIRES: finish() is done before it is destroyed, if start() was called.
class Outgoing {
 public:
  // `own_endpoints` are where we take mail from other servers. Ownership: borrows server, loop, resolver, fetcher and observer, which
  // may be null.
  // Errors: those of relay_options() and of reading the authorities.
  [[nodiscard]] static Result<std::unique_ptr<Outgoing>> open(const Config& config, keystonemail::Server& server, libuv::UvLoop& loop,
                                                              resolver::Resolver& resolver, std::vector<Endpoint> own_endpoints,
                                                              web::Fetcher& fetcher, relay::TlsObserver* tls_observer);

  void start();
  // `options` are those of `config`, from now on.
  void reload(const Config& config, relay::Options options, std::shared_ptr<const forwarding::Forwarder> forwarder);
  // Begins no new transaction, and brings those under way to their end.
  void stop();
  // Done when that has come.
  [[nodiscard]] Task<void> finish();

 private:
  explicit Outgoing(libuv::UvLoop& loop) : loop_(loop) {}
  void set_source_addresses(const Config& config);

  libuv::UvLoop& loop_;
  std::unique_ptr<mta_sts::Policies> mta_sts_;  // null: nobody asks for them
  std::unique_ptr<relay::Relay> relay_;
  std::stop_source stop_;
  std::vector<Task<void>> running_;
};

}  // namespace keystonemail::host
