// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Why did this mail pass, or fail? `check spf` and `check message` judge a message as the server would, with no server and
// no configuration.
#pragma once

#include <string>

#include "commands/commands.hpp"

namespace keystonemail::host {

struct MailCheck {
  std::string config;                   // path; nothing there that can be read is no error: the host name and the root then
  std::string resolver;                 // "host:port" of a DNS server; empty: the configured one, or the root, with validation
  std::string client;                   // the sending host's address
  std::string helo;
  std::string from;                     // of MAIL FROM, in angle brackets or not; empty: the null sender
  std::string file;                     // the message, "-" standard input; for `check message`
  bool verbose = false;
};

// Print the Authentication-Results field that the server would add; see the manual page for what follows it. The status is 0
// whatever the verdict, 1 when there could be none, 2 for wrong usage.
[[nodiscard]] int run_check_spf(const MailCheck& request, Output output);
[[nodiscard]] int run_check_message(const MailCheck& request, Output output);

// What the access rules, HELO and sender checks and DNS lists of a configuration say to a client: `check policy`. Rates, greylisting
// and sending limits depend on what came before, and are left out.
struct PolicyCheck {
  MailCheck mail;
  std::string recipient;                // empty: postmaster of the primary domain
};
// A line for each stage, as far as it gets. The status is as above.
[[nodiscard]] int run_check_policy(const std::string& config, const PolicyCheck& request, Output output);

}  // namespace keystonemail::host
