// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dmarc/method_result.hpp"

namespace keystonemail::mailauth::dmarc {

MethodResult method_result(const Verdict& verdict) {
  MethodResult out{.method = "dmarc", .result = std::string(to_string(verdict.outcome)), .comment = verdict.problem};
  out.properties.push_back({"header", "from", verdict.author.text()});
  if (!verdict.record) return out;
  out.properties.push_back({"polrec", "p", std::string(to_string(verdict.record->policy))});
  if (verdict.policy_domain != verdict.author) out.properties.push_back({"polrec", "domain", verdict.policy_domain.text()});
  return out;
}

MethodResult method_result(AuthorFault fault) { return {.method = "dmarc", .result = "permerror", .comment = std::string(to_string(fault))}; }

}  // namespace keystonemail::mailauth::dmarc
