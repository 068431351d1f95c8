// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/relay/host_finder.hpp"

#include <algorithm>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/service/relay/mail_exchangers.hpp"

namespace keystonemail::relay {

namespace {

// RFC 5321 §4.1.3: "[192.0.2.1]", "[IPv6:2001:db8::1]".
std::optional<IpAddress> literal_address(std::string_view domain) {
  if (domain.size() < 2 || !domain.starts_with('[') || !domain.ends_with(']')) return std::nullopt;
  domain = domain.substr(1, domain.size() - 2);
  if (istarts_with(domain, "IPv6:")) domain.remove_prefix(5);
  return IpAddress::parse(domain);
}

std::vector<IpAddress> addresses_in(const dns::Answer& answer) {
  std::vector<IpAddress> addresses;
  for (const dns::RecordData& data : answer.records) {
    if (const auto* a = std::get_if<dns::A>(&data)) addresses.push_back(a->address);
    if (const auto* aaaa = std::get_if<dns::Aaaa>(&data)) addresses.push_back(aaaa->address);
  }
  return addresses;
}

bool is_unspecified(const IpAddress& address) noexcept {
  return std::ranges::all_of(address.octets(), [](std::uint8_t octet) { return octet == 0; });
}

HostFailure said_by_us(smtp::Reply reply) { return {.reply = std::move(reply), .host = {}}; }

}  // namespace

// A failure that may pass is worth more than one that will not, and the first of its kind more than those after it.
void HostFinder::note(Search& search, HostFailure failure) {
  if (!search.failure || (!search.failure->reply.temporary() && failure.reply.temporary())) search.failure = std::move(failure);
}

bool HostFinder::is_ourselves(const Endpoint& endpoint) const noexcept {
  return std::ranges::any_of(options_.own_endpoints, [&](const Endpoint& own) {
    const bool here = own.address == endpoint.address || (is_unspecified(own.address) && endpoint.address.is_loopback());
    return own.port == endpoint.port && here;
  });
}

Task<dns::Answer> HostFinder::ask(dns::Name name, dns::RecordType type, Context context) {
  dns::Question question{.name = name, .type = type};
  const Context brief = context.until(context.executor->now() + options_.lookup_timeout);
  auto answer = co_await services_.resolver.resolve(std::move(question), brief);
  if (answer) co_return *std::move(answer);
  co_return unanswered(std::move(name));
}

Task<std::optional<smtp::Reply>> HostFinder::hosts_of(const std::string& domain, std::vector<dns::Name>& hosts, Context context) {
  const auto name = dns::Name::from_domain(domain);
  if (!name) {
    smtp::Reply reply{550, {5, 1, 2}, "Not a domain name: " + domain};
    co_return reply;
  }
  const auto answer = co_await ask(*name, dns::RecordType::mx, std::move(context));
  const dns::Name own = dns::Name::from_domain(options_.hostname).value_or(dns::Name());
  auto choice = choose_mail_hosts(*name, answer, own, services_.random);
  if (auto* none = std::get_if<NoMailHosts>(&choice)) co_return std::move(none->reply);
  hosts = std::move(std::get<MailHosts>(choice).hosts);
  co_return std::nullopt;
}

Task<Courier::Opened> HostFinder::open(std::string destination, Route route, Context context) {
  Search search{.route = std::move(route), .tries = 0, .failure = std::nullopt};
  const std::string target = search.route.host.empty() ? destination : search.route.host;
  auto address = literal_address(target);
  if (!address) address = IpAddress::parse(target);
  std::vector<dns::Name> hosts;
  if (address) {
    auto courier = co_await try_address(search, address->to_string(), *address, context);
    if (courier) co_return std::move(courier);
  } else if (!search.route.host.empty()) {
    hosts.push_back(dns::Name::from_domain(target).value_or(dns::Name()));
  } else if (auto problem = co_await hosts_of(destination, hosts, context)) {
    co_return said_by_us(*std::move(problem));
  }
  for (std::size_t i = 0; i < hosts.size() && search.tries < options_.addresses_per_attempt_max; ++i) {
    if (context.stop.stop_requested()) break;
    auto courier = co_await try_host(search, hosts[i], context);
    if (courier) co_return std::move(courier);
  }
  if (!search.failure) co_return said_by_us({451, {4, 3, 2}, "Stopped before it was tried"});
  co_return *std::move(search.failure);
}

// IPv4 first; IPv6 is looked up only when that leads nowhere, so that a broken one never stands in the way.
Task<std::unique_ptr<Courier>> HostFinder::try_host(Search& search, dns::Name host, Context context) {
  const auto a = co_await ask(host, dns::RecordType::a, context);
  const std::vector<IpAddress> first = addresses_in(a);
  for (const IpAddress& address : first) {
    auto courier = co_await try_address(search, host.text(), address, context);
    if (courier) co_return std::move(courier);
  }
  const auto aaaa = co_await ask(host, dns::RecordType::aaaa, context);
  const std::vector<IpAddress> second = addresses_in(aaaa);
  for (const IpAddress& address : second) {
    auto courier = co_await try_address(search, host.text(), address, context);
    if (courier) co_return std::move(courier);
  }
  if (first.empty() && second.empty()) note(search, said_by_us(reply_for_no_address(host, a, aaaa)));
  co_return nullptr;
}

Task<std::unique_ptr<Courier>> HostFinder::try_address(Search& search, std::string name, IpAddress address, Context context) {
  const std::uint16_t port = search.route.port;
  CourierTarget target{.host = {.name = std::move(name), .endpoint = {.address = address, .port = port}},
                       .protocol = search.route.protocol, .tls = search.route.tls, .login = search.route.login};
  if (is_ourselves(target.host.endpoint)) {
    note(search, said_by_us({554, {5, 4, 6}, "Mail to " + target.host.to_string() + " loops back to this server"}));
    co_return nullptr;
  }
  for (;;) {
    if (search.tries++ >= options_.addresses_per_attempt_max) co_return nullptr;
    CourierTarget attempt = target;
    auto opened = co_await Courier::open(courier_services_, std::move(attempt), context);
    if (auto* courier = std::get_if<std::unique_ptr<Courier>>(&opened)) co_return std::move(*courier);
    HostFailure& failure = std::get<HostFailure>(opened);
    const bool again = failure.handshake && target.tls == RouteTls::opportunistic && !target.login;
    note(search, std::move(failure));
    if (!again) co_return nullptr;
    target.tls = RouteTls::none;  // RFC 7435 §3: better in the clear than not at all, where nothing more is asked for
  }
}

}  // namespace keystonemail::relay
