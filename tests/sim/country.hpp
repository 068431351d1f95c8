// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Country: who lives where, in a world of several servers: the directory of each, the DNS of all, and what follows from
// them for an address.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "keystonemail/dns/zone.hpp"
#include "keystonemail/mailstore/mailstore.hpp"
#include "sim/hostile_network.hpp"
#include "sim/ledger.hpp"
#include "support/fake_directory.hpp"

namespace keystonemail::sim {

// Where mail for an address goes from a server: into a mailbox there, or to an address elsewhere.
using Target = std::variant<Place, std::string>;

struct Resident {
  Place place;
  const char* name;
  mailstore::Quota quota;
};
inline const Resident residents[] = {
    {1, "ann", {}},
    {2, "ben", {}},
    {3, "cy", {.octets_limit = 9'000, .messages_limit = 4}},
};

inline constexpr std::uint16_t smtp_port = 25, submission_port = 587;

class Country {
 public:
  explicit Country(std::size_t sites) : sites_(sites) {}

  [[nodiscard]] std::size_t sites() const noexcept { return sites_; }
  [[nodiscard]] static std::string domain(SiteNumber site) { return std::string(1, static_cast<char>('a' + site)) + ".test"; }
  [[nodiscard]] static std::string host(SiteNumber site) { return "mx." + domain(site); }
  [[nodiscard]] static IpAddress address(SiteNumber site) { return IpAddress::v4({192, 0, 2, static_cast<std::uint8_t>(site + 1)}); }
  [[nodiscard]] SiteNumber next(SiteNumber site) const noexcept { return (site + 1) % sites_; }

  void fill(test::FakeDirectory& directory, SiteNumber site) const;
  [[nodiscard]] dns::Zone zone() const;
  [[nodiscard]] static std::vector<IpAddress> dead_addresses();

  // The site that takes mail for the address; `outside` when none does.
  [[nodiscard]] SiteNumber site_of(std::string_view address) const;
  // At the site; nothing: it has no such user.
  [[nodiscard]] std::vector<Target> targets(SiteNumber site, const std::string& address) const;
  // Whether mail for it has arrived, for its sender, once the site has it: it is in a mailbox, or became several recipients
  // (RFC 3461 §5.2.7.3), rather than one elsewhere.
  [[nodiscard]] bool is_final(SiteNumber site, const std::string& address) const;
  // Whether a server may say at once that mail for it will never arrive.
  [[nodiscard]] bool is_hopeless(const std::string& address) const;
  // Whether its mailbox may be full.
  [[nodiscard]] static bool is_small(std::string_view address) { return address.starts_with("cy@"); }

  // Somebody, anybody, or nobody.
  [[nodiscard]] std::string draw_address(SeededRandom& random) const;

 private:
  [[nodiscard]] std::vector<std::string> forwarded(SiteNumber site, std::string_view name) const;

  std::size_t sites_;
};

}  // namespace keystonemail::sim
