// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// srs::Rewriter gives mail that is passed on a sender of ours, so that SPF holds, and reads from it whose it was when a report
// comes back. The scheme is that of M. Wong, "Sender Rewriting Scheme" (2003): SRS0 by the first forwarder, SRS1 by those behind.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/result.hpp"
#include "keystonemail/base/time.hpp"

namespace keystonemail::mailauth::srs {

namespace limits {
inline constexpr std::size_t local_part_octets_max = 128;  // RFC 5321 §4.5.3.1.1 says 64; servers bear with senders like these
inline constexpr std::size_t hash_digits = 8;              // 40 bits of HMAC-SHA-256, in base32, as case may get lost on the way
inline constexpr std::size_t secrets_max = 8;
inline constexpr std::size_t secret_octets_min = 16;
}  // namespace limits

struct Mailbox {
  std::string local;                    // without quotes
  std::string domain;
  friend bool operator==(const Mailbox&, const Mailbox&) = default;
};

struct Options {
  std::string domain;                   // of rewritten addresses: ours, A-labels in lower case
  std::vector<std::string> secrets;     // the first makes addresses, all of them are good to read one
  std::chrono::days lifetime{21};       // of an address of the first form; the paper's time, longer than any queue keeps mail
};

// Whether a rewriter would work with them. Errors: invalid.
[[nodiscard]] Result<void> check_options(const Options& options);

enum class Fault : std::uint8_t {
  malformed,                            // not of either form
  forged,                               // not made by us
  expired,
};
[[nodiscard]] std::string_view to_string(Fault fault) noexcept;

// Threads: any. Ownership: a value. Errors: as said; nobody without a secret can make an address that reverse() accepts.
// Limits: limits; linear time.
class Rewriter {
 public:
  // REQUIRES: check_options() accepts them.
  explicit Rewriter(Options options);

  // `sender` as an address of ours. Errors: too_large: no server would take the result. REQUIRES: not the null sender.
  [[nodiscard]] Result<Mailbox> forward(const Mailbox& sender, WallTime now) const;
  // Whether this looks like an address that forward() made: then it is nobody's mailbox.
  [[nodiscard]] bool recognizes(const Mailbox& address) const;
  // Who was rewritten to it: the sender, or for SRS1 the address that the first forwarder had given it. REQUIRES: recognizes().
  [[nodiscard]] std::expected<Mailbox, Fault> reverse(const Mailbox& address, WallTime now) const;

 private:
  Options options_;
};

}  // namespace keystonemail::mailauth::srs
