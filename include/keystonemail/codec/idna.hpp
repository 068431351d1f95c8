// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Internationalised domain names (IDNA2008: RFC 5890, 5891; mapping of RFC 5895 and UTS 46 non-transitional).
//
// Ownership: results are values. Threads: pure functions. Errors: std::nullopt for what is no domain name.
// Limits: 255 octets in, labels of 63.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keystonemail::codec {

// The one form of a domain that is compared, stored and looked up: A-labels in lower case, no final dot.
// Letters, digits, hyphens and underscores only (RFC 5321 §4.1.2 plus what is seen in practice).
[[nodiscard]] std::optional<std::string> to_ascii_domain(std::string_view domain);
// With U-labels, for people to read. An A-label that does not decode stays as it is.
[[nodiscard]] std::string to_unicode_domain(std::string_view ascii_domain);

}  // namespace keystonemail::codec
