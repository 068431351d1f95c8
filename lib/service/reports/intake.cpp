// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/reports/intake.hpp"

#include <algorithm>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mailauth/dmarc/author.hpp"
#include "keystonemail/mailauth/dmarc/organizational_domain.hpp"

namespace keystonemail::reporting {
namespace {

// Whether one of the domains, with blanks between, stands for the author's.
bool is_signed_by(const dns::Name& author, std::string_view domains) {
  const dns::Name wanted = mailauth::dmarc::organizational_domain(author);
  while (!domains.empty()) {
    const std::size_t end = std::min(domains.find(' '), domains.size());
    const auto name = dns::Name::from_domain(domains.substr(0, end));
    if (name && mailauth::dmarc::organizational_domain(*name) == wanted) return true;
    domains.remove_prefix(std::min(end + 1, domains.size()));
  }
  return false;
}

class IntakeInspector final : public policy::Inspector {
 public:
  explicit IntakeInspector(std::shared_ptr<IntakeRoom> room) : room_(std::move(room)) {}
  ~IntakeInspector() override { reset(); }

  Task<Result<policy::Decision>> judge(policy::Stage stage, const policy::Facts& facts, Context) override {
    if (stage == policy::Stage::rcpt && !facts.recipients.empty()) {
      const policy::Recipient& recipient = facts.recipients.back();
      is_wanted_ = is_wanted_ || (recipient.local && is_report_address(room_->options(), recipient.address));
    }
    if (stage == policy::Stage::deliver && is_wanted_) hand_over(facts);
    co_return policy::Decision::proceed();
  }
  Task<Result<void>> receive(std::string_view octets, Context) override {
    if (is_wanted_) copy(octets);
    co_return Result<void>();
  }
  void reset() noexcept override {
    room_->give_back(std::exchange(message_, {}).size());
    is_wanted_ = false;
  }

 private:
  void copy(std::string_view octets) {
    const bool fits = message_.size() + octets.size() <= room_->options().incoming_octets_max && room_->reserve(octets.size());
    if (fits) message_.append(octets);
    else reset();
  }
  void hand_over(const policy::Facts& facts) {
    Incoming incoming;
    if (const auto author = mailauth::dmarc::find_author(facts.header)) {
      incoming.author = author->address;
      incoming.verified = is_signed_by(author->domain, facts.tag("dkim-domains"));
      incoming.verified_tls = incoming.verified || is_signed_by(author->domain, facts.tag("tlsrpt-domains"));
    }
    incoming.message = std::exchange(message_, {});
    is_wanted_ = false;
    room_->put(std::move(incoming));
  }

  std::shared_ptr<IntakeRoom> room_;
  bool is_wanted_ = false;
  std::string message_;
};

}  // namespace

bool IntakeRoom::reserve(std::size_t octets) {
  const std::lock_guard lock(mutex_);
  if (octets > options_.incoming_total_max - octets_) return false;
  octets_ += octets;
  return true;
}

void IntakeRoom::give_back(std::size_t octets) {
  const std::lock_guard lock(mutex_);
  octets_ -= octets;
}

void IntakeRoom::put(Incoming incoming) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(incoming));
}

std::vector<Incoming> IntakeRoom::take() {
  const std::lock_guard lock(mutex_);
  for (const Incoming& one : waiting_) octets_ -= one.message.size();
  return std::exchange(waiting_, {});
}

std::unique_ptr<policy::Inspector> Intake::inspect(const policy::Connection& connection) {
  if (connection.service == "submission") return nullptr;  // people of ours send no reports
  return std::make_unique<IntakeInspector>(room_);
}

}  // namespace keystonemail::reporting
