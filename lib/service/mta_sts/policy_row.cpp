// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mta_sts/policy_row.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/record.hpp"

namespace keystonemail::mta_sts {

namespace {

constexpr std::uint8_t row_version = 1;

std::uint64_t to_number(WallTime time) noexcept {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.time_since_epoch() / std::chrono::milliseconds(1), 0));
}

// A row is ours, but may be damaged: a time beyond all reason is none.
WallTime to_time(std::uint64_t number) noexcept {
  constexpr std::uint64_t most = 253'402'300'800'000;  // the end of the year 9999
  return WallTime(std::chrono::milliseconds(number < most ? static_cast<std::int64_t>(number) : 0));
}

}  // namespace

std::string encode_policy(const KeptPolicy& kept) {
  RecordWriter writer;
  writer.octet(row_version).text(kept.id).number(to_number(kept.fetched)).number(to_number(kept.used)).text(kept.policy.text());
  return writer.take();
}

std::optional<KeptPolicy> read_policy(std::string_view row) {
  RecordReader reader(row);
  if (reader.octet() != row_version) return std::nullopt;
  KeptPolicy kept;
  kept.id = reader.text();
  kept.fetched = to_time(reader.number());
  kept.used = to_time(reader.number());
  auto policy = mailauth::mta_sts::parse_policy(reader.text());
  if (!reader.at_end() || !policy) return std::nullopt;
  kept.policy = *std::move(policy);
  return kept;
}

}  // namespace keystonemail::mta_sts
