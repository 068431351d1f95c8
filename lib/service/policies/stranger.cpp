// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/policies/stranger.hpp"

#include <algorithm>

#include "keystonemail/service/policies/access_rules.hpp"

namespace keystonemail::policies {

bool is_stranger(const policy::Connection& connection, std::span<const IpNetwork> exempt) noexcept {
  const auto covers = [&](const IpNetwork& network) { return network.contains(connection.peer.address); };
  return connection.service == "smtp" && !connection.trusted && std::ranges::none_of(exempt, covers);
}

bool is_to_be_checked(const policy::Facts& facts) noexcept {
  return facts.login.empty() && facts.tag(AccessRules::tag_name) != AccessRules::tag_allowed;
}

}  // namespace keystonemail::policies
