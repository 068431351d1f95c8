// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Budget: what one message may cost in the DNS, whatever it asks for.
#pragma once

#include <chrono>
#include <cstddef>

#include "keystonemail/base/time.hpp"
#include "keystonemail/resolver/resolver.hpp"

namespace keystonemail::resolver {

struct BudgetOptions {
  std::size_t lookups_max = 100;              // SPF twice (RFC 7208 §4.6.4), ten DKIM keys, DMARC, ARC, PTR, DNSBLs
  std::chrono::milliseconds time_max{30'000};  // all of them together
};

// A resolver for one message. Over its budget every answer is AnswerStatus::timeout (time) or refused (number of
// lookups): temporary, as is right for what was not asked.
//
// Ownership: borrows `inner` and `clock`. Threads: one task at a time may start a call; calls may overlap.
class Budget final : public Resolver {
 public:
  Budget(Resolver& inner, const Clock& clock, BudgetOptions options = {});

  [[nodiscard]] Task<Result<dns::Answer>> resolve(dns::Question question, Context context) override;

  [[nodiscard]] std::size_t lookups() const noexcept { return lookups_; }

 private:
  Resolver& inner_;
  const Clock& clock_;
  const BudgetOptions options_;
  const Instant end_;
  std::size_t lookups_ = 0;
};

}  // namespace keystonemail::resolver
