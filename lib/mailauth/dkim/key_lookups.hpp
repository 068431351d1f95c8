// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The keys a message needs, each asked for once. Private to lib/mailauth.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <optional>
#include <vector>

#include "keystonemail/mailauth/event.hpp"

namespace keystonemail::mailauth::dkim {

class KeyLookups {
 public:
  // The id of the question.
  std::size_t want(const dns::Name& name) {
    const auto known = std::ranges::find(lookups_, name, &Lookup::name);
    if (known != lookups_.end()) return static_cast<std::size_t>(known - lookups_.begin());
    lookups_.push_back({name, std::nullopt});
    return lookups_.size() - 1;
  }
  // A question that was not asked yet.
  [[nodiscard]] std::optional<NeedKey> next() {
    if (asked_ == lookups_.size()) return std::nullopt;
    const std::size_t id = asked_++;
    return NeedKey{id, {lookups_[id].name, dns::RecordType::txt}};
  }
  void decide(std::size_t id, const dns::Answer& answer) {
    assert(id < asked_);
    assert(!lookups_[id].answer);
    lookups_[id].answer = answer;
    ++answered_;
  }
  [[nodiscard]] bool all_answered() const noexcept { return answered_ == lookups_.size(); }
  // REQUIRES: it was decided.
  [[nodiscard]] const dns::Answer& answer(std::size_t id) const {
    assert(lookups_[id].answer);
    return *lookups_[id].answer;
  }

 private:
  struct Lookup {
    dns::Name name;
    std::optional<dns::Answer> answer;
  };
  std::vector<Lookup> lookups_;
  std::size_t asked_ = 0;
  std::size_t answered_ = 0;
};

}  // namespace keystonemail::mailauth::dkim
