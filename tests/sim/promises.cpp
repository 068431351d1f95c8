// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "sim/promises.hpp"

#include <algorithm>
#include <iterator>

namespace keystonemail::sim {
namespace {

using mailauth::mta_sts::Mode, mailauth::mta_sts::Policy;

enum class Aspect : std::uint8_t { zone, tlsa, certificate, policy, announcement, fetching };
constexpr const char* aspect_names[] = {"zone", "TLSA records", "certificate", "policy", "policy record", "policy host"};

// A domain below, or nobody's.
SiteNumber site_of_name(const Country& country, std::string_view name) {
  for (SiteNumber site = 0; site < country.sites(); ++site) {
    const std::string domain = Country::domain(site);
    if (name == domain || name.ends_with("." + domain)) return site;
  }
  return outside;
}

dns::Answer answer_of(const dns::Name& name, std::vector<dns::RecordData> records) {
  dns::Answer answer = dns::Answer::none(records.empty() ? dns::AnswerStatus::no_such_name : dns::AnswerStatus::found, name);
  answer.ttl = std::chrono::seconds(60);
  answer.records = std::move(records);
  return answer;
}

std::vector<dns::RecordData> tlsa_records(Promise::Tlsa tlsa) {
  using enum Promise::Tlsa;
  const auto end_entity = [](const crypto::PrivateKey& key) { return dns::Tlsa{3, 1, 1, key_digest(key)}; };
  switch (tlsa) {
    case none: return {};
    case first: return {end_entity(shared_key())};
    case second: return {end_entity(other_key())};
    case both: return {end_entity(shared_key()), end_entity(other_key())};
    case authority: return {dns::Tlsa{2, 1, 1, key_digest(authority_key())}};
    case unusable: return {dns::Tlsa{1, 1, 1, key_digest(shared_key())}};  // PKIX-EE (RFC 7672 §3.1.3)
  }
  __builtin_unreachable();
}

}  // namespace

bool is_trusted(Certificate certificate, WallTime when) noexcept {
  return certificate == Certificate::trusted || certificate == Certificate::renewed || (certificate == Certificate::brief && when < brief_certificate_end);
}

bool is_named_by(Promise::Tlsa tlsa, Certificate certificate, WallTime when) noexcept {
  using enum Promise::Tlsa;
  const bool has_second = certificate == Certificate::renewed || certificate == Certificate::misnamed;
  switch (tlsa) {
    case none: return false;
    case first: return !has_second;
    case second: return has_second;
    case both:
    case unusable: return true;  // whoever it is, encrypted
    case authority: return is_trusted(certificate, when);
  }
  __builtin_unreachable();
}

Promises::Promises(const Country& country, const test::SimExecutor& executor, bool is_weather, std::uint64_t seed)
    : country_(country), executor_(executor), random_(seed), history_(country.sites()) {
  for (SiteNumber site = 0; site < country.sites(); ++site) {
    Promise promise;
    if (is_weather) {
      const bool is_orderly = country.habits(site).tls == Habits::Tls::good && random_.below(2) == 0;
      using enum Aspect;
      for (const Aspect aspect : {zone, tlsa, certificate, policy}) draw(site, static_cast<std::uint64_t>(aspect), promise);
      if (is_orderly) {
        promise.certificate = Certificate::trusted;
        if (promise.tlsa == Promise::Tlsa::second) promise.tlsa = Promise::Tlsa::both;
      }
    }
    history_[site].emplace_back(WallTime::min(), std::move(promise));
  }
}

void Promises::draw(SiteNumber site, std::uint64_t aspect, Promise& promise) {
  const bool is_able = country_.habits(site).tls == Habits::Tls::good;
  switch (static_cast<Aspect>(aspect)) {
    case Aspect::zone: {
      using enum Promise::Zone;
      constexpr Promise::Zone choices[] = {unsigned_zone, unsigned_zone, unsigned_zone, unsigned_zone, signed_zone, signed_zone, signed_zone, signed_zone, bogus};
      promise.zone = choices[random_.below(std::size(choices))];
      return;
    }
    case Aspect::tlsa: {
      using enum Promise::Tlsa;
      constexpr Promise::Tlsa choices[] = {none, none, none, first, first, second, both, both, authority, unusable};
      promise.tlsa = !is_able && random_.below(4) != 0 ? none : choices[random_.below(std::size(choices))];
      return;
    }
    case Aspect::certificate: {
      using enum Certificate;
      constexpr Certificate choices[] = {trusted, trusted, trusted, renewed, renewed, brief, misnamed, self_signed};
      promise.certificate = choices[random_.below(std::size(choices))];
      return;
    }
    case Aspect::policy: {
      constexpr Mode modes[] = {Mode::none, Mode::testing, Mode::testing, Mode::enforce, Mode::enforce, Mode::enforce};
      constexpr int ages[] = {2'400, 30'000, 864'000};
      ++promise.policy_id;
      promise.is_announced = true;
      Policy drawn{.mode = modes[random_.below(std::size(modes))], .max_age = std::chrono::seconds(ages[random_.below(std::size(ages))]), .patterns = {}};
      if (!is_able && drawn.mode == Mode::enforce && random_.below(4) != 0) drawn.mode = Mode::testing;
      const std::string domain = Country::domain(site);
      if (drawn.mode != Mode::none) {
        if (random_.below(8) == 0) drawn.patterns = {"mx.elsewhere.test"};
        else drawn.patterns = {"mx." + domain, "old." + domain};
      }
      const bool is_new = promise.policy || random_.below(6) != 0;
      if (is_new) promise.policy = std::move(drawn);
      return;
    }
    case Aspect::announcement: promise.is_announced = !promise.is_announced; return;
    case Aspect::fetching: promise.can_be_fetched = !promise.can_be_fetched; return;
  }
}

std::string Promises::change() {
  const SiteNumber site = random_.below(country_.sites());
  const std::uint64_t aspect = random_.below(std::size(aspect_names));
  Promise promise = now(site);
  draw(site, aspect, promise);
  put(site, std::move(promise));
  return Country::domain(site) + " has a new " + aspect_names[aspect];
}

void Promises::settle() {
  for (SiteNumber site = 0; site < country_.sites(); ++site) {
    Promise promise = now(site);
    const bool is_able = country_.habits(site).tls == Habits::Tls::good;
    if (promise.zone == Promise::Zone::bogus) promise.zone = Promise::Zone::signed_zone;
    promise.certificate = Certificate::trusted;
    if (promise.tlsa == Promise::Tlsa::second) promise.tlsa = Promise::Tlsa::both;
    if (!is_able) promise.tlsa = Promise::Tlsa::none;
    if (promise.policy) {
      if (!is_able) promise.policy->mode = Mode::testing;
      if (promise.policy->mode != Mode::none) promise.policy->patterns = {"*." + Country::domain(site)};
      ++promise.policy_id;
    }
    promise.is_announced = promise.can_be_fetched = true;
    put(site, std::move(promise));
  }
}

std::vector<Promise> Promises::during(SiteNumber site, WallTime from, WallTime until) const {
  std::vector<Promise> held;
  for (const auto& [when, promise] : history_.at(site)) {
    if (when > until) break;
    if (when <= from) held.clear();
    held.push_back(promise);
  }
  return held;
}

Policy as_taken(Policy policy, Bug bug) {
  if (bug == Bug::enforces_tests && policy.mode == Mode::testing) policy.mode = Mode::enforce;
  return policy;
}

void Promises::learn(SiteNumber who, SiteNumber domain, Known known) {
  auto& all = known_[{who, domain}];
  all.emplace_back(all.empty() ? WallTime::min() : executor_.wall_now(), std::move(known));  // what it begins with it had before
}

std::vector<std::optional<Policy>> Promises::known(SiteNumber who, SiteNumber domain, WallTime from, WallTime until) const {
  std::vector<std::optional<Policy>> all{std::nullopt};
  const auto found = known_.find({who, domain});
  if (found == known_.end()) return all;
  for (auto it = found->second.begin(); it != found->second.end() && it->first <= until; ++it) {
    const auto& [when, known] = *it;
    const auto next = std::next(it);
    if (when <= from) all.clear();
    all.push_back(known.policy);
    const WallTime end = next == found->second.end() ? until : std::min(until, next->first);
    if (known.expires <= end) all.push_back(std::nullopt);
  }
  return all;
}

Task<Result<dns::Answer>> PromisingResolver::resolve(dns::Question question, Context context) {
  const std::string name = question.name.text();
  const SiteNumber site = site_of_name(promises_.country(), name);
  if (site == outside) co_return co_await inner_.resolve(std::move(question), context);
  const Promise promise = promises_.now(site);
  if (promise.zone == Promise::Zone::bogus) {
    ++struck_;
    co_return dns::Answer::none(dns::AnswerStatus::bogus, question.name);
  }
  const std::string domain = Country::domain(site);
  dns::Answer answer;
  if (question.type == dns::RecordType::tlsa && name == "_25._tcp.mx." + domain) {
    answer = answer_of(question.name, tlsa_records(promise.tlsa));
  } else if (question.type == dns::RecordType::txt && name == "_mta-sts." + domain) {
    std::vector<dns::RecordData> records;
    if (promise.policy && promise.is_announced) records.emplace_back(dns::Txt{{"v=STSv1; id=" + std::to_string(promise.policy_id) + ";"}});
    answer = answer_of(question.name, std::move(records));
  } else {
    auto asked = co_await inner_.resolve(std::move(question), context);
    if (!asked) co_return asked;
    answer = *std::move(asked);
  }
  answer.authenticated = promise.zone == Promise::Zone::signed_zone;
  co_return answer;
}

Task<web::FetchResult> PolicyHosts::fetch(web::FetchRequest request, Context context) {
  co_await weather_.pass(context);
  if (context.stop.stop_requested()) co_return std::unexpected(web::FetchError(web::FetchFault::cancelled));
  constexpr std::string_view begin = "https://mta-sts.";
  const std::string_view rest = std::string_view(request.url).substr(begin.size());
  const SiteNumber site = site_of_name(promises_.country(), rest.substr(0, rest.find('/')));
  if (site == outside) co_return std::unexpected(web::FetchError(web::FetchFault::name_not_found, request.url));
  const Promise& promise = promises_.now(site);
  if (!promise.can_be_fetched || weather_.strikes()) co_return std::unexpected(web::FetchError(web::FetchFault::certificate, "sim"));
  web::FetchResponse response{.status = promise.policy ? 200U : 404U, .headers = {}, .body = {}};
  if (!promise.policy) co_return response;
  Policy policy = *promise.policy;
  promises_.learn(who_, site, {.policy = policy, .expires = promises_.wall_now() + policy.max_age});
  response.headers.push_back({"Content-Type", "text/plain"});
  response.body = as_taken(std::move(policy), bug_).text();
  co_return response;
}

}  // namespace keystonemail::sim
