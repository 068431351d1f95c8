// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Domain names as the DNS knows them (RFC 1034 §3.1, RFC 1035 §2.3.4 and §3.1).
#pragma once

#include <compare>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/ip_address.hpp"

namespace keystonemail::dns {

namespace limits {
inline constexpr std::size_t label_octets_max = 63;        // RFC 1035 §2.3.4
inline constexpr std::size_t name_octets_max = 255;        // the same, in wire form with the root's zero octet
inline constexpr std::size_t name_labels_max = 127;        // what those two leave room for
static_assert(name_labels_max * 2 + 1 <= name_octets_max);
}  // namespace limits

// An absolute name in lower case, so that comparing two is comparing octets. Labels may hold any octet.
//
// Ownership: a value. Threads: immutable once made. Errors: std::nullopt for what is no name.
// Limits: dns::limits.
class Name {
 public:
  Name() = default;  // the root
  // Text as in a zone file (RFC 1035 §5.1): \X and \DDD are escapes, a final dot changes nothing.
  [[nodiscard]] static std::optional<Name> parse(std::string_view text);
  // A domain of an address or of a host: U-labels become A-labels (RFC 5891 §4); letters, digits, hyphens and
  // underscores only, so that nothing else that a peer sent is ever looked up.
  [[nodiscard]] static std::optional<Name> from_domain(std::string_view domain);
  // The labels as they are, first the leftmost.
  [[nodiscard]] static std::optional<Name> from_labels(std::span<const std::string_view> labels);

  // Without the final dot, "." for the root. A dot or backslash within a label, and what cannot be printed, is escaped.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] bool is_root() const noexcept { return text_ == "."; }
  [[nodiscard]] std::size_t label_count() const noexcept;
  // The labels unescaped, first the leftmost.
  [[nodiscard]] std::vector<std::string> labels() const;
  // Without its leftmost label. REQUIRES: not the root.
  [[nodiscard]] Name parent() const;
  // Whether it is `ancestor` or below it.
  [[nodiscard]] bool is_within(const Name& ancestor) const noexcept;
  // `prefix`, as in a zone file, put before it: "_dmarc" before "example.com".
  [[nodiscard]] std::optional<Name> prefixed(std::string_view prefix) const;
  // RFC 1035 §3.1, not compressed.
  [[nodiscard]] std::string wire() const;

  friend auto operator<=>(const Name&, const Name&) = default;

 private:
  std::string text_ = ".";
};

// Where the PTR records of an address are: in-addr.arpa (RFC 1035 §3.5), ip6.arpa (RFC 3596 §2.5).
[[nodiscard]] Name reverse_name(const IpAddress& address);

}  // namespace keystonemail::dns
