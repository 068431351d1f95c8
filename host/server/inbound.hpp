// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Inbound: the built-in policies of a running server, with what they remember.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "config/config.hpp"
#include "keystonemail/policy/chain.hpp"
#include "keystonemail/resolver/resolver.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

// Threads: that of the loop it was started on, but for tally(): any. REQUIRES: finish() is done before it
// is destroyed, if start() was called.
class Inbound {
 public:
  // Ownership: borrows stores and resolver. Errors: those of the store.
  [[nodiscard]] static Task<Result<std::unique_ptr<Inbound>>> open(const Config& config, Stores& stores, resolver::Resolver& resolver,
                                                                   Context context);

  // As `config` has them, in the order in which they are asked: for connections to come. What was counted stays.
  [[nodiscard]] std::vector<std::shared_ptr<policy::Policy>> policies(const Config& config);
  [[nodiscard]] const std::shared_ptr<policy::Tally>& tally() const noexcept { return tally_; }
  [[nodiscard]] std::vector<policies::DnsLists::Standing> lists() const;

  // Writes what has changed now and then.
  void start(Executor& executor);
  void stop();
  // Done when all is written.
  [[nodiscard]] Task<void> finish();

 private:
  Inbound(Stores& stores, resolver::Resolver& resolver) : stores_(stores), resolver_(resolver) {}
  [[nodiscard]] Task<void> run(Context context);
  [[nodiscard]] Task<void> keep(Context context);

  Stores& stores_;
  resolver::Resolver& resolver_;
  const std::shared_ptr<policy::Tally> tally_ = std::make_shared<policy::Tally>();
  const std::shared_ptr<policies::RateLimits> rates_ = std::make_shared<policies::RateLimits>();
  std::shared_ptr<policies::Greylist> greylist_;
  std::shared_ptr<policies::DnsLists> lists_;  // those in use
  bool is_failing_ = false;
  std::stop_source stop_;
  std::optional<Task<void>> running_;
};

}  // namespace keystonemail::host
