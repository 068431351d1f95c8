// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Asks a DNS server through the unbound backend: dns_tool SERVER:PORT ANCHOR NAME TYPE. An empty anchor: no validation.
// Prints "status", "status authenticated", and the records behind it.
#include <cstdio>
#include <string>

#include "keystonemail/backends/unbound/resolver.hpp"

using namespace keystonemail;

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const auto server = Endpoint::parse(argv[1]);
  const auto name = dns::Name::parse(argv[3]);
  const auto type = dns::parse_record_type(argv[4]);
  if (!server || !name || !type) return 2;
  unbound::Options options{.servers = {*server}};
  if (*argv[2] != '\0') options.trust_anchors.emplace_back(argv[2]);
  auto resolver = unbound::open_resolver(std::move(options));
  if (!resolver) {
    std::printf("%s\n", resolver.error().describe().c_str());
    return 1;
  }
  RunLoop loop;
  const auto answer = loop.run_until((*resolver)->resolve({*name, *type}, Context(&loop)));
  if (!answer) return 1;
  std::printf("%s%s", std::string(to_string(answer->status)).c_str(), answer->authenticated ? " authenticated" : "");
  for (const auto& record : answer->records) std::printf(" %s", to_string(record).c_str());
  std::printf("\n");
  return 0;
}
