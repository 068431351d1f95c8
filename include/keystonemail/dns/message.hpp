// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Reading what name servers send (RFC 1035 §4).
//
// Ownership: results are values. Threads: pure functions. Errors: what cannot be read is AnswerStatus::malformed, or
//   std::nullopt; nothing is guessed.
// Limits: dns::limits; linear in the octets given.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "keystonemail/dns/answer.hpp"

namespace keystonemail::dns {

namespace limits {
inline constexpr std::size_t message_octets_max = 65'535;  // RFC 1035 §4.2.2: the length over TCP has 16 bits
inline constexpr std::size_t alias_links_max = 16;         // RFC 1034 §3.6.2 asks for a bound and gives none
}  // namespace limits

// Reads a response as the answer to `question`, following the aliases in its answer section. `authenticated` is false:
// whether the octets can be trusted is the caller's to know.
[[nodiscard]] Answer parse_response(std::string_view message, const Question& question);

// Reads RDATA of `length` octets that stands at `offset` of a message, to whose earlier parts its names may point.
// Types without a struct of their own are Opaque.
[[nodiscard]] std::optional<RecordData> parse_rdata(RecordType type, std::string_view message, std::size_t offset,
                                                    std::size_t length);

}  // namespace keystonemail::dns
