// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "server/policies.hpp"

#include <utility>
#include <vector>

#include "base/format.hpp"
#include "keystonemail/service/authentication/checks.hpp"
#include "keystonemail/service/authentication/signing.hpp"
#include "keystonemail/service/milter/milter.hpp"
#include "keystonemail/service/reports/reporting.hpp"

namespace keystonemail::host {

namespace {

milter::FailureAction failure_action(MilterFailure failure) {
  switch (failure) {
    case MilterFailure::tempfail: return milter::FailureAction::tempfail;
    case MilterFailure::accept: return milter::FailureAction::accept;
    case MilterFailure::reject: return milter::FailureAction::reject;
    case MilterFailure::quarantine: return milter::FailureAction::quarantine;
  }
  return milter::FailureAction::tempfail;
}

milter::Options milter_options(const Config& config, const MilterConfig& given, std::size_t number) {
  milter::Options options;
  options.name = format("milter-{}", number);
  options.address = given.address;
  options.failure = failure_action(given.failure);
  options.services = given.on;
  options.skip_trusted = given.skip_trusted;
  options.skip_authenticated = given.skip_authenticated;
  options.reuse = given.reuse;
  options.connect_timeout = given.connect_timeout;
  options.command_timeout = given.command_timeout;
  options.end_timeout = given.message_timeout;
  options.body_octets_max = config.limits.message_size;
  return options;
}

}  // namespace

std::shared_ptr<const policy::Chain> make_policies(const Config& config, resolver::Resolver& resolver, Stores& stores,
                                                   milter::Connections& filters, reporting::Reporting* reports, Inbound& inbound) {
  std::vector<std::shared_ptr<policy::Policy>> policies = inbound.policies(config);
  if (config.authentication.check) {
    authentication::CheckOptions options;
    options.dmarc_use = config.authentication.dmarc == DmarcUse::enforce ? authentication::DmarcUse::enforce : authentication::DmarcUse::observe;
    options.trusted_sealers = config.authentication.trusted_sealers;
    options.exempt = config.authentication.exempt;
    options.observer = reports;
    policies.push_back(std::make_shared<authentication::Checks>(resolver, stores.random, std::move(options)));
  }
  if (reports != nullptr) policies.push_back(reports->intake());
  // After our own checks, so that filters see what those found.
  blob::Store& blobs = stores.blobs ? static_cast<blob::Store&>(*stores.blobs) : *stores.memory_blobs;
  std::size_t number = 0;
  for (const MilterConfig& given : config.milters) {
    policies.push_back(std::make_shared<milter::Milter>(milter_options(config, given, ++number), filters,
                                                        [&blobs] { return blobs.create_spool(); }, *stores.log, &resolver));
  }
  // Last: what is changed after it breaks the signature.
  policies.push_back(std::make_shared<authentication::Signing>([&stores](std::string_view domain) { return stores.dkim->signer(domain); }));
  policy::ChainOptions options;
  options.tally = inbound.tally();
  return std::make_shared<const policy::Chain>(std::move(policies), std::move(options));
}

}  // namespace keystonemail::host
