// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/resolver/budget.hpp"

#include <algorithm>

namespace keystonemail::resolver {

Budget::Budget(Resolver& inner, const Clock& clock, BudgetOptions options)
    : inner_(inner), clock_(clock), options_(options), end_(clock.now() + options.time_max) {}

Task<Result<dns::Answer>> Budget::resolve(dns::Question question, Context context) {
  using dns::AnswerStatus;
  if (clock_.now() >= end_) co_return dns::Answer::none(AnswerStatus::timeout, question.name);
  if (lookups_ == options_.lookups_max) co_return dns::Answer::none(AnswerStatus::refused, question.name);
  ++lookups_;
  const dns::Name name = question.name;
  const bool ours_is_first = end_ < context.deadline;
  Context within = context.until(std::min(end_, context.deadline));
  auto answer = co_await inner_.resolve(std::move(question), std::move(within));
  if (!answer && answer.error().kind() == ErrorKind::timeout && ours_is_first) {
    co_return dns::Answer::none(AnswerStatus::timeout, name);
  }
  co_return answer;
}

}  // namespace keystonemail::resolver
