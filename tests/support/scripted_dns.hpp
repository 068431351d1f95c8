// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ScriptedDns: a resolver that gives the answers it was told, each with its own word on whether DNSSEC vouches for it.
#pragma once

#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "keystonemail/resolver/resolver.hpp"

namespace keystonemail::test {

enum class Signed : bool { no, yes };

class ScriptedDns final : public resolver::Resolver {
 public:
  std::vector<dns::Question> asked;

  static dns::Name name(std::string_view text) { return *dns::Name::parse(text); }
  void set(std::string_view owner, dns::RecordType type, std::vector<dns::RecordData> records, Signed is_signed, std::string_view canonical = {}) {
    dns::Answer answer = dns::Answer::none(dns::AnswerStatus::found, name(canonical.empty() ? owner : canonical));
    answer.authenticated = is_signed == Signed::yes;
    answer.records = std::move(records);
    answers_[{name(owner), type}] = std::move(answer);
  }
  void set(std::string_view owner, dns::RecordType type, dns::AnswerStatus status, Signed is_signed = Signed::no) {
    dns::Answer answer = dns::Answer::none(status, name(owner));
    answer.authenticated = is_signed == Signed::yes;
    answers_[{name(owner), type}] = std::move(answer);
  }
  void forget(std::string_view owner, dns::RecordType type) { answers_.erase({name(owner), type}); }
  [[nodiscard]] std::size_t times_asked(std::string_view owner, dns::RecordType type) const {
    std::size_t times = 0;
    for (const auto& question : asked) times += question == dns::Question{name(owner), type} ? 1 : 0;
    return times;
  }

  // What it was not told of has no records, and DNSSEC does not vouch for that.
  Task<Result<dns::Answer>> resolve(dns::Question question, Context context) override {
    if (context.stop.stop_requested()) co_return fail(ErrorKind::cancelled);
    asked.push_back(question);
    const auto found = answers_.find(question);
    if (found == answers_.end()) co_return dns::Answer::none(dns::AnswerStatus::no_data, question.name);
    co_return found->second;
  }

 private:
  std::map<dns::Question, dns::Answer> answers_;
};

}  // namespace keystonemail::test
