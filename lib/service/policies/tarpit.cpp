// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/policies/tarpit.hpp"

#include <algorithm>

#include "service/policies/stranger.hpp"

namespace keystonemail::policies {
namespace {

using policy::Decision;

class TarpitInspector final : public policy::Inspector {
 public:
  explicit TarpitInspector(const TarpitOptions& options) : options_(options) {}

  Task<Result<Decision>> judge(policy::Stage stage, const policy::Facts& facts, Context) override {
    Decision decision;
    if (stage == policy::Stage::connect && is_to_be_checked(facts)) decision.delay = options_.greeting;
    co_return decision;
  }

  Task<Result<Decision>> refused(policy::Stage stage, const policy::Facts& facts, std::uint16_t code, Context) override {
    Decision decision;
    if (!is_to_be_checked(facts) || code < 500) co_return decision;  // whoever is put off does nothing wrong
    ++refusals_;
    const std::uint32_t free = stage == policy::Stage::rcpt ? 0 : options_.free_refusals;
    if (refusals_ > free) decision.delay = std::min(options_.step * (refusals_ - free), options_.longest);
    co_return decision;
  }

 private:
  const TarpitOptions& options_;
  std::uint32_t refusals_ = 0;
};

}  // namespace

std::unique_ptr<policy::Inspector> Tarpit::inspect(const policy::Connection& connection) {
  if ((options_.step.count() == 0 && options_.greeting.count() == 0) || !is_stranger(connection, options_.exempt)) return nullptr;
  return std::make_unique<TarpitInspector>(options_);
}

}  // namespace keystonemail::policies
