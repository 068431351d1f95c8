// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// iprev::Evaluation says whether an address has a name that leads back to it (RFC 8601 §3).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <variant>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/dns/answer.hpp"

namespace keystonemail::mailauth::iprev {

namespace limits {
inline constexpr std::size_t pointers_max = 10;  // names looked up; more are not
}

enum class Outcome : std::uint8_t {
  pass,
  fail,       // it has names, none of which leads back
  temperror,
  permerror,  // it has no name
};
[[nodiscard]] std::string_view to_string(Outcome outcome) noexcept;

struct Options {
  std::chrono::milliseconds time_max{10'000};
};

struct Verdict {
  Outcome outcome = Outcome::permerror;
  IpAddress client;
  dns::Name name;                        // of a pass: that which leads back; of a fail: the first; else the root
};

struct NeedAnswer { dns::Question question; };
struct Decided {};
using Event = std::variant<NeedAnswer, Decided>;

// Ownership: owns all it needs. Threads: not synchronised. Errors: none: they are outcomes. Throws only bad_alloc.
// Limits: Options; 1 + pointers_max questions.
class Evaluation {
 public:
  Evaluation(IpAddress client, Options options, Instant now);
  ~Evaluation();
  Evaluation(Evaluation&&) noexcept;
  Evaluation& operator=(Evaluation&&) noexcept;

  [[nodiscard]] Event next_event() const;
  // REQUIRES: the last event was NeedAnswer, and this answers it.
  void decide(dns::Answer answer, Instant now);
  // Ends it with temperror once deadline() has passed.
  void expire(Instant now);
  [[nodiscard]] Instant deadline() const noexcept;
  // REQUIRES: Decided.
  [[nodiscard]] const Verdict& verdict() const noexcept;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace keystonemail::mailauth::iprev
