// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "sim/country.hpp"

#include <algorithm>
#include <iterator>

namespace keystonemail::sim {
namespace {

// Aliases that every site has: who gets it there, and who at the next site.
struct Alias {
  const char* name;
  std::vector<const char*> here;
  std::vector<const char*> next;
};
const Alias aliases[] = {
    {"team", {"ann", "ben"}, {}}, {"fwd", {}, {"ann"}},     {"both", {"ben"}, {"ben"}}, {"far", {}, {"fwd"}},
    {"gone", {}, {"nobody"}},     {"loop", {}, {"loop"}},
};

const Alias* find_alias(std::string_view name) {
  const auto found = std::ranges::find(aliases, name, [](const Alias& alias) { return std::string_view(alias.name); });
  return found == std::end(aliases) ? nullptr : found;
}
const Resident* find_resident(std::string_view name) {
  const auto found = std::ranges::find(residents, name, [](const Resident& resident) { return std::string_view(resident.name); });
  return found == std::end(residents) ? nullptr : found;
}
std::string_view name_in(std::string_view address) { return address.substr(0, address.find('@')); }

// Mail for these comes back: no such domain, a null MX (RFC 7505), a mail host without an address.
constexpr const char* hopeless_domains[] = {"nx.test", "null.test", "noaddr.test"};

}  // namespace

void Country::fill(test::FakeDirectory& directory, SiteNumber site) const {
  directory.domains = {domain(site)};
  for (const Resident& resident : residents) {
    const std::string address = std::string(resident.name) + "@" + domain(site);
    directory.add(resident.place, address, "secret of " + address);
  }
  for (const Alias& alias : aliases) {
    directory::Mailboxes& all = directory.aliases[std::string(alias.name) + "@" + domain(site)];
    for (const char* name : alias.here) {
      all.local.push_back({mailstore::AccountId{find_resident(name)->place}, std::string(name) + "@" + domain(site), {}});
    }
    for (const char* name : alias.next) all.remote.emplace_back(std::string(name) + "@" + domain(next(site)));
  }
}

dns::Zone Country::zone() const {
  std::string text = "$TTL 60\nnull MX 0 .\ndead MX 10 mx.dead\nmx.dead A 203.0.113.1\nnoaddr MX 10 mx.noaddr\nmx.noaddr TXT none\n"
                     "outside A 203.0.113.2\n";
  for (SiteNumber site = 0; site < sites_; ++site) {
    const std::string name(1, static_cast<char>('a' + site));
    text += name + " MX 10 mx." + name + "\n" + name + " MX 5 old." + name + "\n";
    text += "mx." + name + " A " + address(site).to_string() + "\nold." + name + " A 203.0.113.3\n";
  }
  return dns::Zone(dns::parse_zone(text, *dns::Name::parse("test")).value());
}

// The others refuse.
std::vector<IpAddress> Country::dead_addresses() { return {IpAddress::v4({203, 0, 113, 1})}; }

SiteNumber Country::site_of(std::string_view address) const {
  for (SiteNumber site = 0; site < sites_; ++site) {
    if (address.ends_with("@" + domain(site))) return site;
  }
  return outside;
}

std::vector<Target> Country::targets(SiteNumber site, const std::string& address) const {
  if (site_of(address) != site) return {address};
  std::vector<Target> all;
  const std::string_view name = name_in(address);
  if (const Resident* resident = find_resident(name)) all.emplace_back(resident->place);
  if (const Alias* alias = find_alias(name)) {
    for (const char* here : alias->here) all.emplace_back(find_resident(here)->place);
    for (const char* there : alias->next) all.emplace_back(std::string(there) + "@" + domain(next(site)));
  }
  return all;
}

bool Country::is_final(SiteNumber site, const std::string& address) const {
  const auto all = targets(site, address);
  return all.size() > 1 || (all.size() == 1 && std::holds_alternative<Place>(all.front()));
}

bool Country::is_hopeless(const std::string& address) const {
  const std::string_view name = name_in(address);
  if (name == "nobody" || name == "loop") return true;
  return std::ranges::any_of(hopeless_domains, [&](std::string_view one) { return address.ends_with(one); });
}

std::string Country::draw_address(SeededRandom& random) const {
  constexpr const char* names[] = {"ann", "ben", "cy", "team", "fwd", "both", "far", "gone", "ann", "ben", "nobody"};
  constexpr const char* others[] = {"x@nx.test", "x@null.test", "x@noaddr.test", "x@dead.test"};
  if (random.below(8) == 0) return others[random.below(std::size(others))];
  const SiteNumber site = random.below(sites_);
  if (random.below(60) == 0) return "loop@" + domain(site);
  return std::string(names[random.below(std::size(names))]) + "@" + domain(site);
}

}  // namespace keystonemail::sim
