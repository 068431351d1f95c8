// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What a signature field says of itself: DKIM-Signature (RFC 6376 §3.5, RFC 8301, 8463, 8616) and, but for two tags,
// ARC-Message-Signature (RFC 8617 §4.1.2).
//
// Ownership: values. Threads: pure functions. Errors: a Problem beside what could be read.
// Limits: mailauth::limits for the list, dkim::limits for its tags.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/crypto/key.hpp"
#include "keystonemail/dns/name.hpp"
#include "keystonemail/mailauth/dkim/canonicalization.hpp"

namespace keystonemail::mailauth::dkim {

namespace limits {
inline constexpr std::size_t signed_fields_max = 1'000;       // names in h=
inline constexpr std::size_t signature_octets_max = 1'024;    // b=, decoded: RSA of 8192 bits
inline constexpr std::uint64_t time_seconds_max = 999'999'999'999;  // RFC 6376 §3.5: 12 digits
}  // namespace limits

// The words of RFC 8601 §2.7.1.
enum class Outcome : std::uint8_t { none, pass, fail, policy, neutral, temperror, permerror };

[[nodiscard]] std::string_view to_string(Outcome outcome) noexcept;

// Why something is not a pass.
struct Problem {
  Outcome outcome = Outcome::permerror;
  std::string reason;                       // short, in ASCII: "body hash did not verify"
  friend bool operator==(const Problem&, const Problem&) = default;
};

enum class SignatureField : std::uint8_t { dkim_signature, arc_message_signature };

struct Signature {
  std::string algorithm;                    // "rsa-sha256", in lower case
  std::optional<crypto::KeyType> key_type;  // of the algorithms that are in use: with SHA-256 all
  Canonicalization header = Canonicalization::simple;
  Canonicalization body = Canonicalization::simple;
  std::string domain;                       // d=, as written
  std::string selector;                     // s=, as written
  std::string identity;                     // i=, decoded; "@" and the domain when absent. Not of ARC
  dns::Name key_name;                       // where the key is
  std::vector<std::string> fields;          // h=, in lower case
  std::optional<std::uint64_t> body_octets; // l=
  std::optional<std::uint64_t> signed_at;   // t= and x=, seconds since 1970
  std::optional<std::uint64_t> expires_at;
  std::string body_hash;                    // bh= and b=, decoded
  std::string signature;
  std::string signature_text;               // b= without white space: its beginning names the signature (RFC 6008)
  std::size_t value_begin = 0;              // what stands between "b=" and ";", as offsets in the field's value
  std::size_t value_end = 0;
  unsigned instance = 0;                    // i= of ARC
};

struct SignatureReading {
  Signature signature;                      // as far as it could be read
  std::optional<Problem> problem;           // it cannot be verified, and this is why
};

// Reads the value of a field. No name that may not be looked up comes out of it (attack D2).
[[nodiscard]] SignatureReading read_signature(std::string_view value,
                                              SignatureField field = SignatureField::dkim_signature);

// Where a key is (RFC 6376 §3.6.2.1); nothing when this is no name of letters, digits, hyphens and underscores.
[[nodiscard]] std::optional<dns::Name> key_name(std::string_view selector, std::string_view domain);

// Appends the field as it is signed: `b=` empty, and no line end (RFC 6376 §3.7).
void append_signed_form(std::string& out, const mime::Field& field, const Signature& signature);

}  // namespace keystonemail::mailauth::dkim
