// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "commands/dns_setting.hpp"

#include "base/try.hpp"
#include "server/outgoing.hpp"

namespace keystonemail::host {

Result<DnsSetting> open_setting(const std::string& config, const DnsRequest& request) {
  KM_TRY(ConfigReading reading, read_config_file(config));
  if (!reading.errors.empty()) return fail(ErrorKind::invalid, describe(reading.errors, config));
  DnsSetting setting;
  setting.config = std::move(reading.config);
  KM_TRY(setting.facts, zone_facts(setting.config, request.domain, request.addresses));
  KM_TRY(setting.names, Names::open(request.resolver, resolver_options(setting.config.resolver)));  // judged as the server would
  const auto host = dns::Name::from_domain(setting.facts.hostname);
  if (request.addresses.empty() && host) setting.facts.addresses = addresses_of(*setting.names, *host);
  return setting;
}

std::vector<IpAddress> addresses_of(Names& names, const dns::Name& name) {
  std::vector<IpAddress> found;
  const auto four = names.ask({.name = name, .type = dns::RecordType::a}), six = names.ask({.name = name, .type = dns::RecordType::aaaa});
  for (const auto& record : four.records) found.push_back(std::get<dns::A>(record).address);
  for (const auto& record : six.records) found.push_back(std::get<dns::Aaaa>(record).address);
  return found;
}

}  // namespace keystonemail::host
