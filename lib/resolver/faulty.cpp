// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/resolver/faulty.hpp"

namespace keystonemail::resolver {

void Faulty::answer(dns::Name name, dns::AnswerStatus status, std::optional<dns::RecordType> type) {
  if (type) one_type_.insert_or_assign({std::move(name), *type}, status);
  else any_type_.insert_or_assign(std::move(name), status);
}

void Faulty::hang(dns::Name name) { hanging_.insert(std::move(name)); }

std::optional<dns::AnswerStatus> Faulty::fault_for(const dns::Question& question) const {
  if (const auto found = one_type_.find(question); found != one_type_.end()) return found->second;
  if (const auto found = any_type_.find(question.name); found != any_type_.end()) return found->second;
  return std::nullopt;
}

Task<Result<dns::Answer>> Faulty::resolve(dns::Question question, Context context) {
  const bool hangs = hanging_.contains(question.name);
  if (hangs || delay_.count() > 0) {
    const Instant answered = hangs ? Instant::max() : context.executor->now() + delay_;
    co_await sleep_until(std::min(answered, context.deadline), context);
    if (context.stop.stop_requested()) co_return fail(ErrorKind::cancelled);
    if (answered > context.deadline) co_return fail(ErrorKind::timeout);
  }
  if (const auto fault = fault_for(question)) co_return dns::Answer::none(*fault, std::move(question.name));
  co_return co_await inner_.resolve(std::move(question), std::move(context));
}

}  // namespace keystonemail::resolver
