// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/policy/tally.hpp"

namespace keystonemail::policy {

void Tally::count(std::string_view policy, Verdict verdict) {
  const std::lock_guard lock(mutex_);
  ++counts_[{std::string(policy), verdict}];
}

std::vector<Tally::Row> Tally::rows() const {
  const std::lock_guard lock(mutex_);
  std::vector<Row> rows;
  for (const auto& [key, count] : counts_) rows.push_back({key.first, key.second, count});
  return rows;
}

}  // namespace keystonemail::policy
