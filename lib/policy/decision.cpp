// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/policy/decision.hpp"

namespace keystonemail::policy {

std::string_view to_string(Stage stage) noexcept {
  switch (stage) {
    case Stage::connect: return "connect";
    case Stage::helo: return "helo";
    case Stage::auth: return "auth";
    case Stage::mail: return "mail";
    case Stage::rcpt: return "rcpt";
    case Stage::headers: return "headers";
    case Stage::body: return "body";
    case Stage::deliver: return "deliver";
    case Stage::submit: return "submit";
  }
  return "unknown";
}

std::string_view to_string(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::proceed: return "proceed";
    case Verdict::accept: return "accept";
    case Verdict::reject: return "reject";
    case Verdict::defer: return "defer";
    case Verdict::quarantine: return "quarantine";
    case Verdict::discard: return "discard";
    case Verdict::disconnect: return "disconnect";
  }
  return "unknown";
}

std::string_view Facts::tag(std::string_view name) const noexcept {
  for (std::size_t i = tags.size(); i > 0; --i) {
    if (tags[i - 1].name == name) return tags[i - 1].value;
  }
  return {};
}

namespace {

Decision refuse(Verdict verdict, std::string text, std::string status, std::string reason) {
  Decision decision;
  decision.verdict = verdict;
  decision.refusal.status = std::move(status);
  decision.refusal.text = std::move(text);
  decision.reason = std::move(reason);
  return decision;
}

}  // namespace

Decision Decision::reject(std::string text, std::string status, std::string reason) {
  return refuse(Verdict::reject, std::move(text), std::move(status), std::move(reason));
}
Decision Decision::defer(std::string text, std::string status, std::string reason) {
  return refuse(Verdict::defer, std::move(text), std::move(status), std::move(reason));
}
Decision Decision::quarantine(std::string reason) {
  Decision decision;
  decision.verdict = Verdict::quarantine;
  decision.reason = std::move(reason);
  return decision;
}

}  // namespace keystonemail::policy
