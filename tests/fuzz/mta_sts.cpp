// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A policy that is read keeps its limits, and is read again the same from what it writes.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "keystonemail/mailauth/mta_sts/policy.hpp"
#include "keystonemail/mailauth/mta_sts/record.hpp"

using namespace keystonemail::mailauth::mta_sts;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto record = parse_record(text)) {
    if (record->id.empty() || record->id.size() > limits::id_octets_max) __builtin_trap();
    if (text.find(record->id) == std::string_view::npos) __builtin_trap();
  }
  const auto policy = parse_policy(text);
  if (!policy) return 0;
  if (policy->patterns.size() > limits::patterns_max || policy->max_age > limits::max_age_max) __builtin_trap();
  if (policy->mode != Mode::none && policy->patterns.empty()) __builtin_trap();
  if (parse_policy(policy->text()) != policy) __builtin_trap();
  for (const auto& pattern : policy->patterns) {
    const auto host = keystonemail::dns::Name::parse(pattern.starts_with("*.") ? "any" + pattern.substr(1) : pattern);
    if (!host || !policy->allows(*host)) __builtin_trap();
  }
  return 0;
}
