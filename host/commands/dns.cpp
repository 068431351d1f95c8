// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "commands/dns.hpp"

#include <algorithm>
#include <cstdio>

#include "base/format.hpp"
#include "zone/zone_facts.hpp"

namespace keystonemail::host {
namespace {

std::string json_of(const std::vector<PlannedRecord>& plan) {
  std::string out = "[";
  for (const PlannedRecord& one : plan) {
    format_to(out, "{}{{\"name\":{},\"ttl\":{},\"type\":{},\"data\":{},\"need\":{},\"elsewhere\":{},\"purpose\":{}}}", out.size() > 1 ? ",\n" : "",
              json_text(one.record.owner.text()), one.record.ttl, json_text(dns::to_string(dns::type_of(one.record.data))),
              json_text(dns::to_string(one.record.data)), json_text(to_string(one.need)), one.elsewhere, json_text(one.purpose));
  }
  return out + "]\n";
}

std::string table_of(const std::vector<PlannedRecord>& plan) {
  std::size_t width = 4;
  for (const PlannedRecord& one : plan) width = std::max(width, one.record.owner.text().size());
  std::string out = format("{:<{}}  {:<5}  {:<11}  {}\n", "NAME", width, "TYPE", "NEED", "DATA");
  for (const PlannedRecord& one : plan) {
    format_to(out, "{:<{}}  {:<5}  {:<11}  {}\n", one.record.owner.text(), width, dns::to_string(dns::type_of(one.record.data)),
              to_string(one.need), dns::to_string(one.record.data));
  }
  return out;
}

}  // namespace

int run_dns(const std::string& config, const DnsRequest& request, Output output) {
  const auto reading = read_config_file(config);
  if (!reading) return report_error(output, reading.error().text());
  if (!reading->errors.empty()) return report_error(output, describe(reading->errors, config));
  const auto facts = zone_facts(reading->config, request.domain, request.addresses);
  if (!facts) return report_error(output, facts.error().text(), 2);
  const auto plan = plan_zone(*facts);
  if (!plan) return report_error(output, plan.error().text(), 2);
  const DnsFormat format = output == Output::json ? DnsFormat::json : request.format;
  const std::string text = format == DnsFormat::json ? json_of(*plan) : format == DnsFormat::table ? table_of(*plan) : zone_file(*facts, *plan);
  std::fputs(text.c_str(), stdout);
  if (facts->keys.empty())
    std::fprintf(stderr, "keystone-mail: no DKIM keys are kept for %s (or they cannot be read): keystone-mail dkim generate %s\n",
                 facts->domain.c_str(), facts->domain.c_str());
  return 0;
}

}  // namespace keystonemail::host
