// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What is asked of the DNS, and what it said.
//
// Ownership: values. Threads: plain data.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "keystonemail/dns/name.hpp"
#include "keystonemail/dns/record.hpp"

namespace keystonemail::dns {

struct Question {
  Name name;
  RecordType type{};
  friend auto operator<=>(const Question&, const Question&) = default;
};

// The set is closed. The first three are what the DNS says; the others say that it could not be asked, and nothing
// final may follow from them: no bounce, no rejection for policy, only "later".
enum class AnswerStatus : std::uint8_t {
  found,           // there are records
  no_such_name,    // NXDOMAIN: neither the name nor anything below it (RFC 8020)
  no_data,         // the name is there, records of this type are not
  server_failure,  // SERVFAIL, or an alias that leads nowhere: a loop, too long a chain
  refused,         // REFUSED, NOTIMP and their like
  timeout,         // nobody answered in time
  bogus,           // DNSSEC: signed, and the signatures do not hold
  malformed,       // not understood, or beyond a limit of ours
};

[[nodiscard]] std::string_view to_string(AnswerStatus status) noexcept;
// Whether asking later may help: all but the first three.
[[nodiscard]] bool is_temporary(AnswerStatus status) noexcept;

struct Answer {
  AnswerStatus status = AnswerStatus::server_failure;
  // Validated by DNSSEC on the whole way, aliases and denials included (RFC 4035 §4.3 "secure").
  bool authenticated = false;
  std::chrono::seconds ttl{0};         // how long it may be kept; for a denial by RFC 2308 §5
  Name canonical_name;                 // the end of the alias chain; the name asked for when there is none
  std::vector<RecordData> records;     // of the type asked for only; none unless found

  // An answer without records.
  [[nodiscard]] static Answer none(AnswerStatus status, Name name) {
    return {.status = status, .authenticated = false, .ttl = {}, .canonical_name = std::move(name), .records = {}};
  }
  friend bool operator==(const Answer&, const Answer&) = default;
};

}  // namespace keystonemail::dns
