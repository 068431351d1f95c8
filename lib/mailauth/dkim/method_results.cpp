// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dkim/method_results.hpp"

#include "base/format.hpp"

namespace keystonemail::mailauth::dkim {
namespace {

std::string comment_of(const SignatureResult& result) {
  std::string comment;
  const auto add = [&](const std::string& text) {
    if (!comment.empty()) comment += ", ";
    comment += text;
  };
  if (result.key_bits != 0) add(format("{}-bit key", result.key_bits));
  if (result.weak_key) add("weak");
  if (result.testing) add("testing");
  if (result.outcome == Outcome::pass && result.unsigned_body_octets != 0) {
    add(format("{} octets of the body not signed", result.unsigned_body_octets));
  }
  return comment;
}

MethodResult method_result(const SignatureResult& result) {
  MethodResult out{.method = "dkim", .result = std::string(to_string(result.outcome)), .comment = comment_of(result),
                   .reason = result.reason, .properties = {}};
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) out.properties.push_back({"header", name, value});
  };
  add("d", result.domain);
  add("s", result.selector);
  if (result.identity != "@" + result.domain) add("i", result.identity);
  add("a", result.algorithm);
  add("b", result.signature_prefix);
  return out;
}

}  // namespace

std::vector<MethodResult> method_results(const std::vector<SignatureResult>& results) {
  std::vector<MethodResult> out;
  for (const SignatureResult& result : results) out.push_back(method_result(result));
  if (out.empty()) out.push_back({.method = "dkim", .result = "none", .comment = {}, .reason = {}, .properties = {}});
  return out;
}

}  // namespace keystonemail::mailauth::dkim
