// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "sim/witness.hpp"

#include <utility>
#include <variant>

namespace keystonemail::sim {
namespace {

std::string_view text_of(std::span<const LogField> fields, std::string_view name) noexcept {
  for (const LogField& field : fields) {
    const auto* text = std::get_if<std::string_view>(&field.value);
    if (field.name == name && text) return *text;
  }
  return {};
}

}  // namespace

class Witness::Rule final : public policy::Rule {
 public:
  explicit Rule(Witness& owner) : owner_(owner) {}
  std::string_view name() const noexcept override { return "witness"; }
  Task<Result<policy::Decision>> judge(policy::Stage stage, const policy::Facts& facts, Context) override {
    if (stage == policy::Stage::headers) owner_.seen_(facts.connection.peer.to_string(), key_of(facts.header));
    if (stage == policy::Stage::deliver || stage == policy::Stage::submit) note(facts);
    co_return policy::Decision();
  }

 private:
  void note(const policy::Facts& facts) {
    Transfer transfer{.sender = std::string(facts.sender), .recipients = {}, .key = key_of(facts.header), .reply = 250};
    for (const policy::Recipient& recipient : facts.recipients) transfer.recipients.push_back(recipient.address);
    const std::string_view spf = facts.tag("spf");
    if (!spf.empty() && spf != "pass") owner_.unproven_.insert(transfer.key);
    owner_.pending_[facts.connection.session] = std::move(transfer);
  }
  Witness& owner_;
};

std::shared_ptr<policy::Policy> Witness::policy() { return std::make_shared<Rule>(*this); }

void Witness::write(LogLevel level, std::string_view event, std::span<const LogField> fields) noexcept {
  log_.write(level, event, fields);
  if (event != "smtp.accepted") return;
  const auto found = pending_.find(text_of(fields, "session"));
  if (found == pending_.end()) return;
  Transfer transfer = std::move(found->second);
  pending_.erase(found);
  taken_(text_of(fields, "peer"), std::move(transfer));
}

}  // namespace keystonemail::sim
