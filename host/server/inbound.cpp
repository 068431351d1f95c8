// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "server/inbound.hpp"

#include <utility>

#include "base/try.hpp"
#include "keystonemail/service/policies/access_rules.hpp"

namespace keystonemail::host {

namespace {

constexpr auto keep_interval = std::chrono::seconds(5);

// `options` for all but the exempt networks.
template <class Options>
Options with_exempt(Options options, const Config& config) {
  options.exempt = config.policy.exempt;
  return options;
}

policies::RateOptions rate_options(const Config& config) {
  auto options = with_exempt(config.policy.rates, config);
  options.connections_per_minute = static_cast<std::uint32_t>(config.limits.connections_per_minute);
  return options;
}

}  // namespace

Task<Result<std::unique_ptr<Inbound>>> Inbound::open(const Config& config, Stores& stores, resolver::Resolver& resolver, Context context) {
  std::unique_ptr<Inbound> inbound(new Inbound(stores, resolver));
  auto options = with_exempt(config.policy.greylisting, config);
  KM_CO_TRY(inbound->greylist_, co_await policies::Greylist::open(*stores.kv, stores.policy_tables.greylist, std::move(options), context));
  co_return std::move(inbound);
}

std::vector<std::shared_ptr<policy::Policy>> Inbound::policies(const Config& config) {
  rates_->set_options(rate_options(config));
  greylist_->set_options(with_exempt(config.policy.greylisting, config));
  stores_.sending->set_options(config.policy.sending);
  lists_ = std::make_shared<policies::DnsLists>(resolver_, *stores_.log, with_exempt(config.policy.lists, config));
  policies::OwnDomain own = [server = stores_.server.get()](std::string_view domain, Context context) {
    return server->directory().is_local_domain(domain, std::move(context));
  };
  std::vector<std::shared_ptr<policy::Policy>> all;
  all.push_back(std::make_shared<policies::AccessRules>(config.policy.access));  // first: it exempts from others
  all.push_back(rates_);
  all.push_back(std::make_shared<policies::Tarpit>(with_exempt(config.policy.tarpit, config)));
  all.push_back(std::make_shared<policies::HeloRules>(with_exempt(config.policy.helo, config)));
  all.push_back(std::make_shared<policies::SenderRules>(resolver_, std::move(own), with_exempt(config.policy.sender, config)));
  all.push_back(lists_);
  if (config.policy.greylist) all.push_back(greylist_);  // after those that speak for somebody
  all.push_back(stores_.sending);
  return all;
}

std::vector<policies::DnsLists::Standing> Inbound::lists() const { return lists_ ? lists_->standings() : std::vector<policies::DnsLists::Standing>(); }

void Inbound::start(Executor& executor) { running_.emplace(run(Context{&executor, stop_.get_token()})); }

void Inbound::stop() { stop_.request_stop(); }

Task<void> Inbound::finish() {
  if (!running_) co_return;
  Task<void> running = *std::exchange(running_, std::nullopt);
  co_await std::move(running);
}

Task<void> Inbound::run(Context context) {
  const Context until_done(context.executor);
  while (!context.stop.stop_requested()) {
    co_await sleep_until(context.executor->now() + keep_interval, context);
    co_await keep(until_done);
  }
}

Task<void> Inbound::keep(Context context) {
  const auto greylist = co_await greylist_->keep(context);
  const auto sending = co_await stores_.sending->keep(context);
  const bool failed = !greylist || !sending;
  if (failed && !std::exchange(is_failing_, failed))
    stores_.log->event(LogLevel::warning, "policies.not_kept", {{"why", (!greylist ? greylist : sending).error().describe()}});
  is_failing_ = failed;
}

}  // namespace keystonemail::host
