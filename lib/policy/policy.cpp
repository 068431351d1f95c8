// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/policy/policy.hpp"

namespace keystonemail::policy {

namespace {

class RuleInspector final : public Inspector {
 public:
  explicit RuleInspector(Rule& rule) : rule_(rule) {}
  Task<Result<Decision>> judge(Stage stage, const Facts& facts, Context context) override {
    return rule_.judge(stage, facts, std::move(context));
  }

 private:
  Rule& rule_;
};

}  // namespace

Task<Result<void>> Inspector::receive(std::string_view, Context) { co_return Result<void>(); }

Task<void> Inspector::close(Context) { co_return; }

std::unique_ptr<Inspector> Rule::inspect(const Connection&) { return std::make_unique<RuleInspector>(*this); }

}  // namespace keystonemail::policy
