// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// spf::Evaluation says whether a host may send for a domain (RFC 7208).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/dns/answer.hpp"

namespace keystonemail::mailauth::spf {

namespace limits {
inline constexpr std::size_t mail_exchangers_max = 10;     // RFC 7208 §4.6.4: more is a permerror
inline constexpr std::size_t pointers_max = 10;            // the same: more are not looked at
inline constexpr std::size_t expansion_octets_max = 4'096; // of one macro string; beyond it nothing matches
inline constexpr std::size_t explanation_octets_max = 400; // fits one reply line (RFC 5321 §4.5.3.1.5)
}  // namespace limits

// RFC 7208 §2.6, and the words of RFC 8601 §2.7.2.
enum class Outcome : std::uint8_t { none, neutral, pass, fail, softfail, temperror, permerror };
[[nodiscard]] std::string_view to_string(Outcome outcome) noexcept;

enum class Identity : std::uint8_t { helo, mail_from };  // RFC 7208 §2.3, §2.4
enum class Trace : std::uint8_t { no, yes };

struct Input {
  Identity identity = Identity::mail_from;
  IpAddress client;
  std::string helo;                        // as the client said it; need not be a domain
  std::string mail_from;                   // "local@domain"; empty: the null sender, judged by its HELO (§2.4)
  std::string receiver = "unknown";        // our name, for explanations (%{r})
  WallTime now;                            // for explanations (%{t})
};

struct Options {
  unsigned lookups_max = 10;               // §4.6.4: terms that ask the DNS
  unsigned void_lookups_max = 2;           // §4.6.4: of those, answers with nothing in them
  std::chrono::milliseconds time_max{20'000};
  Trace trace = Trace::no;                 // whether Verdict::steps is filled
};

// One thing that happened on the way, for people to read. `depth` grows with each include and redirect.
struct Step {
  unsigned depth = 0;
  std::string text;
};

struct Verdict {
  Outcome outcome = Outcome::none;
  Identity identity = Identity::mail_from;  // whose domain was judged: for the null sender, that of the HELO
  std::string identity_text;               // as the client said it
  std::string domain;                      // whose policy it is, A-labels; empty when there was none to ask
  std::string mechanism;                   // the directive that matched, "-all"; empty when none did
  std::string problem;                     // what is wrong, for none, temperror and permerror; may quote the record
  std::string explanation;                 // of a fail (§6.2): printable ASCII, a stranger's words
  unsigned lookups = 0;
  unsigned void_lookups = 0;
  std::vector<Step> steps;
};

struct NeedAnswer { dns::Question question; };  // ask the DNS, then decide()
struct Decided {};                              // verdict() is there
using Event = std::variant<NeedAnswer, Decided>;

// One evaluation of check_host() (§4).
//
// Ownership: owns all it needs. Threads: not synchronised. Errors: none: every way it can go wrong is an Outcome. A
//   question that will not be answered is decided with dns::AnswerStatus::timeout. Throws only bad_alloc.
// Limits: Options, spf::limits; at most 10 x (1 + 10) + 1 questions. What is no domain name is never looked up (D2).
class Evaluation {
 public:
  Evaluation(Input input, Options options, Instant now);
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

}  // namespace keystonemail::mailauth::spf
