// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The records that a domain's zone needs for mail, worked out from what the server is. What `keystone-mail dns` prints, and what
// `keystone-mail check dns` looks for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/dns/record.hpp"
#include "keystonemail/service/web/mail_site.hpp"

namespace keystonemail::host {

// A DKIM key that is kept: in use, to come, or with signatures still under way.
struct ZoneKey {
  std::string selector;
  std::string record;                    // RFC 6376 §3.6.1
  std::string state;
};

struct ZoneFacts {
  std::string domain;
  std::string hostname;
  std::vector<IpAddress> addresses;      // of the host; empty: not known
  std::string smarthost;                 // that mail leaves through; empty: none
  std::vector<ZoneKey> keys;
  std::string dmarc_address, tls_address;  // where reports come in; empty: postmaster of the domain
  std::string tls_url;                   // where TLS reports may be posted to as well; empty: nowhere
  std::string public_key_fingerprint;    // of the served certificate, hexadecimal; empty: none
  std::string issuer;                    // of the same; empty when it is self-signed
  web::OwnPolicy mta_sts;
  // Ports for mail programs; 0: not offered there.
  std::uint16_t submission = 0, submissions = 0, imap = 0, imaps = 0;
};

enum class Need : std::uint8_t {
  required,     // mail does not arrive, or is not trusted, without it
  recommended,  // others protect our mail by it
  optional,     // mail programs find their settings by it
};
[[nodiscard]] std::string_view to_string(Need need) noexcept;

struct PlannedRecord {
  dns::Record record;
  Need need = Need::required;
  std::string purpose;                   // one line
  bool elsewhere = false;                // it belongs into another zone, as of a host that is not within the domain
};

// Errors: invalid (a name).
[[nodiscard]] Result<std::vector<PlannedRecord>> plan_zone(const ZoneFacts& facts);

// RFC 8461 §3.2: the policy that https://mta-sts.DOMAIN/.well-known/mta-sts.txt gives: what the server says there.
[[nodiscard]] std::string mta_sts_policy(const ZoneFacts& facts);

// As a zone file (RFC 1035 §5), a comment before each record. What belongs elsewhere is within comments.
[[nodiscard]] std::string zone_file(const ZoneFacts& facts, const std::vector<PlannedRecord>& plan);
// "name.example. IN MX 10 mail.example." as one line.
[[nodiscard]] std::string record_line(const dns::Record& record);

}  // namespace keystonemail::host
