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

TlsResult result_of(mta_sts::Problem problem) noexcept {
  switch (problem) {
    case mta_sts::Problem::fetch: return TlsResult::sts_policy_fetch_error;
    case mta_sts::Problem::certificate: return TlsResult::sts_webpki_invalid;
    case mta_sts::Problem::none:
    case mta_sts::Problem::policy: return TlsResult::sts_policy_invalid;
  }
  __builtin_unreachable();
}

// Of an answer that has them.
std::shared_ptr<DaneRecords> to_dane(const dns::Answer& answer) {
  auto dane = std::make_shared<DaneRecords>();
  std::vector<tls::TlsaRecord> all;
  for (const dns::RecordData& data : answer.records) {
    const auto* tlsa = std::get_if<dns::Tlsa>(&data);
    if (tlsa == nullptr) continue;
    all.push_back({tlsa->usage, tlsa->selector, tlsa->matching_type, tlsa->data});
    dane->texts.push_back(dns::to_string(data));
  }
  dane->usable = tls::usable_tlsa(all);
  return dane;
}

void add_once(std::vector<std::string>& names, const std::string& name) {
  if (std::ranges::find(names, name) == names.end()) names.push_back(name);
}

}  // namespace

// A failure that may pass is worth more than one that will not, and the first of its kind more than those after it.
void HostFinder::note(Search& search, HostFailure failure) {
  if (!search.failure || (!search.failure->reply.temporary() && failure.reply.temporary())) search.failure = std::move(failure);
}

bool HostFinder::is_ourselves(const Endpoint& endpoint) const noexcept {
  return std::ranges::any_of(options_.own_endpoints, [&](const Endpoint& own) {
    // What connects to no address in particular comes out here.
    const bool is_this_machine = endpoint.address.is_loopback() || is_unspecified(endpoint.address);
    const bool here = own.address == endpoint.address || (is_this_machine && (is_unspecified(own.address) || is_unspecified(endpoint.address)));
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

Task<std::optional<smtp::Reply>> HostFinder::hosts_of(Search& search, std::vector<dns::Name>& hosts, Context context) {
  const auto name = dns::Name::from_domain(search.domain);
  if (!name) {
    smtp::Reply reply{550, {5, 1, 2}, "Not a domain name: " + search.domain};
    co_return reply;
  }
  const auto answer = co_await ask(*name, dns::RecordType::mx, context);
  if (answer.status == dns::AnswerStatus::bogus) {
    TlsSession session{.policy_type = TlsPolicyType::tlsa, .result = TlsResult::dnssec_invalid, .detail = "MX records are bogus"};
    observe(search, std::move(session), context);
  }
  const dns::Name own = dns::Name::from_domain(options_.hostname).value_or(dns::Name());
  auto choice = choose_mail_hosts(*name, answer, own, services_.random);
  if (auto* none = std::get_if<NoMailHosts>(&choice)) co_return std::move(none->reply);
  search.is_from_mx = !std::get<MailHosts>(choice).implicit;
  search.is_mx_signed = answer.authenticated;
  if (search.is_from_mx && search.is_mx_signed) {
    search.domain_names.push_back(name->text());
    add_once(search.domain_names, answer.canonical_name.text());
  }
  hosts = std::move(std::get<MailHosts>(choice).hosts);
  co_return std::nullopt;
}

// RFC 8461 §3.4: of a smarthost, the policy of its own name.
Task<void> HostFinder::find_policy(Search& search, Context context) {
  const bool is_wanted = services_.mta_sts != nullptr && services_.tls && search.route.tls != RouteTls::none &&
                         search.demand != TlsDemand::optional && search.route.protocol == smtp::Protocol::smtp;
  auto name = dns::Name::from_domain(search.route.host.empty() ? search.domain : search.route.host);
  if (!is_wanted || !name || name->is_root()) co_return;
  search.sts = co_await services_.mta_sts->find(*std::move(name), context);
  if (search.sts.problem == mta_sts::Problem::none) co_return;
  TlsSession session{.policy_type = TlsPolicyType::sts, .result = result_of(search.sts.problem), .detail = search.sts.detail};
  observe(search, std::move(session), context);
}

Task<Courier::Opened> HostFinder::open(std::string destination, Route route, TlsDemand demand, Context context) {
  Search search{.domain = std::move(destination), .route = std::move(route), .demand = demand, .domain_names = {}, .sts = {}, .failure = std::nullopt};
  search.end = context.executor->now() + options_.search_time_max;
  const std::string& where = search.route.host.empty() ? search.domain : search.route.host;
  const auto literal = search.route.host.empty() ? literal_address(where) : IpAddress::parse(where);
  if (literal) {  // RFC 7672 §2.2, RFC 8461 §3.4: neither speaks of addresses
    auto rules = rules_for({.configured = search.route.tls, .demand = search.demand});
    if (auto* refused = std::get_if<smtp::Reply>(&rules)) co_return said_by_us(std::move(*refused));
    const Candidate candidate{.name = literal->to_string(), .dane = nullptr, .rules = std::get<SessionRules>(rules)};
    auto courier = co_await try_address(search, candidate, *literal, context);
    if (courier) co_return std::move(courier);
    co_return *std::move(search.failure);
  }
  std::vector<dns::Name> hosts;
  if (!search.route.host.empty()) {
    auto name = dns::Name::from_domain(search.route.host);
    if (!name) co_return said_by_us({550, {5, 4, 4}, "Not a host name: " + search.route.host});
    hosts.push_back(*std::move(name));
  } else if (auto problem = co_await hosts_of(search, hosts, context)) {
    co_return said_by_us(*std::move(problem));
  }
  co_await find_policy(search, context);
  if (!search.sts.is_known) co_return said_by_us({451, {4, 3, 0}, "The MTA-STS policies kept here cannot be read now"});
  for (std::size_t i = 0; i < hosts.size() && search.tries < options_.addresses_per_attempt_max; ++i) {
    if (context.stop.stop_requested() || context.executor->now() >= search.end) break;
    auto courier = co_await try_host(search, hosts[i], context);
    if (courier) co_return std::move(courier);
  }
  if (!search.failure) co_return said_by_us({451, {4, 3, 2}, "Stopped before it was tried"});
  co_return *std::move(search.failure);
}

// IPv4 first; IPv6 is looked up only when that leads nowhere, so that a broken one never stands in the way.
Task<std::unique_ptr<Courier>> HostFinder::try_host(Search& search, dns::Name host, Context context) {
  std::optional<Candidate> candidate;
  const auto a = co_await ask(host, dns::RecordType::a, context);
  const std::vector<IpAddress> first = addresses_in(a);
  if (!first.empty()) {
    candidate = co_await consider(search, host, a, context);
    if (!candidate) co_return nullptr;
  }
  for (const IpAddress& address : first) {
    auto courier = co_await try_address(search, *candidate, address, context);
    if (courier) co_return std::move(courier);
  }
  const auto aaaa = co_await ask(host, dns::RecordType::aaaa, context);
  const std::vector<IpAddress> second = addresses_in(aaaa);
  if (!second.empty() && !candidate) {
    candidate = co_await consider(search, host, aaaa, context);
    if (!candidate) co_return nullptr;
  }
  for (const IpAddress& address : second) {
    auto courier = co_await try_address(search, *candidate, address, context);
    if (courier) co_return std::move(courier);
  }
  if (first.empty() && second.empty()) note(search, said_by_us(reply_for_no_address(host, a, aaaa)));
  co_return nullptr;
}

// What a session with the host must be like; nothing, after it has been noted why, when there may be none.
Task<std::optional<HostFinder::Candidate>> HostFinder::consider(Search& search, dns::Name host, dns::Answer addresses, Context context) {
  Candidate candidate{.name = host.text(), .sts = sts_stand(search.sts.policy, host), .dane = nullptr, .rules = {}};
  if (looks_for_dane(search)) {
    auto found = co_await find_dane(search, host, std::move(addresses), context);
    if (auto* failure = std::get_if<HostFailure>(&found)) {
      note(search, std::move(*failure));
      co_return std::nullopt;
    }
    candidate.dane = std::get<std::shared_ptr<const DaneRecords>>(std::move(found));
  }
  if (candidate.sts == StsStand::testing_stranger || candidate.sts == StsStand::enforced_stranger) {
    TlsSession session{.policy_type = TlsPolicyType::sts, .mx_host = candidate.name, .result = TlsResult::validation_failure, .detail = "the policy does not name the host"};
    observe(search, std::move(session), context);
  }
  auto rules = rules_for({.configured = search.route.tls, .demand = search.demand, .is_from_mx = search.is_from_mx,
                          .is_mx_signed = search.is_mx_signed, .dane = candidate.dane.get(), .sts = candidate.sts});
  if (auto* refused = std::get_if<smtp::Reply>(&rules)) {
    if (search.route.tls == RouteTls::dane && search.demand != TlsDemand::required) {
      TlsSession session{.policy_type = TlsPolicyType::tlsa, .mx_host = candidate.name, .result = TlsResult::dane_required};
      observe(search, std::move(session), context);
    }
    refused->text = candidate.name + ": " + refused->text;
    note(search, said_by_us(std::move(*refused)));
    co_return std::nullopt;
  }
  candidate.rules = std::get<SessionRules>(rules);
  co_return candidate;
}

// --- DANE (RFC 7672 §2.2.2, §2.2.3) ---

bool HostFinder::looks_for_dane(const Search& search) const noexcept {
  return options_.use_dane && services_.tls && search.route.tls != RouteTls::none && search.demand != TlsDemand::optional &&
         search.route.protocol == smtp::Protocol::smtp;
}

Task<HostFinder::Records> HostFinder::find_dane(const Search& search, dns::Name host, dns::Answer addresses, Context context) {
  std::vector<dns::Name> bases;
  const bool is_alias = addresses.canonical_name != host;
  if (addresses.authenticated) {
    bases.push_back(addresses.canonical_name);
    if (is_alias) bases.push_back(host);
  } else if (is_alias) {  // the alias itself may be signed though it leads out of what is
    const auto alias = co_await ask(host, dns::RecordType::cname, context);
    if (dns::is_temporary(alias.status)) {
      HostFailure failure = said_by_us({451, {4, 4, 3}, "DNS lookup of " + host.text() + " failed: " + std::string(to_string(alias.status))});
      co_return failure;
    }
    if (alias.status == dns::AnswerStatus::found && alias.authenticated) bases.push_back(host);
  }
  co_return co_await dane_at(search, std::move(host), std::move(bases), std::move(context));
}

// The first base with records counts. No answer is no licence to go on without (RFC 7672 §2.1.2).
Task<HostFinder::Records> HostFinder::dane_at(const Search& search, dns::Name host, std::vector<dns::Name> bases, Context context) {
  const std::string prefix = "_" + std::to_string(search.route.port) + "._tcp";
  for (const dns::Name& base : bases) {
    const auto name = base.prefixed(prefix);
    if (!name) continue;
    const auto answer = co_await ask(*name, dns::RecordType::tlsa, context);
    if (dns::is_temporary(answer.status)) {
      if (answer.status == dns::AnswerStatus::bogus) {
        TlsSession session{.policy_type = TlsPolicyType::tlsa, .mx_host = host.text(), .result = TlsResult::dnssec_invalid, .detail = "TLSA records are bogus"};
        observe(search, std::move(session), context);
      }
      HostFailure failure = said_by_us({451, {4, 7, 5}, "TLSA lookup of " + name->text() + " failed: " + std::string(to_string(answer.status))});
      co_return failure;
    }
    if (answer.status != dns::AnswerStatus::found || !answer.authenticated) continue;
    auto found = to_dane(answer);
    found->base = base.text();
    found->names.push_back(base.text());
    if (!search.is_from_mx) add_once(found->names, host.text());
    for (const std::string& own : search.domain_names) add_once(found->names, own);
    co_return std::shared_ptr<const DaneRecords>(std::move(found));
  }
  co_return std::shared_ptr<const DaneRecords>();
}

// --- Sessions ---

Task<std::unique_ptr<Courier>> HostFinder::try_address(Search& search, const Candidate& candidate, IpAddress address, Context context) {
  CourierTarget target{.host = {.name = candidate.name, .endpoint = {.address = address, .port = search.route.port}},
                       .protocol = search.route.protocol, .tls = search.route.tls, .login = search.route.login,
                       .rules = candidate.rules, .dane = candidate.dane, .is_host_trusted = !search.is_from_mx || search.is_mx_signed};
  if (is_ourselves(target.host.endpoint)) {
    note(search, said_by_us({554, {5, 4, 6}, "Mail to " + target.host.to_string() + " loops back to this server"}));
    co_return nullptr;
  }
  for (;;) {
    const bool is_late = search.failure && context.executor->now() >= search.end;
    if (search.tries++ >= options_.addresses_per_attempt_max || is_late) co_return nullptr;
    CourierTarget attempt = target;
    auto opened = co_await Courier::open(courier_services_, std::move(attempt), context);
    if (auto* courier = std::get_if<std::unique_ptr<Courier>>(&opened)) {
      observe(search, candidate, target.host.endpoint, (*courier)->tls(), context);
      co_return std::move(*courier);
    }
    HostFailure& failure = std::get<HostFailure>(opened);
    observe(search, candidate, target.host.endpoint, failure.tls, context);
    const bool again = failure.handshake && target.tls == RouteTls::opportunistic && !target.rules.has_to_be_encrypted && !target.login;
    note(search, std::move(failure));
    if (!again) co_return nullptr;
    target.tls = RouteTls::none;  // RFC 7435 §3: better in the clear than not at all, where nothing more is asked for
  }
}

// --- What reports count (RFC 8460) ---

void HostFinder::observe(const Search& search, const Candidate& candidate, const Endpoint& endpoint, const SessionFacts& facts, Context context) {
  const auto tell = [&](TlsPolicyType policy, const DaneRecords* dane) {
    const auto result = result_for(policy, facts, dane);
    if (!result) return;
    TlsSession session{.policy_type = policy, .mx_host = candidate.name, .receiving_ip = endpoint.address, .sending_ip = facts.local, .result = *result, .detail = facts.detail};
    if (dane != nullptr) {
      session.policy_strings = dane->texts;
      session.mx_patterns = {candidate.name};
    }
    if (*result == TlsResult::tlsa_invalid && dane != nullptr && dane->usable.empty()) session.detail = "no TLSA record is usable";
    observe(search, std::move(session), context);
  };
  const bool has_sts = candidate.sts == StsStand::testing || candidate.sts == StsStand::enforced;
  if (candidate.dane) tell(TlsPolicyType::tlsa, candidate.dane.get());
  if (has_sts) tell(TlsPolicyType::sts, nullptr);
  const bool is_told = candidate.sts != StsStand::none;
  if (!candidate.dane && !is_told) tell(TlsPolicyType::no_policy_found, nullptr);
}

void HostFinder::observe(const Search& search, TlsSession session, Context context) {
  if (services_.tls_observer == nullptr || !search.route.host.empty()) return;
  if (search.demand == TlsDemand::optional) return;  // a report on TLS is in no report itself (RFC 8460 §3)
  const auto name = dns::Name::from_domain(search.domain);
  if (!name) return;  // an address literal has no policy
  session.when = context.executor->wall_now();
  session.policy_domain = name->text();
  if (session.policy_type == TlsPolicyType::sts && search.sts.policy) {
    session.policy_strings = search.sts.policy->lines();
    session.mx_patterns = search.sts.policy->patterns;
  }
  services_.tls_observer->observed(session);
}

}  // namespace keystonemail::relay
