// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/spf/evaluation.hpp"

#include <cassert>
#include <utility>

#include "mailauth/spf/state.hpp"

namespace keystonemail::mailauth::spf {

std::string_view to_string(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::none: return "none";
    case Outcome::neutral: return "neutral";
    case Outcome::pass: return "pass";
    case Outcome::fail: return "fail";
    case Outcome::softfail: return "softfail";
    case Outcome::temperror: return "temperror";
    case Outcome::permerror: return "permerror";
  }
  return "";
}

Evaluation::Evaluation(Input input, Options options, Instant now)
    : state_(std::make_unique<State>(std::move(input), options, now)) {
  state_->start();
}
Evaluation::~Evaluation() = default;
Evaluation::Evaluation(Evaluation&&) noexcept = default;
Evaluation& Evaluation::operator=(Evaluation&&) noexcept = default;

Event Evaluation::next_event() const {
  if (const auto* question = state_->dialogue().question()) return NeedAnswer{*question};
  return Decided{};
}

void Evaluation::decide(dns::Answer answer, Instant now) {
  assert(state_->dialogue().question() != nullptr);
  state_->dialogue().decide(std::move(answer), now);
}

void Evaluation::expire(Instant now) {
  if (now >= state_->dialogue().end()) state_->dialogue().expire();
}

Instant Evaluation::deadline() const noexcept { return state_->dialogue().question() ? state_->dialogue().end() : Instant::max(); }

const Verdict& Evaluation::verdict() const noexcept {
  assert(state_->dialogue().question() == nullptr);
  return state_->verdict();
}

}  // namespace keystonemail::mailauth::spf
