// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// HostFinder: from a destination to an open session with one of its hosts.
#pragma once

#include <string>
#include <vector>

#include "keystonemail/dns/answer.hpp"
#include "service/relay/courier.hpp"
#include "service/relay/destination.hpp"

namespace keystonemail::relay {

// Ownership: borrows both. Threads: its executor's.
class HostFinder {
 public:
  // Sessions break off when `hurry` is asked to stop.
  HostFinder(const Options& options, Services& services, std::stop_token hurry)
      : options_(options), services_(services),
        courier_services_{options, services.connector, services.random, services.tls, std::move(hurry)} {}

  // Tries the hosts in their order and the addresses of each until one has a session ready (RFC 5321 §5.1). A failure is
  // permanent only when every host is permanently out of the question.
  [[nodiscard]] Task<Courier::Opened> open(std::string destination, Route route, Context context);

 private:
  struct Search {
    Route route;
    std::size_t tries = 0;
    std::optional<HostFailure> failure;     // the one worth telling
  };
  [[nodiscard]] Task<std::optional<smtp::Reply>> hosts_of(const std::string& domain, std::vector<dns::Name>& hosts, Context context);
  [[nodiscard]] Task<std::unique_ptr<Courier>> try_host(Search& search, dns::Name host, Context context);
  [[nodiscard]] Task<std::unique_ptr<Courier>> try_address(Search& search, std::string name, IpAddress address, Context context);
  [[nodiscard]] Task<dns::Answer> ask(dns::Name name, dns::RecordType type, Context context);
  [[nodiscard]] bool is_ourselves(const Endpoint& endpoint) const noexcept;
  static void note(Search& search, HostFailure failure);

  const Options& options_;
  Services& services_;
  CourierServices courier_services_;
};

}  // namespace keystonemail::relay
