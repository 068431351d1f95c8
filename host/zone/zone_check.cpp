// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "zone/zone_check.hpp"

#include <algorithm>

#include "base/format.hpp"
#include "keystonemail/mailauth/dmarc/record.hpp"
#include "keystonemail/reports/report_mail.hpp"
#include "keystonemail/reports/tls_report.hpp"

namespace keystonemail::host {
namespace {

std::string joined_data(const std::vector<dns::RecordData>& records) {
  std::string out;
  for (const auto& one : records) out += (out.empty() ? "" : ", ") + dns::to_string(one);
  return out;
}

std::string without_spaces(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\t'; });
  return text;
}

// "v=spf1", "v=DMARC1": what tells the records of one purpose from the others at the same name.
std::string_view version_of(std::string_view text) { return text.substr(0, text.find_first_of("; ")); }

// RFC 8460 §3
bool leads_somewhere(std::string_view tls_record) {
  const auto uris = reports::parse_tls_record(tls_record);
  return uris && std::ranges::any_of(*uris, [](const std::string& uri) { return reports::parse_destination(uri).has_value(); });
}

class RecordJudge {
 public:
  RecordJudge(const PlannedRecord& planned, const dns::Answer& answer) : planned_(planned), answer_(answer) {
    finding_.subject = dns::to_string(dns::type_of(planned.record.data)) + " " + planned.record.owner.text();
    finding_.weighty = planned.need == Need::required;
  }

  Finding judge() && {
    if (dns::is_temporary(answer_.status)) return std::move(*this).say(Standing::unknown, std::string("the DNS says: ") + std::string(dns::to_string(answer_.status)), "ask again later, or another --resolver");
    if (answer_.status != dns::AnswerStatus::found) return std::move(*this).say(Standing::missing, "", "add: " + record_line(planned_.record));
    if (std::holds_alternative<dns::Txt>(planned_.record.data)) return std::move(*this).judge_text();
    if (std::holds_alternative<dns::Mx>(planned_.record.data)) return std::move(*this).judge_exchanger();
    const bool there = std::ranges::find(answer_.records, planned_.record.data) != answer_.records.end();
    if (std::holds_alternative<dns::Tlsa>(planned_.record.data)) return std::move(*this).judge_key(there);
    if (there) return std::move(*this).say(Standing::good, dns::to_string(planned_.record.data), "");
    return std::move(*this).say(Standing::wrong, joined_data(answer_.records), "replace by, or add: " + record_line(planned_.record));
  }

 private:
  Finding say(Standing standing, std::string found, std::string advice) && {
    finding_.standing = standing;
    finding_.found = std::move(found);
    finding_.advice = std::move(advice);
    return std::move(finding_);
  }

  Finding judge_exchanger() && {
    const auto& wanted = std::get<dns::Mx>(planned_.record.data);
    const dns::Mx* ours = nullptr;
    const dns::Mx* first = nullptr;
    for (const auto& one : answer_.records) {
      const auto& exchanger = std::get<dns::Mx>(one);
      if (exchanger.exchange == wanted.exchange && (!ours || exchanger.preference < ours->preference)) ours = &exchanger;
      if (!first || exchanger.preference < first->preference) first = &exchanger;
    }
    std::string found = joined_data(answer_.records);
    if (!ours) return std::move(*this).say(Standing::wrong, std::move(found), "mail goes to another server: replace by " + record_line(planned_.record));
    // RFC 5321 §5.1: the lowest number comes first.
    const bool behind = first->preference < ours->preference;
    return std::move(*this).say(Standing::good, std::move(found),
                                behind ? "mail goes to " + first->exchange.text() + " first, and comes here when that does not answer" : "");
  }

  Finding judge_text() && {
    const std::string wanted = std::get<dns::Txt>(planned_.record.data).joined();
    const std::string_view version = version_of(wanted);
    const bool is_key = version == "v=DKIM1";
    std::vector<std::string> found;
    for (const auto& one : answer_.records) {
      std::string text = std::get<dns::Txt>(one).joined();
      if (is_key || version_of(text) == version) found.push_back(std::move(text));
    }
    const std::string add = record_line(planned_.record);
    if (found.empty()) return std::move(*this).say(Standing::missing, "", "add: " + add);
    // RFC 7208 §4.5, RFC 6376 §3.6.2.2, RFC 7489 §6.6.3, RFC 8461 §3.1, RFC 8460 §3.
    if (found.size() > 1) return std::move(*this).say(Standing::wrong, format("{} records of {}", found.size(), version), "leave one alone: with several, none counts");
    if (found[0] == wanted) return std::move(*this).say(Standing::good, found[0], "");
    if (is_key) {
      const bool same = without_spaces(found[0]).find(without_spaces(wanted.substr(wanted.find("p=")))) != std::string::npos;
      return std::move(*this).say(same ? Standing::good : Standing::wrong, found[0], same ? "" : "signatures will fail: replace by " + add);
    }
    if (version == "v=spf1") return std::move(*this).say(Standing::wrong, found[0], "unless yours covers this server, replace by " + add);
    if (version == "v=STSv1")  // RFC 8461 §3.1: who has the policy asks for it again only when the id is another
      return std::move(*this).say(Standing::good, found[0], "unless you have changed the id since the policy became what it is now, nobody looks at that: replace by " + add);
    // What it says is the domain's own choice, so long as others understand it.
    const bool is_understood = version == "v=DMARC1"    ? mailauth::dmarc::parse_record(found[0]).has_value()
                               : version == "v=TLSRPTv1" ? leads_somewhere(found[0])
                                                         : true;
    return std::move(*this).say(is_understood ? Standing::good : Standing::wrong, found[0], is_understood ? "" : "nobody understands it: replace by " + add);
  }

  // RFC 7672 §2.2: without DNSSEC it is not looked at; with it, a wrong one turns mail away.
  Finding judge_key(bool there) && {
    if (!there) return std::move(*this).say(Standing::wrong, joined_data(answer_.records), "no longer the key that is served: senders with DANE stay away. Add: " + record_line(planned_.record));
    return std::move(*this).say(Standing::good, dns::to_string(planned_.record.data) + (answer_.authenticated ? ", signed" : ", not signed by DNSSEC"),
                                answer_.authenticated ? "" : "sign the zone by DNSSEC, or nobody looks at it");
  }

  const PlannedRecord& planned_;
  const dns::Answer& answer_;
  Finding finding_;
};

}  // namespace

Finding judge_record(const PlannedRecord& planned, const dns::Answer& answer) { return RecordJudge(planned, answer).judge(); }

}  // namespace keystonemail::host
