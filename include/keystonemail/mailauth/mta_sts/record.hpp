// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The TXT record at _mta-sts.DOMAIN (RFC 8461 §3.1): whether there is a policy, and which.
//
// Ownership: values. Threads: pure functions. Errors: std::nullopt. Limits: linear in the texts.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace keystonemail::mailauth::mta_sts {

namespace limits {
inline constexpr std::size_t id_octets_max = 32;  // RFC 8461 §3.1: sts-id
}  // namespace limits

struct Record {
  std::string id;  // another one: another policy
  friend bool operator==(const Record&, const Record&) = default;
};

[[nodiscard]] std::optional<Record> parse_record(std::string_view text);
// Of all TXT records at that name: those that do not begin with "v=STSv1;" are none, and there must be exactly one.
[[nodiscard]] std::optional<Record> choose_record(std::span<const std::string> texts);

}  // namespace keystonemail::mailauth::mta_sts
