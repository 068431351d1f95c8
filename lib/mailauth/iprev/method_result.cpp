// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/iprev/method_result.hpp"

namespace keystonemail::mailauth::iprev {

MethodResult method_result(const Verdict& verdict) {
  MethodResult out{.method = "iprev", .result = std::string(to_string(verdict.outcome))};
  if (!verdict.name.is_root()) out.comment = verdict.name.text();
  out.properties.push_back({"policy", "iprev", verdict.client.to_string()});
  return out;
}

}  // namespace keystonemail::mailauth::iprev
