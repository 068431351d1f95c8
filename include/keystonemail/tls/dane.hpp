// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// DANE: whether a server's certificates are those that its TLSA records speak of (RFC 6698, RFC 7671), by the rules for
// SMTP (RFC 7672): usages 2 and 3 alone. Whoever calls has seen to it that the records came by DNSSEC.
//
// Ownership: values. Threads: pure functions. Errors: none; what cannot be read is not usable, or does not match.
// Limits: dane_limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/time.hpp"

namespace keystonemail::tls {

namespace dane_limits {
inline constexpr std::size_t records_max = 64;            // usable ones; more are cut off
inline constexpr std::size_t certificates_max = 16;       // of a chain that are looked at
inline constexpr std::size_t bare_keys_max = 4;           // of authorities that signatures are checked with (RFC 7671 §5.2.3)
}  // namespace dane_limits

struct TlsaRecord {
  std::uint8_t usage = 3;          // RFC 7218 §2.1: 2 DANE-TA, 3 DANE-EE
  std::uint8_t selector = 1;       // RFC 7218 §2.2: 0 Cert, 1 SPKI
  std::uint8_t matching_type = 1;  // RFC 7218 §2.3: 0 Full, 1 SHA2-256, 2 SHA2-512
  std::string data;                // octets
  friend bool operator==(const TlsaRecord&, const TlsaRecord&) = default;
};

// Those that can authenticate a mail server (RFC 7672 §3.1): usages 2 and 3 with a known selector and matching type and
// data that can be of it. Of one usage and selector only those with the strongest digest, and whole ones (RFC 7671 §9).
// None: the session must be encrypted, and nothing can be said of with whom (RFC 7672 §2.2).
[[nodiscard]] std::vector<TlsaRecord> usable_tlsa(std::span<const TlsaRecord> records);

enum class DaneOutcome : std::uint8_t {
  end_entity,    // DANE-EE(3): the server's certificate or key; neither name nor date matters (RFC 7672 §3.1.1)
  trust_anchor,  // DANE-TA(2): a chain to an authority of theirs, valid now, for one of the names (RFC 7672 §3.1.2)
  no_match,      // none of the records fits any of the certificates
  wrong_name,    // the chain is good, the certificate is for others
  expired,       // or not yet valid
  untrusted,     // an authority fits, and the certificate does not lead to it
};
[[nodiscard]] std::string_view to_string(DaneOutcome outcome) noexcept;
[[nodiscard]] constexpr bool is_verified(DaneOutcome outcome) noexcept {
  return outcome == DaneOutcome::end_entity || outcome == DaneOutcome::trust_anchor;
}

// `usable` as usable_tlsa() gives them; `chain` as Channel::peer_chain(); `names` are the reference identifiers
// (RFC 7672 §3.2.2), the TLSA base domain first.
[[nodiscard]] DaneOutcome verify_dane(std::span<const TlsaRecord> usable, std::span<const std::string> chain,
                                      std::span<const std::string> names, WallTime now);

}  // namespace keystonemail::tls
