// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Dialogue: how an engine written as a coroutine asks the outside for names, one at a time.
#pragma once

#include <cassert>
#include <utility>

#include "keystonemail/base/task.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/dns/answer.hpp"

namespace keystonemail::mailauth {

// Ownership: outlives the task that asks. REQUIRES: expire() is called before that task is destroyed, so that it ends.
class Dialogue {
 public:
  explicit Dialogue(Instant end) : end_(end) {}
  Dialogue(const Dialogue&) = delete;
  Dialogue& operator=(const Dialogue&) = delete;

  // The engine's side. Over time, the answer is a timeout at once.
  Task<dns::Answer> ask(dns::Name name, dns::RecordType type) {
    if (is_over_) co_return dns::Answer::none(dns::AnswerStatus::timeout, std::move(name));
    question_ = {std::move(name), type};
    Pending<dns::Answer> pending;
    waiting_ = &pending;
    co_return co_await pending;
  }

  // The caller's side.
  [[nodiscard]] const dns::Question* question() const noexcept { return waiting_ ? &question_ : nullptr; }
  void decide(dns::Answer answer, Instant now) {
    assert(waiting_ != nullptr);
    if (now >= end_) expire();
    else std::exchange(waiting_, nullptr)->complete(std::move(answer));
  }
  void expire() {
    is_over_ = true;
    if (auto* waiting = std::exchange(waiting_, nullptr)) {
      waiting->complete(dns::Answer::none(dns::AnswerStatus::timeout, question_.name));
    }
  }
  [[nodiscard]] Instant end() const noexcept { return end_; }

 private:
  const Instant end_;
  bool is_over_ = false;
  dns::Question question_;
  Pending<dns::Answer>* waiting_ = nullptr;
};

}  // namespace keystonemail::mailauth
