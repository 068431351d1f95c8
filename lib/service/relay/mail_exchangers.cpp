// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/relay/mail_exchangers.hpp"

#include <algorithm>
#include <string>

namespace keystonemail::relay {

namespace {

struct Candidate {
  std::uint16_t preference;
  std::uint64_t draw;
  dns::Name host;
};

smtp::Reply dns_fault(const dns::Name& name, dns::AnswerStatus status) {
  return {451, {4, 4, 3}, "DNS lookup of " + name.text() + " failed: " + std::string(to_string(status))};
}

std::vector<Candidate> candidates(const dns::Answer& mx, Random& random) {
  std::vector<Candidate> all;
  for (const dns::RecordData& data : mx.records) {
    const auto* record = std::get_if<dns::Mx>(&data);
    if (record == nullptr || record->exchange.is_root()) continue;
    all.push_back({record->preference, random.next_u64(), record->exchange});
  }
  std::ranges::sort(all, [](const Candidate& a, const Candidate& b) {
    return a.preference != b.preference ? a.preference < b.preference : a.draw < b.draw;
  });
  return all;
}

}  // namespace

MailHostsChoice choose_mail_hosts(const dns::Name& domain, const dns::Answer& mx, const dns::Name& own_name, Random& random) {
  switch (mx.status) {
    case dns::AnswerStatus::no_such_name:
      return NoMailHosts{{550, {5, 1, 2}, "There is no domain " + domain.text()}};
    case dns::AnswerStatus::no_data:
      // RFC 5321 §5.1: "as if it was associated with an implicit MX RR, with a preference of 0"
      if (domain == own_name) return NoMailHosts{{554, {5, 4, 6}, "Mail for " + domain.text() + " loops back to this server"}};
      return MailHosts{{domain}, true};
    case dns::AnswerStatus::found: break;
    case dns::AnswerStatus::server_failure:
    case dns::AnswerStatus::refused:
    case dns::AnswerStatus::timeout:
    case dns::AnswerStatus::bogus:
    case dns::AnswerStatus::malformed: return NoMailHosts{dns_fault(domain, mx.status)};
  }
  auto all = candidates(mx, random);
  // RFC 7505 §3: a sole record, whose exchange is the root. LENIENT: roots beside others are passed over.
  if (all.empty()) return NoMailHosts{{556, {5, 1, 10}, "The domain " + domain.text() + " takes no mail"}};
  const auto own = std::ranges::find(all, own_name, &Candidate::host);
  if (own != all.end()) {
    const std::uint16_t ours = own->preference;
    std::erase_if(all, [ours](const Candidate& c) { return c.preference >= ours; });
    if (all.empty()) return NoMailHosts{{554, {5, 4, 6}, "Mail for " + domain.text() + " loops back to this server"}};
  }
  MailHosts chosen;
  for (Candidate& candidate : all) {
    if (std::ranges::find(chosen.hosts, candidate.host) == chosen.hosts.end()) chosen.hosts.push_back(std::move(candidate.host));
  }
  return chosen;
}

smtp::Reply reply_for_no_address(const dns::Name& host, const dns::Answer& a, const dns::Answer& aaaa) {
  for (const dns::Answer* answer : {&a, &aaaa}) {
    if (is_temporary(answer->status)) return dns_fault(host, answer->status);
  }
  return {550, {5, 4, 4}, "The mail host " + host.text() + " has no address"};
}

dns::Answer unanswered(dns::Name name) { return dns::Answer::none(dns::AnswerStatus::timeout, std::move(name)); }

}  // namespace keystonemail::relay
