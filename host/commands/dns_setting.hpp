// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the checks from outside begin with: the configuration, the facts of the domain, the DNS.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "commands/dns.hpp"
#include "commands/findings.hpp"
#include "commands/names.hpp"
#include "zone/zone_facts.hpp"

namespace keystonemail::host {

struct DnsSetting {
  Config config;
  ZoneFacts facts;                      // addresses: those given, else those that the DNS has for the host
  std::string trouble;                  // why the DNS may have more; empty: it has no more
  std::unique_ptr<Names> names;
};

// Errors: those of the configuration; invalid (domain, address, resolver).
[[nodiscard]] Result<DnsSetting> open_setting(const std::string& config, const DnsRequest& request);

struct Addresses {
  std::vector<IpAddress> all;
  std::string trouble;                  // what the DNS says in place of an answer: there may be more
};
[[nodiscard]] Addresses ask_addresses(Names& names, const dns::Name& name);
// None when the DNS does not answer.
[[nodiscard]] inline std::vector<IpAddress> addresses_of(Names& names, const dns::Name& name) { return ask_addresses(names, name).all; }
// What is to be said of a host for which none were found.
[[nodiscard]] Finding without_address(std::string subject, const std::string& host, const std::string& trouble);

}  // namespace keystonemail::host
