// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// dkim::Verifier says which domains vouch for a message (RFC 6376 §6, RFC 8301, 8463, 8616).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/time.hpp"
#include "keystonemail/crypto/key.hpp"
#include "keystonemail/mailauth/dkim/signature.hpp"
#include "keystonemail/mailauth/event.hpp"

namespace keystonemail::mailauth::dkim {

namespace limits {
inline constexpr std::size_t signatures_read_max = 1'000;   // fields beyond are not looked at
}  // namespace limits

// What to think of a message that is more than what was signed.
enum class Unsigned : std::uint8_t { refuse, allow };

struct VerifierOptions {
  std::size_t signatures_max = 10;          // verified, those of the author's domain first (attack D7)
  unsigned rsa_bits_min = 1'024;            // RFC 8301 §3.2
  unsigned rsa_bits_max = 4'096;
  std::chrono::seconds clock_skew = std::chrono::minutes(5);
  Unsigned appended_body = Unsigned::refuse;      // octets behind l= (attack D4)
  // A field that may stand once (RFC 5322 §3.6) stands more often than it was signed (attack D5, RFC 6376 §8.15).
  Unsigned duplicate_fields = Unsigned::refuse;
};

struct SignatureResult {
  Outcome outcome = Outcome::neutral;
  std::string reason;                        // empty for a pass
  std::string domain;                        // header.d, header.s, header.i, header.a; empty when unreadable
  std::string selector;
  std::string identity;
  std::string algorithm;
  // header.b: so much of b= as tells it from the others (RFC 6008 §4), eight octets or more.
  std::string signature_prefix;
  unsigned key_bits = 0;                     // 0: no key was read
  bool weak_key = false;                     // RSA of less than 2048 bits: it still counts (attack D4)
  bool testing = false;                      // the key says t=y: treat it as no signature (RFC 6376 §3.6.1)
  bool is_for_tls_reports = false;           // no pass, as its key is for TLS reports alone; but of those it is the signature (RFC 8460 §3)
  std::uint64_t unsigned_body_octets = 0;    // of the canonical form, behind l=
  std::optional<std::uint64_t> signed_at;    // t= and x=
  std::optional<std::uint64_t> expires_at;
  std::size_t field = 0;                     // which field of the header it was, counted from the top

  // Whether DMARC and other policies may build on `domain`: it passed, and nothing shown was left unsigned.
  [[nodiscard]] bool usable() const noexcept { return outcome == Outcome::pass && unsigned_body_octets == 0; }
};

// One message: receive() its octets, header first, as they come; pull events at any time; decide() in any order.
//
// Ownership: owns all it needs; keeps the header, not the body. Threads: not synchronised.
// Errors: what is wrong with a signature is its result; a question that will not be answered is decided with
//   dns::AnswerStatus::timeout. Throws only bad_alloc.
// Limits: VerifierOptions, dkim::limits, mime::limits::header_octets_max and header_fields_max: of a message beyond the
//   latter no signature is verified. Time linear in the message.
class Verifier {
 public:
  // `received_at`: when this server first saw it (RFC 6376 §3.5 on x=).
  Verifier(const VerifierOptions& options, WallTime received_at);
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

  // Whether it would look at more octets: false once the header is read and nothing in it needs the body.
  [[nodiscard]] bool wants_input() const noexcept;
  // One for each signature looked at, in the order they stand; none: the message is not signed. REQUIRES: Verified.
  [[nodiscard]] const std::vector<SignatureResult>& results() const noexcept;
  // Signatures that were not looked at, for want of room.
  [[nodiscard]] std::size_t ignored() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keystonemail::mailauth::dkim
