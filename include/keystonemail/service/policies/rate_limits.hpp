// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// policies: how much may come from a network in a minute.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "keystonemail/policy/policy.hpp"

namespace keystonemail::policies {

// Of one IPv4 address or IPv6 /64; three times as much for its /26 or /48, nine times for its /21 or /32. Zero: any number.
struct RateOptions {
  std::uint32_t connections_per_minute = 300;  // of the wider networks: access::ConnectionLimits counts addresses
  std::uint32_t messages_per_minute = 300;
  std::uint32_t recipients_per_minute = 1'000;
  std::uint32_t refusals_per_minute = 60;      // of MAIL and RCPT, for good: unknown recipients. Beyond it the network is turned away
  std::vector<IpNetwork> exempt = {};
};

// Counts connections, messages, recipients and refusals of strangers, and puts off what is too much. Only the first of a
// network's minute is written to the log.
//
// Threads: any. Limits: networks_max counters of about 150 octets; those unused for longest are forgotten.
class RateLimits final : public policy::Policy {
 public:
  static constexpr std::size_t networks_max = 65'536;

  explicit RateLimits(RateOptions options = {});
  ~RateLimits() override;
  // For commands to come; what was counted stays.
  void set_options(RateOptions options);

  [[nodiscard]] std::string_view name() const noexcept override { return "rate-limits"; }
  [[nodiscard]] std::unique_ptr<policy::Inspector> inspect(const policy::Connection& connection) override;
  [[nodiscard]] std::size_t networks() const;

 private:
  struct State;
  class Session;
  std::shared_ptr<State> state_;  // inspectors share it
};

}  // namespace keystonemail::policies
