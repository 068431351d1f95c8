// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Tally: how often each policy decided what.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keystonemail/policy/decision.hpp"

namespace keystonemail::policy {

// Threads: any. Limits: one counter for each policy and verdict.
class Tally {
 public:
  struct Row {
    std::string policy;
    Verdict verdict{};
    std::uint64_t count = 0;
  };
  void count(std::string_view policy, Verdict verdict);
  // By policy, then by verdict.
  [[nodiscard]] std::vector<Row> rows() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, Verdict>, std::uint64_t> counts_;  // guarded by mutex_
};

}  // namespace keystonemail::policy
