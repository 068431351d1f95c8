// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the checks from outside begin with: the configuration, the facts of the domain, the DNS.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "commands/dns.hpp"
#include "commands/names.hpp"
#include "zone/zone_facts.hpp"

namespace keystonemail::host {

struct DnsSetting {
  Config config;
  ZoneFacts facts;                      // addresses: those given, else those that the DNS has for the host
  std::unique_ptr<Names> names;
};

// Errors: those of the configuration; invalid (domain, address, resolver).
[[nodiscard]] Result<DnsSetting> open_setting(const std::string& config, const DnsRequest& request);

// None when the DNS does not answer.
[[nodiscard]] std::vector<IpAddress> addresses_of(Names& names, const dns::Name& name);

}  // namespace keystonemail::host
