// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Promises: what each domain says of its mail host, by DNSSEC, TLSA records and an MTA-STS policy, and which certificate the host
// shows; how that changes while mail is under way; and what held at which time, for whoever has to judge it afterwards.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "keystonemail/kv/kv.hpp"
#include "keystonemail/mailauth/mta_sts/policy.hpp"
#include "keystonemail/resolver/resolver.hpp"
#include "keystonemail/service/web/fetcher.hpp"
#include "sim/country.hpp"
#include "sim/faulty_ports.hpp"
#include "sim/keys.hpp"
#include "support/sim_executor.hpp"

namespace keystonemail::sim {

struct Promise {
  enum class Zone : std::uint8_t { unsigned_zone, signed_zone, bogus };
  enum class Tlsa : std::uint8_t { none, first, second, both, authority, unusable };  // whose key they name
  Zone zone = Zone::unsigned_zone;
  Tlsa tlsa = Tlsa::none;
  Certificate certificate = Certificate::trusted;
  std::optional<mailauth::mta_sts::Policy> policy;  // none: the domain never had one
  unsigned policy_id = 1;
  bool is_announced = true;    // false: somebody keeps the record back
  bool can_be_fetched = true;
  [[nodiscard]] bool has_dane() const noexcept { return zone != Zone::unsigned_zone && tlsa != Tlsa::none; }
};

// Whether the certificate, shown at that time, proves that it is the host: to those who trust the authority; by the TLSA records.
[[nodiscard]] bool is_trusted(Certificate certificate, WallTime when) noexcept;
[[nodiscard]] bool is_named_by(Promise::Tlsa tlsa, Certificate certificate, WallTime when) noexcept;

class Promises {
 public:
  Promises(const Country& country, const test::SimExecutor& executor, bool is_weather, std::uint64_t seed);

  // Something changes somewhere. What is said of it.
  std::string change();
  // Everything is in good order from now on.
  void settle();

  [[nodiscard]] const Promise& now(SiteNumber site) const { return history_.at(site).back().second; }
  // All that held some time from then to then.
  [[nodiscard]] std::vector<Promise> during(SiteNumber site, WallTime from, WallTime until) const;
  [[nodiscard]] const Country& country() const noexcept { return country_; }
  [[nodiscard]] WallTime wall_now() const { return executor_.wall_now(); }

  // What a site has of another's policy from now on; the first time, since ever.
  struct Known {
    std::optional<mailauth::mta_sts::Policy> policy;
    WallTime expires = WallTime::max();
  };
  void learn(SiteNumber who, SiteNumber domain, Known known);
  // All that it knew some time from then to then; nothing among it: it had none.
  [[nodiscard]] std::vector<std::optional<mailauth::mta_sts::Policy>> known(SiteNumber who, SiteNumber domain, WallTime from, WallTime until) const;

 private:
  void draw(SiteNumber site, std::uint64_t aspect, Promise& promise);
  void put(SiteNumber site, Promise promise) { history_.at(site).emplace_back(executor_.wall_now(), std::move(promise)); }

  const Country& country_;
  const test::SimExecutor& executor_;
  SeededRandom random_;
  std::vector<std::vector<std::pair<WallTime, Promise>>> history_;  // by site, the first since ever
  std::map<std::pair<SiteNumber, SiteNumber>, std::vector<std::pair<WallTime, Known>>> known_;
};

// The DNS of the country with its promises in it.
class PromisingResolver final : public resolver::Resolver {
 public:
  PromisingResolver(resolver::Resolver& inner, const Promises& promises, std::uint64_t& struck) : inner_(inner), promises_(promises), struck_(struck) {}
  Task<Result<dns::Answer>> resolve(dns::Question question, Context context) override;

 private:
  resolver::Resolver& inner_;
  const Promises& promises_;
  std::uint64_t& struck_;
};

// As a server with that bug understands it.
[[nodiscard]] mailauth::mta_sts::Policy as_taken(mailauth::mta_sts::Policy policy, Bug bug);

// The policy hosts, as one site sees them. What it gets it knows.
class PolicyHosts final : public web::Fetcher {
 public:
  PolicyHosts(Promises& promises, SiteNumber who, PortWeather& weather, Bug bug) : promises_(promises), who_(who), weather_(weather), bug_(bug) {}
  Task<web::FetchResult> fetch(web::FetchRequest request, Context context) override;

 private:
  Promises& promises_;
  SiteNumber who_;
  PortWeather& weather_;
  Bug bug_;
};

}  // namespace keystonemail::sim
