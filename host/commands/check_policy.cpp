// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/format.hpp"
#include "commands/check_mail.hpp"
#include "commands/names.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/policy/chain.hpp"

namespace keystonemail::host {
namespace {

constexpr int policy_usage_status = 2;

std::vector<std::shared_ptr<policy::Policy>> policies_of(const Config& config, Names& names, Log& log) {
  const auto with_exempt = [&](auto options) {
    options.exempt = config.policy.exempt;
    return options;
  };
  policies::OwnDomain own = [primary = config.primary_domain](std::string_view domain, Context) -> Task<Result<bool>> { co_return iequals(domain, primary); };
  std::vector<std::shared_ptr<policy::Policy>> all;
  all.push_back(std::make_shared<policies::AccessRules>(config.policy.access));
  all.push_back(std::make_shared<policies::HeloRules>(with_exempt(config.policy.helo)));
  all.push_back(std::make_shared<policies::SenderRules>(names.resolver(), std::move(own), with_exempt(config.policy.sender)));
  all.push_back(std::make_shared<policies::DnsLists>(names.resolver(), log, with_exempt(config.policy.lists)));
  return all;
}

bool is_refusal(policy::Verdict verdict) {
  return verdict == policy::Verdict::reject || verdict == policy::Verdict::defer || verdict == policy::Verdict::disconnect;
}

// What one stage came to, as a line and as an object.
struct Lines {
  std::string text, json;
  void add(policy::Stage stage, const policy::Outcome& outcome) {
    const bool refused = is_refusal(outcome.verdict);
    const std::string reply = refused ? format("{} {} {}", outcome.refusal.code, outcome.refusal.status, outcome.refusal.text) : std::string();
    text += format("{:<8} {}", policy::to_string(stage), policy::to_string(outcome.verdict));
    if (!outcome.policy.empty()) text += format(" by {}: {}", outcome.policy, outcome.reason);
    if (refused) text += format("\n         the peer is told: {}", reply);
    text += '\n';
    json += format("{}{{\"stage\":\"{}\",\"verdict\":\"{}\",\"policy\":{},\"reason\":{},\"reply\":{}}}", json.empty() ? "" : ",", policy::to_string(stage),
                   policy::to_string(outcome.verdict), json_text(outcome.policy), json_text(outcome.reason), json_text(reply));
  }
};

}  // namespace

int run_check_policy(const std::string& path, const PolicyCheck& request, Output output) {
  const auto reading = read_config_file(path);
  if (!reading) return report_error(output, reading.error().text());
  if (!reading->errors.empty()) return report_error(output, describe(reading->errors, path));
  const Config& config = reading->config;
  const auto client = IpAddress::parse(request.mail.client);
  if (!client) return report_error(output, request.mail.client + " is no IP address", policy_usage_status);
  const bool configured = request.mail.resolver.empty() && !config.resolver.servers.empty();
  const auto names = Names::open(configured ? config.resolver.servers.front().to_string() : request.mail.resolver);
  if (!names) return report_error(output, names.error().text(), names.error().kind() == ErrorKind::invalid ? policy_usage_status : 1);

  RunLoop& loop = (*names)->loop();
  NullLog log;
  policy::Connection connection{.session = "check", .service = "smtp", .hostname = config.hostname, .peer = {*client, 0}, .local = {}};
  const auto covers = [&](const IpNetwork& network) { return network.contains(*client); };
  connection.trusted = std::ranges::any_of(config.limits.trusted, covers);
  const bool is_spared = connection.trusted || std::ranges::any_of(config.policy.exempt, covers);
  policy::Screening screening(policies_of(config, **names, log), {}, log, std::move(connection));
  const std::vector<policy::Recipient> recipients{{request.recipient.empty() ? "postmaster@" + config.primary_domain : request.recipient, true}};
  Lines lines;
  for (const auto stage : {policy::Stage::connect, policy::Stage::helo, policy::Stage::mail, policy::Stage::rcpt}) {
    policy::Facts facts = screening.facts();
    facts.time = loop.wall_now();
    if (stage >= policy::Stage::helo) facts.hello = request.mail.helo;
    if (stage >= policy::Stage::mail) facts.sender = request.mail.from;
    if (stage == policy::Stage::rcpt) facts.recipients = recipients;
    const auto outcome = loop.run_until(screening.judge(stage, facts, Context(&loop)));
    lines.add(stage, outcome);
    if (is_refusal(outcome.verdict)) break;
  }
  if (output == Output::json) std::printf("[%s]\n", lines.json.c_str());
  else std::printf("%s%s", is_spared ? "This address is trusted or exempt: only access rules are for it.\n" : "", lines.text.c_str());
  return 0;
}

}  // namespace keystonemail::host
