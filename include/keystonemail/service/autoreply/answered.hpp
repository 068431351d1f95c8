// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Answered: who was given which automatic answer lately, and how many an account has given in the last day (attack E4).
//
// Rows of the table: 'r', the day since 1970 (32 bits, big-endian) and 16 octets of the SHA-256 of account, person and answer: a
// version octet, the time as milliseconds since 1970. 'n': how many of those there are. 'c', the hour since 1970 and the account (32
// bits each, big-endian): a version octet, how many answers it gave in that hour.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/autoreply/decision.hpp"
#include "keystonemail/kv/kv.hpp"
#include "keystonemail/mailstore/ids.hpp"

namespace keystonemail::autoreply {

namespace limits {
inline constexpr std::uint32_t answers_per_day_max = 100;       // of one account, within 24 hours and up to an hour more
inline constexpr std::uint64_t remembered_answers_max = 1'000'000;  // rows of some 60 octets; the oldest go first (RFC 5230 §4.2: at least 1,000)
}  // namespace limits

// Threads: any. Ownership: borrows the store. Errors: those of the store.
class Answered {
 public:
  static constexpr std::string_view table_name = "answers";

  Answered(kv::Store& store, kv::Table table, std::uint64_t rows_max = limits::remembered_answers_max)
      : store_(store), table_(table), rows_max_(rows_max) {}

  // An answer that is about to be given.
  struct Answer {
    mailstore::AccountId account{};
    std::string to;                  // the address; what person_key() makes the same is one person
    std::string response;            // which answer: see response_name()
    std::chrono::days within{limits::days_usual};  // it is not given again
  };
  // Why it is not to be given, if so: answered_lately or enough_answers.
  [[nodiscard]] Task<Result<std::optional<Silence>>> objection(Answer answer, Context context) const;
  // Notes that it is given, in the commit that queues it. Errors: conflict (there is an objection by now), with nothing
  // written. Old rows go at the same time. Ownership: borrows this.
  [[nodiscard]] kv::Operation remember(Answer answer, WallTime now) const;

 private:
  [[nodiscard]] Task<Result<std::optional<Silence>>> look(kv::Reader& reader, const Answer& answer, WallTime now) const;
  [[nodiscard]] Task<Result<void>> write(kv::Transaction& transaction, const Answer& answer, WallTime now) const;

  kv::Store& store_;
  kv::Table table_;
  std::uint64_t rows_max_;
};

}  // namespace keystonemail::autoreply
