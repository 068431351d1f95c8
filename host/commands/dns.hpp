// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The commands about the DNS and the way to a domain's mail: what to publish, and whether the world sees it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "commands/commands.hpp"

namespace keystonemail::host {

enum class DnsFormat : std::uint8_t { zone, table, json };

struct DnsRequest {
  std::string domain;                   // empty: the primary one
  std::vector<std::string> addresses;   // of the host; empty: found out
  DnsFormat format = DnsFormat::zone;
  std::string resolver;                 // of checks: "host:port"; empty: that of the configuration
  std::vector<std::string> lists;       // of check blocklists; empty: the usual ones
  std::string mail_exchanger;           // of check port25: "host:port" to try; empty: those of a well-known domain
};

// Prints the records that the domain needs.
[[nodiscard]] int run_dns(const std::string& config, const DnsRequest& request, Output output);

// Each looks from outside and prints a table of what it found and what to do. 1 when something has to be done.
[[nodiscard]] int run_check_dns(const std::string& config, const DnsRequest& request, Output output);
[[nodiscard]] int run_check_ptr(const std::string& config, const DnsRequest& request, Output output);
[[nodiscard]] int run_check_blocklists(const std::string& config, const DnsRequest& request, Output output);
[[nodiscard]] int run_check_port25(const std::string& config, const DnsRequest& request, Output output);
[[nodiscard]] int run_check_tls(const std::string& config, const DnsRequest& request, Output output);

}  // namespace keystonemail::host
