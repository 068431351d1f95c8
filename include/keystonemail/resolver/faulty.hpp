// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Faulty: a resolver that fails as told, to show that whoever stands on it keeps its promises.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>

#include "keystonemail/resolver/resolver.hpp"

namespace keystonemail::resolver {

// Ownership: borrows `inner`. Threads: set up before the first call; calls from any thread then.
class Faulty final : public Resolver {
 public:
  explicit Faulty(Resolver& inner) : inner_(inner) {}

  // Questions for `name`, of this type or of any, get `status` without records.
  void answer(dns::Name name, dns::AnswerStatus status, std::optional<dns::RecordType> type = std::nullopt);
  // Questions for `name` are never answered: the call ends with its context.
  void hang(dns::Name name);
  // Every answer comes this much later.
  void delay(std::chrono::milliseconds time) { delay_ = time; }

  [[nodiscard]] Task<Result<dns::Answer>> resolve(dns::Question question, Context context) override;

 private:
  [[nodiscard]] std::optional<dns::AnswerStatus> fault_for(const dns::Question& question) const;

  Resolver& inner_;
  std::map<dns::Name, dns::AnswerStatus> any_type_;
  std::map<dns::Question, dns::AnswerStatus> one_type_;
  std::set<dns::Name> hanging_;
  std::chrono::milliseconds delay_{0};
};

}  // namespace keystonemail::resolver
