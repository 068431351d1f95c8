// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Policies: the MTA-STS policies of the domains that get our mail (RFC 8461): found, fetched, kept in the store, and
// refreshed long before they expire, so that whoever suppresses a lookup or a fetch for a while gains nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/base/log.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/dns/name.hpp"
#include "keystonemail/kv/kv.hpp"
#include "keystonemail/mailauth/mta_sts/policy.hpp"
#include "keystonemail/resolver/resolver.hpp"
#include "keystonemail/service/web/fetcher.hpp"

namespace keystonemail::mta_sts {

inline constexpr std::string_view table_name = "mta_sts.policy";  // lib/service/mta_sts/FORMAT.md

struct Options {
  kv::Table table{};
  std::uint16_t port = 443;                     // of policy hosts
  std::chrono::seconds lookup_timeout{30};      // of the question for the record
  std::chrono::seconds fetch_timeout{60};       // RFC 8461 §3.3
  std::chrono::seconds check_interval{60};      // a record is looked at again no sooner
  std::chrono::seconds failure_wait{300};       // RFC 8461 §3.3: before another fetch for the same id
  std::chrono::hours refresh_interval{24};      // RFC 8461 §3.3
  std::chrono::hours unused_max{30 * 24};       // what got no mail for so long is left to expire
  std::size_t domains_max = 10'000;             // beyond: the one that was used least lately goes
  std::size_t octets_max = 16U << 20;           // of all policies together
};

// Ownership: borrowed; outlives the policies.
struct Services {
  kv::Store& store;
  resolver::Resolver& resolver;
  web::Fetcher& fetcher;
  Log& log;
};

// Why the policy that a domain announces could not be had (RFC 8460 §4.3.2.2).
enum class Problem : std::uint8_t {
  none,
  fetch,        // sts-policy-fetch-error
  certificate,  // sts-webpki-invalid
  policy,       // sts-policy-invalid
};

struct Finding {
  std::optional<mailauth::mta_sts::Policy> policy;  // the newest that we could get, not expired
  Problem problem = Problem::none;
  std::string detail;                               // of the problem, for people
  bool is_known = true;                             // false: the store cannot be read now, and may have a policy that holds
};

// Threads: its executor's. Errors: none; what cannot be had is not there, or was there before (RFC 8461 §3.3), or is not known.
// Limits: Options; one lookup and one fetch at a time for each domain, however many ask.
class Policies {
 public:
  Policies(Options options, Services services);
  ~Policies();

  // What holds for mail to `domain` now. Looks whether there is a newer one first, and waits for it.
  [[nodiscard]] Task<Finding> find(dns::Name domain, Context context);
  // Keeps what is there fresh, until the context is stopped.
  [[nodiscard]] Task<void> run(Context context);

  [[nodiscard]] std::size_t size() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keystonemail::mta_sts
