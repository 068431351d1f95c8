// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// policies: slow answers for those who try addresses, and a wait that those fail who do not listen.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "keystonemail/policy/policy.hpp"

namespace keystonemail::policies {

struct TarpitOptions {
  std::chrono::milliseconds greeting{0};     // before it: who speaks meanwhile is an early talker, and is dropped
  std::chrono::milliseconds step{1'000};     // zero: no delay
  std::chrono::milliseconds longest{10'000};
  std::uint32_t free_refusals = 2;           // but for recipients: the first one refused is answered late already
  std::vector<IpNetwork> exempt = {};
};

// Greets strangers late, and answers their refused commands later: one step more for each of the connection's.
//
// Threads: as Policy.
class Tarpit final : public policy::Policy {
 public:
  explicit Tarpit(TarpitOptions options = {}) : options_(std::move(options)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "tarpit"; }
  [[nodiscard]] std::unique_ptr<policy::Inspector> inspect(const policy::Connection& connection) override;

 private:
  const TarpitOptions options_;
};

}  // namespace keystonemail::policies
