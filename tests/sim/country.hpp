// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Country: who lives where, in a world of several servers: the directory and the habits of each, the DNS of all, and what follows
// from them for an address.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "keystonemail/dns/zone.hpp"
#include "keystonemail/mailstore/mailstore.hpp"
#include "keystonemail/service/forwarding/forwarder.hpp"
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
    {4, "dan", {}},     // is forwarded to the next site
    {5, "eve", {}},     // the same, and keeps a copy
    {6, "rex", {}},     // is forwarded to the one of that name, round and round
    {7, "keeper", {}},  // looks after the lists
};

inline constexpr std::uint16_t smtp_port = 25, submission_port = 587, lmtp_port = 24;

// How a server talks to others.
struct Habits {
  enum class Tls : std::uint8_t { none, good, broken };
  Tls tls = Tls::none;          // that it offers
  bool asks_for_tls = false;    // it gives mail to nobody in the clear, but where it has a route
  bool has_lmtp_route = false;  // to the next site
  enum class LmtpTls : std::uint8_t { opportunistic, required, verified };
  LmtpTls lmtp_tls = LmtpTls::opportunistic;  // on that route
  bool offers_deliver_by = false;
};

class Country {
 public:
  Country(std::size_t sites, std::uint64_t seed);

  [[nodiscard]] std::size_t sites() const noexcept { return sites_; }
  [[nodiscard]] const Habits& habits(SiteNumber site) const { return habits_.at(site); }
  [[nodiscard]] static std::string domain(SiteNumber site) { return std::string(1, static_cast<char>('a' + site)) + ".test"; }
  [[nodiscard]] static std::string host(SiteNumber site) { return "mx." + domain(site); }
  [[nodiscard]] static IpAddress address(SiteNumber site) { return IpAddress::v4({192, 0, 2, static_cast<std::uint8_t>(site + 1)}); }
  [[nodiscard]] SiteNumber next(SiteNumber site) const noexcept { return (site + 1) % sites_; }

  void fill(test::FakeDirectory& directory, SiteNumber site) const;
  [[nodiscard]] dns::Zone zone() const;
  [[nodiscard]] static std::vector<IpAddress> dead_addresses();
  // What a site with that key gives mail that it passes on.
  [[nodiscard]] static std::shared_ptr<const forwarding::Forwarder> make_forwarder(const std::string& domain, const crypto::PrivateKey& key);
  // The site's own.
  [[nodiscard]] std::shared_ptr<const forwarding::Forwarder> forwarder(SiteNumber site) const { return forwarders_.at(site); }

  // The site that takes mail for the address; `outside` when none does.
  [[nodiscard]] SiteNumber site_of(std::string_view address) const;
  // At the site; nothing: it has no such user.
  [[nodiscard]] std::vector<Target> targets(SiteNumber site, const std::string& address) const;
  // Whether mail for it has arrived, for its sender, once the site has it: it is in a mailbox, or became several recipients
  // (RFC 3461 §5.2.7.3), rather than one elsewhere.
  [[nodiscard]] bool is_final(SiteNumber site, const std::string& address) const;
  // Whether that is told as "expanded" then: it is neither a list nor somebody who keeps a copy.
  [[nodiscard]] bool is_expanded(SiteNumber site, const std::string& address) const;
  // Whether an account is forwarded there: what comes again is not passed on again, but stays (attack E2). Whose it is.
  [[nodiscard]] const Resident* redirected(SiteNumber site, std::string_view address) const;
  // Whether a server may say at once that mail from this sender for it will never arrive.
  [[nodiscard]] bool is_hopeless(const std::string& address, bool has_sender) const;
  // Whom a sender that a site made (SRS) stands for; the address itself when it is none.
  [[nodiscard]] std::string original_of(SiteNumber site, const std::string& address) const;
  // The same, through all the sites that passed the message on.
  [[nodiscard]] std::string first_of(std::string address) const;
  // Whether the DNS vouches for whatever comes from it (SPF).
  [[nodiscard]] bool vouches_for(std::string_view address) const;
  // Whether its mailbox may be full.
  [[nodiscard]] static bool is_small(std::string_view address) { return address.starts_with("cy@"); }

  // Somebody, anybody, or nobody.
  [[nodiscard]] std::string draw_address(SeededRandom& random) const;

 private:
  std::size_t sites_;
  std::vector<Habits> habits_;
  std::vector<std::shared_ptr<const forwarding::Forwarder>> forwarders_;
};

}  // namespace keystonemail::sim
