// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SPF macros (RFC 7208 §7).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/dns/name.hpp"

namespace keystonemail::mailauth::spf {

// "%{" letter digits "r" delimiters "}"
struct Macro {
  char letter = 0;              // in lower case
  bool is_escaped = false;      // it was in upper case: percent-encode the value
  std::uint8_t parts_kept = 0;  // right-hand ones; 0: all
  bool is_reversed = false;
  std::string delimiters;       // empty: "." when parts_kept or is_reversed asks for a split
};

struct MacroString {
  std::vector<std::variant<std::string, Macro>> parts;
  [[nodiscard]] bool uses(char letter) const noexcept;
};

enum class MacroSet : std::uint8_t { terms, explanation };  // c, r, t and spaces are for explanations only

// §7.1 macro-string, or explain-string. Nothing when it is not one.
[[nodiscard]] std::optional<MacroString> parse_macro_string(std::string_view text, MacroSet set);
// §7.1 domain-spec: a macro-string that ends like a domain, or in a macro.
[[nodiscard]] std::optional<MacroString> parse_domain_spec(std::string_view text);

struct MacroValues {
  std::string local_part, sender_domain, domain, helo, receiver;
  std::string validated_name = "unknown";  // %{p}
  IpAddress client;
  WallTime now;
};

// §7.3. Nothing when it grows beyond limits::expansion_octets_max.
[[nodiscard]] std::optional<std::string> expand(const MacroString& macro_string, const MacroValues& values);
// An expansion as the name to look up, cut from the left to 253 octets. Nothing when it is none: an empty or too long
// label, a control character, or octets that are not ASCII (RFC 8616 §4).
[[nodiscard]] std::optional<dns::Name> to_target_name(std::string_view expansion);

}  // namespace keystonemail::mailauth::spf
