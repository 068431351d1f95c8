// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "server/policies.hpp"

#include <utility>
#include <vector>

#include "keystonemail/service/authentication/checks.hpp"
#include "keystonemail/service/authentication/signing.hpp"

namespace keystonemail::host {

std::shared_ptr<const policy::Chain> make_policies(const Config& config, resolver::Resolver& resolver, Stores& stores) {
  std::vector<std::shared_ptr<policy::Policy>> policies;
  if (config.authentication.check) {
    authentication::CheckOptions options;
    options.dmarc_use = config.authentication.dmarc == DmarcUse::enforce ? authentication::DmarcUse::enforce : authentication::DmarcUse::observe;
    options.trusted_sealers = config.authentication.trusted_sealers;
    options.exempt = config.authentication.exempt;
    policies.push_back(std::make_shared<authentication::Checks>(resolver, stores.random, std::move(options)));
  }
  // Last: what is changed after it breaks the signature.
  policies.push_back(std::make_shared<authentication::Signing>([&stores](std::string_view domain) { return stores.dkim->signer(domain); }));
  return std::make_shared<const policy::Chain>(std::move(policies));
}

}  // namespace keystonemail::host
