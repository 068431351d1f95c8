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
  if (request.addresses.empty() && host) {
    auto [all, trouble] = ask_addresses(*setting.names, *host);
    setting.facts.addresses = std::move(all);
    setting.trouble = std::move(trouble);
  }
  return setting;
}

Addresses ask_addresses(Names& names, const dns::Name& name) {
  Addresses found;
  names.ask_ahead({{name, dns::RecordType::a}, {name, dns::RecordType::aaaa}});
  for (const dns::RecordType type : {dns::RecordType::a, dns::RecordType::aaaa}) {
    const auto answer = names.ask({.name = name, .type = type});
    if (dns::is_temporary(answer.status)) found.trouble = to_string(answer.status);
    for (const auto& record : answer.records) {
      if (const auto* four = std::get_if<dns::A>(&record)) found.all.push_back(four->address);
      if (const auto* six = std::get_if<dns::Aaaa>(&record)) found.all.push_back(six->address);
    }
  }
  return found;
}

Finding without_address(std::string subject, const std::string& host, const std::string& trouble) {
  Finding finding{.standing = Standing::missing, .subject = std::move(subject), .found = {}, .advice = host + " has no address in the DNS: add an A or AAAA record"};
  if (trouble.empty()) return finding;
  finding.standing = Standing::unknown;
  finding.found = "the DNS says: " + trouble;
  finding.advice = "ask again later, or another --resolver";
  return finding;
}

}  // namespace keystonemail::host
