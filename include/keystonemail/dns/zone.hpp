// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Zone files (RFC 1035 §5, with the TTL rules of RFC 2308 §4), and answers from one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string_view>
#include <vector>

#include "keystonemail/base/result.hpp"
#include "keystonemail/dns/answer.hpp"

namespace keystonemail::dns {

namespace limits {
inline constexpr std::size_t zone_octets_max = 16U << 20;
inline constexpr std::size_t zone_entry_tokens_max = 66'000;  // of one record: RDATA is no longer than that
inline constexpr std::uint32_t zone_ttl_default = 3'600;     // without $TTL and a TTL before it
}  // namespace limits

// Reads the records of a zone file. Names that do not end in a dot are below `origin`, until $ORIGIN says otherwise.
// Understood: $ORIGIN, $TTL, "@", an owner left out, parentheses, quoted strings, escapes, comments, TTLs such as 1h30m,
// and the form of RFC 3597 §5 for types unknown here. Classes other than IN and $INCLUDE are refused.
//
// Errors: invalid, with the line. Limits: dns::limits; linear.
[[nodiscard]] Result<std::vector<Record>> parse_zone(std::string_view text, const Name& origin = {});

// Zone answers questions from records, as the name servers of all of them would together: aliases are followed
// (RFC 1034 §3.6.2), wildcards expand (RFC 4592), a name with something below it exists. There are no delegations.
//
// Ownership: a value. Threads: immutable once made, but for add(). Limits: dns::limits::alias_links_max.
class Zone {
 public:
  Zone() = default;
  explicit Zone(std::vector<Record> records);

  void add(Record record);
  [[nodiscard]] Answer lookup(const Question& question) const;

 private:
  [[nodiscard]] const Name* closest_owner(const Name& name, Name& wildcard) const;
  [[nodiscard]] const Record* alias_of(const Name& owner) const;
  [[nodiscard]] std::chrono::seconds denial_ttl(const Name& name) const;

  std::multimap<Name, Record> records_;
  std::set<Name> names_;  // owners, and all names above them
};

}  // namespace keystonemail::dns
