// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// dmarc::Evaluation says whether the author's domain vouches for a message, and what it asks for if not (RFC 9989, and
// RFC 7489 before it).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "keystonemail/base/time.hpp"
#include "keystonemail/dns/answer.hpp"
#include "keystonemail/mailauth/dmarc/record.hpp"

namespace keystonemail::mailauth::dmarc {

namespace limits {
inline constexpr std::size_t walk_questions_max = 8;    // RFC 9989 §4.10, of one name
inline constexpr std::size_t identifiers_max = 20;      // beyond, they do not count
inline constexpr std::size_t questions_max = 40;        // of all walks of one message
}  // namespace limits

// How the policy and the organizational domains are found.
enum class Discovery : std::uint8_t {
  tree_walk,           // RFC 9989 §4.10: by asking the DNS upwards
  public_suffix_list,  // RFC 7489 §3.2
};

enum class Method : std::uint8_t { spf, dkim };
enum class Standing : std::uint8_t {
  pass,
  temporary,           // could not be found out: it might have passed
};

// A domain that vouches for the message by itself. Only passes and temporary errors are worth naming.
struct Identifier {
  Method method = Method::spf;
  Standing standing = Standing::pass;
  std::string domain;                    // SPF: of MAIL FROM, or of HELO for the null sender; DKIM: d=
};

struct Input {
  dns::Name author;                      // find_author()
  std::vector<Identifier> identifiers;
  unsigned sample = 0;                   // drawn from 0 to 99, for pct (RFC 7489 §6.6.4)
};

struct Options {
  Discovery discovery = Discovery::tree_walk;
  std::chrono::milliseconds time_max{20'000};
};

// The words of RFC 8601 §2.7 and RFC 7489 §11.2.
enum class Outcome : std::uint8_t { none, pass, fail, temperror, permerror };
[[nodiscard]] std::string_view to_string(Outcome outcome) noexcept;

struct AlignedIdentifier {
  Identifier identifier;
  bool is_aligned = false;
};

struct Verdict {
  Outcome outcome = Outcome::none;
  // What the owner wants done with it: policy below, or one step milder for t=y or outside of pct. None unless fail.
  Policy disposition = Policy::none;
  Policy demand = Policy::none;          // the same of a message that fails: what a temperror may come to
  Policy policy = Policy::none;          // p, sp or np, whichever applies; the strictest, while that cannot be found out
  std::optional<Record> record;          // none: the domain takes no part
  dns::Name author;
  dns::Name policy_domain;               // where the record is, without "_dmarc"
  std::string problem;                   // for temperror
  std::vector<AlignedIdentifier> identifiers;
  std::size_t questions = 0;
};

struct NeedAnswer { dns::Question question; };
struct Decided {};
using Event = std::variant<NeedAnswer, Decided>;

// One message.
//
// Ownership: owns all it needs. Threads: not synchronised. Errors: none: they are outcomes. While a policy or an
//   identifier cannot be looked up the outcome is temperror, never fail (T10). Throws only bad_alloc.
// Limits: dmarc::limits, Options.
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

}  // namespace keystonemail::mailauth::dmarc
