// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Security: what a session with a mail host must be like, by the strictest of all who have a say: the sender (RFC 8689), DANE
// (RFC 7672), MTA-STS (RFC 8461), the configuration; and whether one is.
//
// Ownership: values. Threads: pure functions.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "keystonemail/mailauth/mta_sts/policy.hpp"
#include "keystonemail/queue/queue.hpp"
#include "keystonemail/service/relay/route.hpp"
#include "keystonemail/service/relay/tls_observer.hpp"
#include "keystonemail/smtp/reply.hpp"
#include "keystonemail/tls/channel.hpp"
#include "keystonemail/tls/dane.hpp"

namespace keystonemail::relay {

// What the sender asks for. Messages that ask for different things never share a connection.
enum class TlsDemand : std::uint8_t {
  usual,
  required,  // REQUIRETLS (RFC 8689 §4.2.1)
  optional,  // TLS-Required: No (RFC 8689 §4.2.2): what the domain asks for is tried, and passed over if it fails
};
[[nodiscard]] TlsDemand demand_of(const queue::Envelope& envelope) noexcept;

// The TLSA records of a mail host, which DNSSEC vouches for (RFC 7672 §2.2.3).
struct DaneRecords {
  std::string base;                      // the TLSA base domain
  std::vector<std::string> names;        // reference identifiers (RFC 7672 §3.2.2), the base first
  std::vector<tls::TlsaRecord> usable;   // none: encryption is all that they ask for
  std::vector<std::string> texts;        // as a zone file has them
};

// How a host stands to the MTA-STS policy of the domain.
enum class StsStand : std::uint8_t {
  none,              // no policy, or one of mode none
  testing,           // it is among the hosts of the policy, which is in testing
  testing_stranger,  // it is not
  enforced,
  enforced_stranger,
};
[[nodiscard]] StsStand sts_stand(const std::optional<mailauth::mta_sts::Policy>& policy, const dns::Name& host);

struct HostFacts {
  RouteTls configured = RouteTls::opportunistic;
  TlsDemand demand = TlsDemand::usual;
  bool is_from_mx = false;               // its name came from MX records ...
  bool is_mx_signed = false;             // ... which DNSSEC vouches for
  const DaneRecords* dane = nullptr;
  StsStand sts = StsStand::none;
};

struct SessionRules {
  bool has_to_be_encrypted = false;
  bool by_dane = false;                  // its certificate must fit the TLSA records
  bool by_pkix = false;                  // its certificate must be for the host, from an authority that we trust
  bool announces_require_tls = false;    // and it must offer REQUIRETLS
  bool is_sts = false;                   // by_pkix is MTA-STS's wish
  friend bool operator==(const SessionRules&, const SessionRules&) = default;
};
// Or why the host may not have the mail at all.
[[nodiscard]] std::variant<SessionRules, smtp::Reply> rules_for(const HostFacts& facts);

// How far the encryption of a session came, and what it was.
enum class TlsStage : std::uint8_t {
  none,          // no connection, or it was lost before; or it was not to be encrypted
  not_offered,
  refused,       // after STARTTLS
  broken,        // the handshake failed
  established,
};
struct SessionFacts {
  TlsStage stage = TlsStage::none;
  tls::Trust trust = tls::Trust::unchecked;
  std::optional<tls::DaneOutcome> dane;  // where there are usable records
  std::string protocol;                  // "TLSv1.3 TLS_AES_128_GCM_SHA256"
  std::string detail;                    // why it failed
  std::optional<IpAddress> local;
};

// Why an encrypted session may not be used.
[[nodiscard]] std::optional<std::string> violation(const SessionRules& rules, const SessionFacts& facts);
// What vouches for the host: "dane", "sts", "webpki", "none". "dane-host": it is the host that DANE names, and nobody
// vouches for it being the domain's (RFC 7672 §2.2.1).
[[nodiscard]] std::string_view verified_by(const SessionRules& rules, const SessionFacts& facts, bool is_host_trusted) noexcept;
// For traces and logs: "TLSv1.3 TLS_AES_128_GCM_SHA256 dane", "cleartext".
[[nodiscard]] std::string describe(const SessionRules& rules, const SessionFacts& facts, bool is_host_trusted);

// What a report says of the session (RFC 8460 §4.3); nothing where it says nothing of encryption.
[[nodiscard]] std::optional<TlsResult> result_for(TlsPolicyType policy, const SessionFacts& facts, const DaneRecords* dane) noexcept;

}  // namespace keystonemail::relay
