// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SPF records (RFC 7208 §4.5, §4.6.1, §5, §6).
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/mailauth/spf/evaluation.hpp"
#include "mailauth/spf/macro.hpp"

namespace keystonemail::mailauth::spf {

enum class Mechanism : std::uint8_t { all, include, a, mx, ptr, ip4, ip6, exists };

struct Network {
  std::array<std::uint8_t, 16> octets{};  // of IPv4 the first four
  IpAddress::Family family = IpAddress::Family::v4;
};

struct Directive {
  Mechanism mechanism = Mechanism::all;
  Outcome on_match = Outcome::pass;
  std::optional<MacroString> target;      // none: the domain itself
  Network network;                        // of ip4 and ip6
  unsigned prefix4 = 32, prefix6 = 128;
  std::string text;                       // as in the record
};

struct Record {
  std::vector<Directive> directives;
  std::optional<MacroString> redirect;
  std::optional<MacroString> explanation;
  bool has_all = false;                   // redirect does not count then (§5.1)
};

// Whether a TXT record claims to be one: version "v=spf1", then a space or the end.
[[nodiscard]] bool is_record(std::string_view text) noexcept;
// Reads a record. REQUIRES: is_record(text). The error is the term that is wrong.
[[nodiscard]] std::expected<Record, std::string> parse_record(std::string_view text);

}  // namespace keystonemail::mailauth::spf
