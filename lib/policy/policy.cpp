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
  Task<Result<Decision>> refused(Stage stage, const Facts& facts, std::uint16_t code, Context context) override {
    return rule_.refused(stage, facts, code, std::move(context));
  }

 private:
  Rule& rule_;
};

}  // namespace

Task<Result<void>> Inspector::receive(std::string_view, Context) { co_return Result<void>(); }

Task<void> Inspector::close(Context) { co_return; }

Task<Result<Decision>> Inspector::refused(Stage, const Facts&, std::uint16_t, Context) { co_return Decision::proceed(); }

Task<Result<Decision>> Inspector::unknown(std::string_view, const Facts&, Context) { co_return Decision::proceed(); }

Task<Result<Decision>> Rule::refused(Stage, const Facts&, std::uint16_t, Context) { co_return Decision::proceed(); }

std::unique_ptr<Inspector> Rule::inspect(const Connection& connection) {
  return concerns(connection) ? std::make_unique<RuleInspector>(*this) : nullptr;
}

}  // namespace keystonemail::policy
