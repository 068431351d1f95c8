// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Names: the DNS for a command that waits for each answer.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "keystonemail/backends/unbound/resolver.hpp"
#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/mailauth/event.hpp"
#include "keystonemail/resolver/resolver.hpp"

namespace keystonemail::host {

// Threads: the one that made it. Blocks in each call. Errors: a name that cannot be asked is AnswerStatus::timeout.
class Names {
 public:
  // `server`: "host:port", "host", or empty for what `options` say: without servers recursion from the root. Errors: invalid (no such
  // server, or trust anchor), unavailable.
  [[nodiscard]] static Result<std::unique_ptr<Names>> open(const std::string& server, unbound::Options options = {});

  [[nodiscard]] dns::Answer ask(dns::Question question);
  // Asks them all at once, so that a resolver that is silent costs its time once; ask() has the answers then.
  void ask_ahead(std::vector<dns::Question> questions);
  // For what asks by itself, on loop().
  [[nodiscard]] resolver::Resolver& resolver() noexcept { return *resolver_; }
  [[nodiscard]] RunLoop& loop() noexcept { return loop_; }
  [[nodiscard]] Instant now() const { return loop_.now(); }
  [[nodiscard]] WallTime wall_now() const { return loop_.wall_now(); }

  // SPF, DMARC and iprev, to their end.
  template <class Evaluation>
  void evaluate(Evaluation& evaluation) {
    for (auto event = evaluation.next_event(); event.index() == 0; event = evaluation.next_event()) {
      evaluation.decide(ask(std::get<0>(std::move(event)).question), now());
    }
  }
  // DKIM and ARC, as far as they get. All keys that are wanted are asked for at once.
  template <class Verifier>
  void answer_keys(Verifier& verifier) {
    for (;;) {
      std::vector<mailauth::NeedKey> needs;
      std::vector<dns::Question> questions;
      for (auto event = verifier.next_event(); auto* key = std::get_if<mailauth::NeedKey>(&event); event = verifier.next_event()) {
        questions.push_back(key->question);
        needs.push_back(std::move(*key));
      }
      if (needs.empty()) return;
      ask_ahead(std::move(questions));
      for (auto& need : needs) verifier.decide(need.id, ask(std::move(need.question)));
    }
  }

 private:
  Names() = default;

  RunLoop loop_;
  std::unique_ptr<resolver::Resolver> resolver_;
  std::map<dns::Question, dns::Answer> known_;
};

}  // namespace keystonemail::host
