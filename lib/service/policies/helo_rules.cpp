// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/policies/helo_rules.hpp"

#include "keystonemail/base/text.hpp"
#include "keystonemail/smtp/path.hpp"
#include "service/policies/stranger.hpp"

namespace keystonemail::policies {

using policy::Decision;

bool HeloRules::concerns(const policy::Connection& connection) const noexcept { return is_stranger(connection, options_.exempt); }

Task<Result<Decision>> HeloRules::judge(policy::Stage stage, const policy::Facts& facts, Context) {
  if (stage != policy::Stage::helo || !is_to_be_checked(facts)) co_return Decision::proceed();
  std::string_view name = facts.hello;
  if (name.ends_with('.')) name.remove_suffix(1);
  const std::string shown(facts.hello);
  const bool is_ours = iequals(name, facts.connection.hostname) || iequals(name, facts.connection.local.address.literal());
  if (options_.refuse_own_name && is_ours) co_return Decision::reject("That is our name, not yours", "5.7.1", "HELO with our name, " + shown);
  const bool is_literal = smtp::is_address_literal(name);
  if (options_.require_syntax && !is_literal && !smtp::is_domain(name))
    co_return Decision::reject("HELO needs a domain name or an address literal (RFC 5321)", "5.5.2", "HELO name is neither, " + shown);
  if (options_.require_qualified && !is_literal && !name.contains('.'))
    co_return Decision::reject("HELO needs a fully qualified domain name", "5.5.2", "HELO name is not qualified, " + shown);
  co_return Decision::proceed();
}

}  // namespace keystonemail::policies
