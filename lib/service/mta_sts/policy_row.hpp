// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A policy as it is kept, and its row.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/base/time.hpp"
#include "keystonemail/mailauth/mta_sts/policy.hpp"

namespace keystonemail::mta_sts {

struct KeptPolicy {
  std::string id;                        // of the record that announced it; empty: none did when it was fetched
  mailauth::mta_sts::Policy policy;
  WallTime fetched{};
  WallTime used{};                       // when mail went there last

  [[nodiscard]] bool is_valid(WallTime now) const noexcept { return now < fetched + policy.max_age; }
};

[[nodiscard]] std::string encode_policy(const KeptPolicy& kept);
[[nodiscard]] std::optional<KeptPolicy> read_policy(std::string_view row);

}  // namespace keystonemail::mta_sts
