// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/authentication/questions.hpp"

namespace keystonemail::authentication {

Task<Result<dns::Answer>> ask(resolver::Resolver& resolver, dns::Question question, Context context) {
  const dns::Name name = question.name;
  auto answer = co_await resolver.resolve(std::move(question), std::move(context));
  if (answer || answer.error().kind() == ErrorKind::cancelled) co_return answer;
  co_return dns::Answer::none(dns::AnswerStatus::timeout, name);
}

}  // namespace keystonemail::authentication
