// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// HostFinder: from a destination to an open session with one of its hosts.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
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

  // Tries the hosts in their order and the addresses of each until one has a session ready (RFC 5321 §5.1) that is as safe as
  // it must be. A failure is permanent only when every host is permanently out of the question.
  [[nodiscard]] Task<Courier::Opened> open(std::string destination, Route route, TlsDemand demand, Context context);

 private:
  struct Search {
    std::string domain;
    Route route;
    TlsDemand demand = TlsDemand::usual;
    bool is_from_mx = false;
    bool is_mx_signed = false;
    std::vector<std::string> domain_names;  // that certificates may bear besides the host's (RFC 7672 §3.2.2)
    mta_sts::Finding sts;
    std::size_t tries = 0;
    Instant end{};                          // then no more are made
    std::optional<HostFailure> failure;     // the one worth telling
  };
  // A host, once it is known what a session with it must be like.
  struct Candidate {
    std::string name;
    StsStand sts = StsStand::none;
    std::shared_ptr<const DaneRecords> dane;
    SessionRules rules;
  };
  using Records = std::variant<std::shared_ptr<const DaneRecords>, HostFailure>;
  [[nodiscard]] Task<std::optional<smtp::Reply>> hosts_of(Search& search, std::vector<dns::Name>& hosts, Context context);
  [[nodiscard]] Task<void> find_policy(Search& search, Context context);
  [[nodiscard]] Task<std::optional<Candidate>> consider(Search& search, dns::Name host, dns::Answer addresses, Context context);
  [[nodiscard]] Task<Records> find_dane(const Search& search, dns::Name host, dns::Answer addresses, Context context);
  [[nodiscard]] Task<Records> dane_at(const Search& search, dns::Name host, std::vector<dns::Name> bases, Context context);
  [[nodiscard]] bool looks_for_dane(const Search& search) const noexcept;
  void observe(const Search& search, const Candidate& candidate, const Endpoint& endpoint, const SessionFacts& facts, Context context);
  void observe(const Search& search, TlsSession session, Context context);
  [[nodiscard]] Task<std::unique_ptr<Courier>> try_host(Search& search, dns::Name host, Context context);
  [[nodiscard]] Task<std::unique_ptr<Courier>> try_address(Search& search, const Candidate& candidate, IpAddress address, Context context);
  [[nodiscard]] Task<dns::Answer> ask(dns::Name name, dns::RecordType type, Context context);
  [[nodiscard]] bool is_ourselves(const Endpoint& endpoint) const noexcept;
  static void note(Search& search, HostFailure failure);

  const Options& options_;
  Services& services_;
  CourierServices courier_services_;
};

}  // namespace keystonemail::relay
