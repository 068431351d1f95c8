// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// resolver: the port to the DNS.
#pragma once

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/dns/answer.hpp"

namespace keystonemail::resolver {

// Threads: any; a call's task resumes on its context's executor. The resolver outlives its calls.
class Resolver {
 public:
  virtual ~Resolver() = default;
  // Asks, following aliases. Whatever goes wrong with the DNS is an Answer (dns::AnswerStatus), never an Error: whoever
  // calls can then tell "not there" from "cannot say", and nobody bounces a message for an outage.
  // An Answer has records when and only when it is found, all of the type asked for.
  // Errors: cancelled, timeout (the context's; a slow DNS is AnswerStatus::timeout), unavailable (too many calls).
  // Limits: those of limit_answer(); a call takes at most what the backend's options say, 30 s by default.
  [[nodiscard]] virtual Task<Result<dns::Answer>> resolve(dns::Question question, Context context) = 0;
};

namespace limits {
inline constexpr std::size_t records_max = 256;                    // of one answer
inline constexpr std::size_t mail_exchangers_max = 64;             // the best of them; RFC 5321 §5.1 lets a client limit its tries
inline constexpr std::size_t text_octets_max = 64U << 10;          // all TXT records of an answer together
}  // namespace limits

// What a backend gives in place of an answer beyond those limits: mail exchangers are cut to the most preferred ones,
// anything else is malformed.
[[nodiscard]] dns::Answer limit_answer(dns::Answer answer);

}  // namespace keystonemail::resolver
