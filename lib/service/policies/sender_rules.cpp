// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/policies/sender_rules.hpp"

#include <optional>
#include <string>
#include <utility>

#include "base/try.hpp"
#include "keystonemail/resolver/budget.hpp"
#include "service/authentication/questions.hpp"
#include "service/policies/stranger.hpp"

namespace keystonemail::policies {
namespace {

using dns::AnswerStatus;
using policy::Decision;

constexpr std::size_t lookups_max = 3;

Decision no_domain(const dns::Name& domain, std::string_view what) {
  return Decision::reject("The domain of your sender address, " + domain.text() + ", " + std::string(what), "5.1.8",
                          "sender domain " + domain.text() + " " + std::string(what));
}

Decision unknown_now(const dns::Name& domain, AnswerStatus status) {
  return Decision::defer("The domain of your sender address, " + domain.text() + ", cannot be looked up now, try again later", "4.1.8",
                         "sender domain " + domain.text() + ": " + std::string(dns::to_string(status)));
}

}  // namespace

bool SenderRules::concerns(const policy::Connection& connection) const noexcept { return is_stranger(connection, options_.exempt); }

Task<Result<Decision>> SenderRules::judge(policy::Stage stage, const policy::Facts& facts, Context context) {
  if (stage != policy::Stage::mail || facts.sender.empty() || !is_to_be_checked(facts)) co_return Decision::proceed();
  const std::string text(facts.sender.substr(facts.sender.rfind('@') + 1));
  if (text.starts_with('[')) co_return Decision::proceed();  // a literal: nothing to ask
  if (options_.refuse_own_domain && own_) {
    KM_CO_TRY(const bool is_own, co_await own_(text, context));
    if (is_own) co_return Decision::reject("Mail from " + text + " comes from us: log in to send it", "5.7.1", "our own domain from outside");
  }
  if (!options_.require_domain) co_return Decision::proceed();
  const auto domain = dns::Name::from_domain(text);
  if (!domain) co_return Decision::reject("The domain of your sender address is none", "5.1.7", "bad sender domain");
  co_return co_await check_domain(*domain, context);
}

// RFC 5321 §5.1: mail exchangers, or without them an address. Which of them there is matters not.
Task<Result<Decision>> SenderRules::check_domain(const dns::Name& domain, const Context& context) {
  resolver::Budget budget(resolver_, *context.executor, {.lookups_max = lookups_max, .time_max = options_.time_max});
  dns::Question for_exchangers{domain, dns::RecordType::mx};
  const auto exchangers = co_await authentication::ask(budget, std::move(for_exchangers), context);
  if (!exchangers) co_return std::unexpected(exchangers.error());
  switch (exchangers->status) {
    case AnswerStatus::found:
      if (exchangers->records.size() == 1 && std::get<dns::Mx>(exchangers->records.front()).exchange.is_root())  // RFC 7505 §4.2
        co_return Decision::reject("The domain of your sender address, " + domain.text() + ", takes no mail", "5.7.27", "null MX of " + domain.text());
      co_return Decision::proceed();
    case AnswerStatus::no_such_name: co_return no_domain(domain, "does not exist");
    case AnswerStatus::no_data: break;
    default: co_return unknown_now(domain, exchangers->status);
  }
  dns::Question for_v4{domain, dns::RecordType::a}, for_v6{domain, dns::RecordType::aaaa};
  auto asking_v4 = authentication::ask(budget, std::move(for_v4), context);
  auto asking_v6 = authentication::ask(budget, std::move(for_v6), context);
  const auto v4 = co_await std::move(asking_v4);
  const auto v6 = co_await std::move(asking_v6);
  if (!v4) co_return std::unexpected(v4.error());
  if (!v6) co_return std::unexpected(v6.error());
  if (v4->status == AnswerStatus::found || v6->status == AnswerStatus::found) co_return Decision::proceed();
  if (dns::is_temporary(v4->status)) co_return unknown_now(domain, v4->status);
  if (dns::is_temporary(v6->status)) co_return unknown_now(domain, v6->status);
  co_return no_domain(domain, "has neither mail exchanger nor address");
}

}  // namespace keystonemail::policies
