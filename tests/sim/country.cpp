// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "sim/country.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "keystonemail/smtp/path.hpp"
#include "sim/keys.hpp"

namespace keystonemail::sim {
namespace {

// Addresses that every site has and that lead to others: who gets it there, and who at the next site.
struct Alias {
  enum class Kind : std::uint8_t { alias, redirect, list };
  const char* name;
  std::vector<const char*> here;
  std::vector<const char*> next;
  Kind kind = Kind::alias;
};
const Alias aliases[] = {
    {"team", {"ann", "ben"}, {}},
    {"fwd", {}, {"ann"}},
    {"both", {"ben"}, {"ben"}},
    {"far", {}, {"fwd"}},
    {"gone", {}, {"nobody"}},
    {"loop", {}, {"loop"}},
    {"dan", {}, {"ben"}, Alias::Kind::redirect},
    {"eve", {"eve"}, {"ann"}, Alias::Kind::redirect},
    {"rex", {}, {"rex"}, Alias::Kind::redirect},
    {"chain", {}, {"dan"}},
    {"list", {"ben"}, {"ann", "ben"}, Alias::Kind::list},
    {"sick", {"ann"}, {"nobody", "dan"}, Alias::Kind::list},
    {"tolist", {}, {"list"}},
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

Habits draw_habits(SeededRandom& random) {
  using enum Habits::Tls;
  constexpr Habits::Tls offers[] = {none, good, good, good, broken};
  return {.tls = offers[random.below(std::size(offers))],
          .asks_for_tls = random.below(8) == 0,
          .has_lmtp_route = random.below(4) == 0,
          .lmtp_tls = static_cast<Habits::LmtpTls>(random.below(3)),
          .offers_deliver_by = random.below(3) != 0};
}

}  // namespace

std::shared_ptr<const forwarding::Forwarder> Country::make_forwarder(const std::string& domain, const crypto::PrivateKey& key) {
  forwarding::Options options;
  options.srs = mailauth::srs::Options{.domain = domain, .secrets = {"sixteen octets of " + domain}, .lifetime = std::chrono::days(180)};
  auto keys = std::make_shared<mailauth::dkim::SignerOptions>();
  keys->keys = {{.domain = domain, .selector = "sim", .key = key}};
  options.keys = [domain, keys](std::string_view asked) { return asked == domain ? keys : nullptr; };
  return forwarding::Forwarder::create(std::move(options)).value();
}

Country::Country(std::size_t sites, std::uint64_t seed) : sites_(sites) {
  SeededRandom random(seed);
  for (SiteNumber site = 0; site < sites; ++site) {
    habits_.push_back(draw_habits(random));
    forwarders_.push_back(make_forwarder(domain(site), shared_key()));
  }
}

void Country::fill(test::FakeDirectory& directory, SiteNumber site) const {
  directory.domains = {domain(site)};
  for (const Resident& resident : residents) {
    const std::string address = std::string(resident.name) + "@" + domain(site);
    directory.add(resident.place, address, "secret of " + address);
  }
  for (const Alias& alias : aliases) {
    const std::string own = std::string(alias.name) + "@" + domain(site);
    const std::string list = alias.kind == Alias::Kind::list ? own : "";
    directory::Mailboxes& all = directory.aliases[own];
    for (const char* name : alias.here) {
      all.local.push_back({mailstore::AccountId{find_resident(name)->place}, std::string(name) + "@" + domain(site), {}, list});
    }
    for (const char* name : alias.next) {
      directory::Mailboxes::Remote remote{.address = std::string(name) + "@" + domain(next(site)), .via = own, .list = list};
      if (alias.kind == Alias::Kind::redirect) {
        remote.account = mailstore::AccountId{find_resident(alias.name)->place};
        remote.is_copy = !alias.here.empty();
      }
      all.remote.push_back(std::move(remote));
    }
    if (!list.empty()) all.lists.push_back({list, "keeper@" + domain(site)});
  }
}

dns::Zone Country::zone() const {
  std::string text = "$TTL 60\nnull MX 0 .\ndead MX 10 mx.dead\nmx.dead A 203.0.113.1\nnoaddr MX 10 mx.noaddr\nmx.noaddr TXT none\n"
                     "outside A 203.0.113.2\noutside TXT \"v=spf1 +all\"\n";
  for (SiteNumber site = 0; site < sites_; ++site) {
    const std::string name(1, static_cast<char>('a' + site));
    text += name + " MX 10 mx." + name + "\n" + name + " MX 5 old." + name + "\n";
    text += name + " TXT \"v=spf1 +all\"\n" + "sim._domainkey." + name + " TXT ";
    for (std::size_t at = 0; at < shared_key_record().size(); at += 200) text += " \"" + shared_key_record().substr(at, 200) + "\"";
    text += "\nmx." + name + " A " + address(site).to_string() + "\nold." + name + " A 203.0.113.3\n";
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
  if (std::string original = original_of(site, address); original != address) {
    if (site_of(original) == site) return targets(site, original);
    all.emplace_back(std::move(original));
    return all;
  }
  const Resident* resident = find_resident(name);
  if (resident && !find_alias(name)) all.emplace_back(resident->place);
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

bool Country::is_expanded(SiteNumber site, const std::string& address) const {
  const Alias* alias = find_alias(name_in(address));
  return targets(site, address).size() > 1 && alias && alias->kind == Alias::Kind::alias;
}

const Resident* Country::redirected(SiteNumber site, std::string_view address) const {
  const Alias* alias = site_of(address) == site ? find_alias(name_in(address)) : nullptr;
  return alias && alias->kind == Alias::Kind::redirect ? find_resident(alias->name) : nullptr;
}

bool Country::is_hopeless(const std::string& address, bool has_sender) const {
  const std::string_view name = name_in(address);
  if (name == "nobody" || name == "loop" || name == "rex") return true;
  const Alias* alias = find_alias(name);
  if (!has_sender && alias && alias->kind == Alias::Kind::list) return true;  // no reports to lists
  return std::ranges::any_of(hopeless_domains, [&](std::string_view one) { return address.ends_with(one); });
}

std::string Country::original_of(SiteNumber site, const std::string& address) const {
  const auto path = smtp::parse_mailbox(address);
  if (!path) return address;
  const auto returned = forwarders_.at(site)->original_of(*path, std::chrono::sys_days(std::chrono::year{2026} / 4 / 1));
  const auto* original = std::get_if<forwarding::Original>(&returned);
  return original ? original->path.to_string() : address;
}

std::string Country::first_of(std::string address) const {
  for (std::string before; before != address;) {
    before = address;
    if (const SiteNumber site = site_of(address); site != outside) address = original_of(site, address);
  }
  return address;
}

bool Country::vouches_for(std::string_view address) const { return site_of(address) != outside || address.ends_with("@outside.test"); }

std::string Country::draw_address(SeededRandom& random) const {
  constexpr const char* names[] = {"ann", "ben",  "cy",  "team", "fwd", "both", "far",   "gone",  "ann",  "ben", "nobody",
                                   "dan", "dan",  "eve", "chain", "list", "list", "sick", "tolist"};
  constexpr const char* others[] = {"x@nx.test", "x@null.test", "x@noaddr.test", "x@dead.test"};
  if (random.below(8) == 0) return others[random.below(std::size(others))];
  const SiteNumber site = random.below(sites_);
  if (random.below(60) == 0) return (random.below(2) == 0 ? "loop@" : "rex@") + domain(site);
  return std::string(names[random.below(std::size(names))]) + "@" + domain(site);
}

}  // namespace keystonemail::sim
