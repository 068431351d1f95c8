// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <optional>

#include "base/format.hpp"
#include "base/try.hpp"
#include "commands/dns.hpp"
#include "commands/dns_setting.hpp"
#include "commands/findings.hpp"
#include "keystonemail/mailauth/spf/evaluation.hpp"
#include "zone/zone_check.hpp"

namespace keystonemail::host {
namespace {

constexpr std::string_view usual_lists[] = {"zen.spamhaus.org", "bl.spamcop.net", "psbl.surriel.com", "b.barracudacentral.org"};

// Another policy than ours is as good when it lets our addresses pass.
void judge_policy(Finding& finding, DnsSetting& setting, const dns::Name& domain) {
  if (finding.standing != Standing::wrong || setting.facts.addresses.empty()) return;
  for (const IpAddress& address : setting.facts.addresses) {
    mailauth::spf::Input input{.client = address, .helo = setting.facts.hostname, .mail_from = "postmaster@" + domain.text(), .now = setting.names->wall_now()};
    mailauth::spf::Evaluation evaluation(std::move(input), {}, setting.names->now());
    setting.names->evaluate(evaluation);
    if (evaluation.verdict().outcome != mailauth::spf::Outcome::pass) {
      finding.advice = format("mail from {} gets \"{}\". {}", address.to_string(), to_string(evaluation.verdict().outcome), finding.advice);
      return;
    }
  }
  finding.standing = Standing::good;
  finding.advice.clear();
}

bool is_policy(const PlannedRecord& planned) {
  const auto* text = std::get_if<dns::Txt>(&planned.record.data);
  return text && text->strings.front().starts_with("v=spf1");
}

// An alias will do as well as addresses of its own.
Finding judge_alias(const PlannedRecord& planned, const dns::Answer& answer, Names& names) {
  Finding finding = judge_record(planned, answer);
  if (finding.standing != Standing::missing) return finding;
  for (const dns::RecordType type : {dns::RecordType::a, dns::RecordType::aaaa}) {
    const auto own = names.ask({.name = planned.record.owner, .type = type});
    if (own.status != dns::AnswerStatus::found) continue;
    finding.standing = Standing::good;
    finding.found = dns::to_string(own.records.front());
    finding.advice.clear();
    break;
  }
  return finding;
}

bool is_not_offered(const PlannedRecord& planned) {
  const auto* service = std::get_if<dns::Srv>(&planned.record.data);
  return service && service->target.is_root();
}

void add_host(std::vector<Finding>& findings, DnsSetting& setting) {
  if (!setting.facts.addresses.empty()) return;
  findings.push_back(without_address("A " + setting.facts.hostname, setting.facts.hostname, setting.trouble));
}

// 127.0.0.0/8 alone is an answer, and there 127.255.255.0/24 says that we may not ask (RFC 5782 §2.1, Spamhaus).
enum class Listed : std::uint8_t { no, yes, refused, unknown };

Listed ask_list(Names& names, const dns::Name& name, std::string& code) {
  const auto answer = names.ask({.name = name, .type = dns::RecordType::a});
  if (dns::is_temporary(answer.status)) return Listed::unknown;
  if (answer.status != dns::AnswerStatus::found) return Listed::no;
  const IpAddress& address = std::get<dns::A>(answer.records.front()).address;
  code = address.to_string();
  const auto& octets = address.octets();
  if (octets[0] != 127) return Listed::unknown;
  return octets[1] == 255 && octets[2] == 255 ? Listed::refused : Listed::yes;
}

std::optional<dns::Name> list_name(const IpAddress& address, std::string_view list) {
  std::string text;
  const bool four = address.family() == IpAddress::Family::v4;
  for (const std::string& label : dns::reverse_name(address).labels()) {
    if (label == (four ? "in-addr" : "ip6")) break;
    text += label + ".";
  }
  return dns::Name::from_domain(text + std::string(list));
}

// All that the lists will be asked, but for why.
std::vector<dns::Question> questions_to(const std::vector<std::string>& lists, std::vector<IpAddress> addresses) {
  addresses.push_back(IpAddress::v4({127, 0, 0, 2}));
  addresses.push_back(IpAddress::v4({127, 0, 0, 1}));
  std::vector<dns::Question> questions;
  for (const std::string& list : lists) {
    for (const IpAddress& address : addresses)
      if (auto name = list_name(address, list)) questions.push_back({*std::move(name), dns::RecordType::a});
  }
  return questions;
}

// RFC 5782 §5: a list that works has 127.0.0.2 and has not 127.0.0.1.
std::string fault_of_list(Names& names, std::string_view list) {
  std::string code;
  const auto there = list_name(IpAddress::v4({127, 0, 0, 2}), list), not_there = list_name(IpAddress::v4({127, 0, 0, 1}), list);
  if (!there || !not_there) return "this is no domain";
  switch (ask_list(names, *there, code)) {
    case Listed::yes: break;
    case Listed::no: return "its test entry is missing: it is gone, or answers this resolver with nothing";
    case Listed::refused: return "it refuses this resolver (" + code + "): use one of your own, not a public one";
    case Listed::unknown: return "it does not answer";
  }
  return ask_list(names, *not_there, code) == Listed::yes ? "it lists everybody: it is out of use" : "";
}

Finding judge_listing(Names& names, const IpAddress& address, std::string_view list) {
  Finding finding{.standing = Standing::unknown, .subject = address.to_string() + " at " + std::string(list), .found = {}, .advice = {}, .weighty = false};
  const auto name = list_name(address, list);
  std::string code;
  switch (name ? ask_list(names, *name, code) : Listed::unknown) {
    case Listed::no: finding.standing = Standing::good; finding.found = "not listed"; break;
    case Listed::refused: finding.found = "it refuses this resolver (" + code + ")"; break;
    case Listed::unknown: finding.found = "it does not answer"; break;
    case Listed::yes: {
      finding.standing = Standing::wrong;
      finding.found = "listed, " + code;
      const auto why = names.ask({.name = *name, .type = dns::RecordType::txt});
      if (why.status == dns::AnswerStatus::found) finding.found += ": " + std::get<dns::Txt>(why.records.front()).joined();
      finding.advice = "find out why mail from here annoys people, mend it, then ask the list to take the address off";
      break;
    }
  }
  return finding;
}

Finding judge_pointer(DnsSetting& setting, const IpAddress& address) {
  Finding finding{.standing = Standing::missing, .subject = "PTR " + address.to_string(), .found = {},
                  .advice = "have whoever lends you the address set its PTR record to " + setting.facts.hostname};
  const auto answer = setting.names->ask({.name = dns::reverse_name(address), .type = dns::RecordType::ptr});
  if (dns::is_temporary(answer.status)) {
    finding.standing = Standing::unknown;
    finding.found = "the DNS says: " + std::string(dns::to_string(answer.status));
    finding.advice = "ask again later, or another --resolver";
  }
  if (answer.status != dns::AnswerStatus::found) return finding;
  finding.standing = Standing::wrong;
  for (const auto& record : answer.records) {
    const dns::Name& name = std::get<dns::Ptr>(record).target;
    const auto back = addresses_of(*setting.names, name);
    const bool confirmed = std::ranges::find(back, address) != back.end();
    finding.found += (finding.found.empty() ? "" : ", ") + name.text() + (confirmed ? "" : " (which does not lead back)");
    if (confirmed && name.text() == setting.facts.hostname) finding.standing = Standing::good, finding.advice.clear();
  }
  return finding;
}

template <class Look>
int run_with_setting(const std::string& config, const DnsRequest& request, Output output, Look look) {
  auto setting = open_setting(config, request);
  if (!setting) return report_error(output, setting.error().text(), setting.error().kind() == ErrorKind::invalid ? 2 : 1);
  return print_findings(look(*setting), output);
}

}  // namespace

int run_check_dns(const std::string& config, const DnsRequest& request, Output output) {
  return run_with_setting(config, request, output, [](DnsSetting& setting) {
    std::vector<Finding> findings;
    add_host(findings, setting);
    auto plan = plan_zone(setting.facts);
    std::vector<dns::Question> questions;
    for (const PlannedRecord& planned : plan ? *plan : std::vector<PlannedRecord>()) questions.push_back({planned.record.owner, dns::type_of(planned.record.data)});
    setting.names->ask_ahead(std::move(questions));
    for (const PlannedRecord& planned : plan ? *plan : std::vector<PlannedRecord>()) {
      const auto answer = setting.names->ask({.name = planned.record.owner, .type = dns::type_of(planned.record.data)});
      const bool alias = std::holds_alternative<dns::Cname>(planned.record.data);
      Finding finding = alias ? judge_alias(planned, answer, *setting.names) : judge_record(planned, answer);
      if (finding.standing == Standing::missing && is_not_offered(planned)) continue;
      if (is_policy(planned)) judge_policy(finding, setting, planned.record.owner);
      findings.push_back(std::move(finding));
    }
    return findings;
  });
}

int run_check_ptr(const std::string& config, const DnsRequest& request, Output output) {
  return run_with_setting(config, request, output, [](DnsSetting& setting) {
    std::vector<Finding> findings;
    add_host(findings, setting);
    for (const IpAddress& address : setting.facts.addresses) findings.push_back(judge_pointer(setting, address));
    return findings;
  });
}

int run_check_blocklists(const std::string& config, const DnsRequest& request, Output output) {
  std::vector<std::string> lists = request.lists;
  if (lists.empty()) lists.assign(std::begin(usual_lists), std::end(usual_lists));
  return run_with_setting(config, request, output, [&lists](DnsSetting& setting) {
    std::vector<Finding> findings;
    add_host(findings, setting);
    setting.names->ask_ahead(questions_to(lists, setting.facts.addresses));
    for (const std::string& list : lists) {
      if (std::string fault = fault_of_list(*setting.names, list); !fault.empty()) {
        findings.push_back({.standing = Standing::unknown, .subject = list, .found = std::move(fault), .advice = {}, .weighty = false});
        continue;
      }
      for (const IpAddress& address : setting.facts.addresses) findings.push_back(judge_listing(*setting.names, address, list));
    }
    return findings;
  });
}

}  // namespace keystonemail::host
