// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// dkim::Signer vouches for a message in the name of domains of ours (RFC 6376 §5, RFC 8301 §3, RFC 8463).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/result.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/crypto/key.hpp"
#include "keystonemail/mailauth/dkim/canonicalization.hpp"

namespace keystonemail::mailauth::dkim {

namespace limits {
inline constexpr std::size_t signing_keys_max = 8;      // of one message
inline constexpr unsigned signing_rsa_bits_min = 1'024; // RFC 8301 §3.2; what we make ourselves has 2048
}  // namespace limits

struct SigningKey {
  std::string domain;                       // d=
  std::string selector;                     // s=
  crypto::PrivateKey key;                   // RSA or Ed25519
};

// Oversigned: named once more than it stands, so that one more of them breaks the signature (attack D5).
enum class FieldRule : std::uint8_t { when_present, oversigned };

struct SignedField {
  std::string name;
  FieldRule rule = FieldRule::oversigned;
};

// What RFC 6376 §5.4.1 recommends. All that a reader is shown or that changes how the rest is read is oversigned.
[[nodiscard]] std::vector<SignedField> default_signed_fields();

struct SignerOptions {
  std::vector<SigningKey> keys;             // one signature each, in this order
  std::vector<SignedField> fields = default_signed_fields();  // with From among them
  Canonicalization header = Canonicalization::relaxed;
  Canonicalization body = Canonicalization::relaxed;
  std::chrono::seconds lifetime = std::chrono::days(7);       // x=; 0: for ever (attack D6)
  std::string identity;                     // i=, in every d= or below; empty: none
};

// Whether a signer would work with them. Errors: invalid.
[[nodiscard]] Result<void> check_options(const SignerOptions& options);

// One message: receive() its octets as they will be sent, header first; receive_end() gives the fields to put on top.
// l= is never written (attack D4).
//
// Ownership: borrows `options`, which must outlive it; keeps the header, not the body. Threads: not synchronised.
// Errors: invalid when there is not exactly one From field (RFC 6376 §8.15), or the header begins with white space and
//   nothing can be put on top of it; too_large; internal.
// Limits: mime::limits::header_octets_max and header_fields_max, dkim::limits. A signature with RSA of 2048 bits takes
//   about a millisecond.
class Signer {
 public:
  // REQUIRES: check_options() accepts them.
  explicit Signer(const SignerOptions& options);
  ~Signer();
  Signer(Signer&&) noexcept;
  Signer& operator=(Signer&&) noexcept;

  void receive(std::string_view octets);
  // The DKIM-Signature fields, folded, each with its line end. REQUIRES: called once, last.
  [[nodiscard]] Result<std::string> receive_end(WallTime now);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keystonemail::mailauth::dkim
