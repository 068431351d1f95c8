// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Whose message it says it is: the one domain of its From field (RFC 7489 §6.6.1, RFC 9989 §5.3.1).
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "keystonemail/dns/name.hpp"

namespace keystonemail::mailauth::dmarc {

// Why a message has no author that a reader and we would agree on (attacks D1, D2, C8). Such a message is refused with
// 550 5.7.1: whatever its From shows could not be held to any policy.
enum class AuthorFault : std::uint8_t {
  missing,             // no From field
  repeated,            // more than one
  malformed_field,     // "From :", or a From behind blanks at the start of the header
  control_character,   // NUL and its like in its value
  no_mailbox,          // a group without members, or nothing that is an address
  several_domains,
  source_route,        // <@a,@b:user@c>
  hidden_text,         // comments or blanks inside the address
  encoded_word,        // in the address, which nobody may decode and some do
  invalid_domain,      // no domain name, or an address literal
};
[[nodiscard]] std::string_view to_string(AuthorFault fault) noexcept;

struct Author {
  std::string address;  // local@domain as written, of the first mailbox
  dns::Name domain;     // A-labels
};

// Reads the header of a message with the parser that IMAP's envelopes come from, so that policy and display agree.
//
// Ownership: the result is a value. Threads: pure. Limits: those of mime; linear.
[[nodiscard]] std::expected<Author, AuthorFault> find_author(std::string_view header);

}  // namespace keystonemail::mailauth::dmarc
