// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/spf/method_result.hpp"

namespace keystonemail::mailauth::spf {

MethodResult method_result(const Verdict& verdict) {
  MethodResult out{.method = "spf", .result = std::string(to_string(verdict.outcome)), .comment = verdict.problem};
  if (!verdict.mechanism.empty()) out.comment = "matched " + verdict.mechanism;
  if (!verdict.identity_text.empty()) {
    out.properties.push_back({"smtp", verdict.identity == Identity::helo ? "helo" : "mailfrom", verdict.identity_text});
  }
  return out;
}

}  // namespace keystonemail::mailauth::spf
