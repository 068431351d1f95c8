// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Answers the questions of the mailauth engines from a resolver.
#pragma once

#include <algorithm>
#include <variant>

#include "base/try.hpp"
#include "keystonemail/mailauth/event.hpp"
#include "keystonemail/resolver/resolver.hpp"

namespace keystonemail::authentication {

// A resolver that cannot be asked has given no answer in time; only a caller that is going away hears an error.
[[nodiscard]] Task<Result<dns::Answer>> ask(resolver::Resolver& resolver, dns::Question question, Context context);

// To its end: for the evaluations of SPF, DMARC and iprev.
template <class Evaluation>
[[nodiscard]] Task<Result<void>> evaluate(resolver::Resolver& resolver, Evaluation& evaluation, Context context) {
  for (;;) {
    auto event = evaluation.next_event();
    if (event.index() != 0) co_return Result<void>();  // Decided
    dns::Question question = std::get<0>(std::move(event)).question;
    const Context until_then = context.until(std::min(context.deadline, evaluation.deadline()));
    KM_CO_TRY(dns::Answer answer, co_await ask(resolver, std::move(question), until_then));
    const Instant now = context.executor->now();
    if (now >= evaluation.deadline()) {
      evaluation.expire(now);
    } else {
      evaluation.decide(std::move(answer), now);
    }
  }
}

// As far as it gets with the octets it has: for dkim::Verifier and arc::Verifier.
template <class Verifier>
[[nodiscard]] Task<Result<void>> answer_questions(resolver::Resolver& resolver, Verifier& verifier, Context context) {
  for (;;) {
    mailauth::Event event = verifier.next_event();
    auto* key = std::get_if<mailauth::NeedKey>(&event);
    if (!key) co_return Result<void>();
    KM_CO_TRY(const dns::Answer answer, co_await ask(resolver, std::move(key->question), context));
    verifier.decide(key->id, answer);
  }
}

}  // namespace keystonemail::authentication
