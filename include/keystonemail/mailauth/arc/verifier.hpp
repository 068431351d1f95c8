// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// arc::Verifier says whether the hands a message went through can be told, and what each of them saw (RFC 8617 §5.2).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/time.hpp"
#include "keystonemail/dns/answer.hpp"
#include "keystonemail/mailauth/authentication_results.hpp"
#include "keystonemail/mailauth/dkim/verifier.hpp"
#include "keystonemail/mailauth/event.hpp"

namespace keystonemail::mailauth::arc {

namespace limits {
inline constexpr unsigned sets_max = 50;        // RFC 8617 §4.2.1
}  // namespace limits

enum class ChainStatus : std::uint8_t { none, pass, fail };

[[nodiscard]] std::string_view to_string(ChainStatus status) noexcept;

// What one hand added.
struct Set {
  unsigned instance = 0;
  std::string sealer;                  // d= of ARC-Seal, as A-labels in lower case
  std::string selector;
  std::string signer;                  // d= of ARC-Message-Signature, the same
  AuthenticationResults results;       // what it saw; empty when that cannot be read
};

struct Chain {
  ChainStatus status = ChainStatus::none;
  std::string reason;                  // of a fail
  bool key_unavailable = false;        // it failed for want of a DNS answer; RFC 8617 §5.2.1: still a fail
  std::vector<Set> sets;               // the first is instance 1; none unless it passed
};

// One message, like dkim::Verifier. All seals are verified, and the newest message signature.
//
// Ownership: owns all it needs; keeps the header, not the body. Threads: not synchronised.
// Errors: whatever is wrong is a chain that failed. Throws only bad_alloc.
// Limits: limits::sets_max sets (attack D9), so at most 51 keys; those of VerifierOptions and mime::limits. Time linear
//   in the message.
class Verifier {
 public:
  Verifier(const dkim::VerifierOptions& options, WallTime received_at);
  ~Verifier();
  Verifier(Verifier&&) noexcept;
  Verifier& operator=(Verifier&&) noexcept;

  // REQUIRES: not after receive_end().
  void receive(std::string_view octets);
  // The message is whole.
  void receive_end();
  [[nodiscard]] Event next_event();
  // REQUIRES: `id` came in a NeedKey and was not decided.
  void decide(std::size_t id, const dns::Answer& answer);

  // Whether it would look at more octets.
  [[nodiscard]] bool wants_input() const noexcept;
  // REQUIRES: Verified.
  [[nodiscard]] const Chain& chain() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The oldest set that may be believed: it and all after it were sealed by domains of the list, so that nobody else can
// have made it up. Nothing when the chain did not pass or its last sealer is not of the list.
[[nodiscard]] const Set* oldest_trusted_set(const Chain& chain, std::span<const std::string> trusted_sealers) noexcept;

// "arc=pass" with what is known of the last sealer (RFC 8617 §6).
[[nodiscard]] MethodResult method_result(const Chain& chain);

}  // namespace keystonemail::mailauth::arc
