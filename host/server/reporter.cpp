// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "server/reporter.hpp"

#include <utility>

namespace keystonemail::host {
namespace {

reporting::FailureUse to_failure_use(FailureReports use) noexcept {
  switch (use) {
    case FailureReports::off: return reporting::FailureUse::off;
    case FailureReports::redacted: return reporting::FailureUse::redacted;
    case FailureReports::full: return reporting::FailureUse::full;
  }
  __builtin_unreachable();
}

reporting::Services reporting_services(Stores& stores, resolver::Resolver& resolver, web::Fetcher* fetcher, WorkerPool& workers) {
  reporting::Services out{stores.server->delivery(), stores.server->directory(), resolver, stores.random, *stores.log};
  out.keys = [&stores](std::string_view domain) { return stores.dkim ? stores.dkim->signer(domain) : nullptr; };
  out.fetcher = fetcher;
  out.workers = &workers;
  return out;
}

}  // namespace

reporting::Options reporting_options(const Config& config) {
  reporting::Options options;
  options.hostname = config.hostname;
  options.organization = config.reports.organization.empty() ? config.primary_domain : config.reports.organization;
  options.contact = config.reports.contact.empty() ? "postmaster@" + config.primary_domain : config.reports.contact;
  options.dmarc_address = config.reports.dmarc_address;
  options.tls_address = config.reports.tls_address;
  options.posts_to_private = config.reports.private_networks;
  options.keep = std::chrono::days(config.reports.keep_days);
  options.failures = to_failure_use(config.reports.failure);
  return options;
}

Reporter::Reporter(const Config& config, Stores& stores, resolver::Resolver& resolver, libuv::UvLoop& loop, web::Fetcher* fetcher)
    : loop_(loop), workers_({.threads = 1, .queue_max = 64}),
      reporting_(reporting_options(config), reporting_services(stores, resolver, fetcher, workers_), stores.server->reports()) {}

void Reporter::start() { running_.emplace(reporting_.run(Context{&loop_, stop_.get_token()})); }

void Reporter::stop() { stop_.request_stop(); }

Task<void> Reporter::finish() {
  if (!running_) co_return;
  Task<void> running = *std::exchange(running_, std::nullopt);
  co_await std::move(running);
}

}  // namespace keystonemail::host
