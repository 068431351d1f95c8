// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The steps that DKIM and ARC share in verifying (RFC 6376 §6.1.2, §6.1.3). Private to lib/mailauth.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <vector>

#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/dns/answer.hpp"
#include "keystonemail/mailauth/dkim/key_record.hpp"
#include "keystonemail/mailauth/dkim/signature.hpp"
#include "mailauth/dkim/body_hash.hpp"
#include "mailauth/header_fields.hpp"

namespace keystonemail::mailauth::dkim {

struct KeyPolicy {
  unsigned rsa_bits_min;
  unsigned rsa_bits_max;
  bool takes_report_keys = false;  // such as are not for mail, but for TLS reports
};

// The records of the answer that may be used for this signature, at least one.
[[nodiscard]] std::expected<std::vector<KeyRecord>, Problem> usable_keys(const dns::Answer& answer, const Signature& signature,
                                                                         KeyPolicy policy);

[[nodiscard]] Problem key_not_for_mail();

// The digest that b= signs: the fields of h=, and `own`, the field of the signature itself.
[[nodiscard]] crypto::Sha256Value header_digest(const HeaderFields& fields, const mime::Field& own, const Signature& signature);

// RFC 6376 §6.1.3 step 3.
[[nodiscard]] std::optional<Problem> check_body_hash(const BodyHashes& hashes, const Signature& signature);

// The key under which the signature of `digest` holds.
[[nodiscard]] const KeyRecord* matching_key(std::span<const KeyRecord> keys, const crypto::Sha256Value& digest,
                                            const Signature& signature);

// A field that may stand once stands more often than it was signed (attack D5).
[[nodiscard]] std::optional<Problem> check_duplicates(const HeaderFields& fields, const Signature& signature);

// Of t= and x= at the time of receipt, seconds since 1970 (RFC 6376 §3.5).
[[nodiscard]] std::optional<Problem> check_times(const Signature& signature, std::uint64_t now, std::uint64_t skew);

}  // namespace keystonemail::mailauth::dkim
