// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/iprev/evaluation.hpp"

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include "mailauth/dialogue.hpp"

namespace keystonemail::mailauth::iprev {

class Evaluation::State {
 public:
  State(IpAddress client, Options options, Instant now) : dialogue(now + options.time_max) { verdict.client = client; }
  ~State() { dialogue.expire(); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  Task<void> run() {
    dns::Name reversed = dns::reverse_name(verdict.client);
    const dns::Answer pointers = co_await dialogue.ask(std::move(reversed), dns::RecordType::ptr);
    if (pointers.status != dns::AnswerStatus::found) {
      verdict.outcome = dns::is_temporary(pointers.status) ? Outcome::temperror : Outcome::permerror;
      co_return;
    }
    verdict.outcome = Outcome::fail;
    verdict.name = std::get<dns::Ptr>(pointers.records.front()).target;
    const std::size_t count = std::min(pointers.records.size(), limits::pointers_max);
    for (std::size_t i = 0; i < count; ++i) {
      const dns::Name name = std::get<dns::Ptr>(pointers.records[i]).target;
      const dns::Answer addresses = co_await dialogue.ask(name, address_type());
      if (leads_back(addresses)) {
        verdict.outcome = Outcome::pass;
        verdict.name = name;
        co_return;
      }
      if (dns::is_temporary(addresses.status)) verdict.outcome = Outcome::temperror;  // it might have been the one
    }
  }

  Dialogue dialogue;
  Verdict verdict;
  std::optional<Task<void>> task;

 private:
  [[nodiscard]] dns::RecordType address_type() const noexcept {
    return verdict.client.family() == IpAddress::Family::v4 ? dns::RecordType::a : dns::RecordType::aaaa;
  }
  [[nodiscard]] bool leads_back(const dns::Answer& answer) const {
    return std::ranges::any_of(answer.records, [this](const auto& data) {
      if (const auto* four = std::get_if<dns::A>(&data)) return four->address == verdict.client;
      const auto* six = std::get_if<dns::Aaaa>(&data);
      return six != nullptr && six->address == verdict.client;
    });
  }
};

std::string_view to_string(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::pass: return "pass";
    case Outcome::fail: return "fail";
    case Outcome::temperror: return "temperror";
    case Outcome::permerror: return "permerror";
  }
  return "";
}

Evaluation::Evaluation(IpAddress client, Options options, Instant now) : state_(std::make_unique<State>(client, options, now)) {
  state_->task.emplace(state_->run());
}
Evaluation::~Evaluation() = default;
Evaluation::Evaluation(Evaluation&&) noexcept = default;
Evaluation& Evaluation::operator=(Evaluation&&) noexcept = default;

Event Evaluation::next_event() const {
  if (const auto* question = state_->dialogue.question()) return NeedAnswer{*question};
  return Decided{};
}

void Evaluation::decide(dns::Answer answer, Instant now) { state_->dialogue.decide(std::move(answer), now); }

void Evaluation::expire(Instant now) {
  if (now >= state_->dialogue.end()) state_->dialogue.expire();
}

Instant Evaluation::deadline() const noexcept { return state_->dialogue.question() ? state_->dialogue.end() : Instant::max(); }

const Verdict& Evaluation::verdict() const noexcept {
  assert(state_->dialogue.question() == nullptr);
  return state_->verdict;
}

}  // namespace keystonemail::mailauth::iprev
