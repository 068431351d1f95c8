// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// An SPF evaluation with a zone for the DNS, in which single names may fail.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "keystonemail/dns/zone.hpp"
#include "keystonemail/mailauth/spf/evaluation.hpp"

namespace keystonemail::mailauth::spf {

class Dns {
 public:
  explicit Dns(std::string_view zone, std::string_view origin = ".") {
    auto records = dns::parse_zone(zone, dns::Name::parse(origin).value());
    REQUIRE_MESSAGE(records.has_value(), (records ? std::string() : records.error().describe()));
    zone_ = dns::Zone(*std::move(records));
  }
  void fault(std::string_view name, dns::RecordType type, dns::AnswerStatus status) {
    faults_[{dns::Name::parse(name).value(), type}] = status;
  }
  [[nodiscard]] dns::Answer answer(const dns::Question& question) {
    asked.push_back(to_string(question.type) + " " + question.name.text());
    const auto fault = faults_.find(question);
    return fault == faults_.end() ? zone_.lookup(question) : dns::Answer::none(fault->second, question.name);
  }

  std::vector<std::string> asked;

 private:
  dns::Zone zone_;
  std::map<dns::Question, dns::AnswerStatus> faults_;
};

struct Mail {
  std::string client = "192.0.2.1";
  std::string from = "user@example.com";
  std::string helo = "mx.example.com";
  Identity identity = Identity::mail_from;
};

inline Input input_for(const Mail& mail) {
  return {.identity = mail.identity, .client = IpAddress::parse(mail.client).value(), .helo = mail.helo, .mail_from = mail.from,
          .receiver = "mx.receiver.example", .now = WallTime(std::chrono::seconds(1'700'000'000))};
}

inline Verdict check(Dns& dns, const Mail& mail, Options options = {}) {
  Evaluation evaluation(input_for(mail), options, Instant());
  int questions = 0;
  for (;;) {
    const auto event = evaluation.next_event();
    const auto* needed = std::get_if<NeedAnswer>(&event);
    if (needed == nullptr) return evaluation.verdict();
    REQUIRE(++questions <= 10 * 11 + 12);
    evaluation.decide(dns.answer(needed->question), Instant());
  }
}

inline std::string outcome(Dns& dns, const Mail& mail) { return std::string(to_string(check(dns, mail).outcome)); }

// A domain with this record, and nothing else.
inline std::string outcome_of(std::string_view record, const Mail& mail = {}) {
  Dns dns("example.com. TXT \"" + std::string(record) + "\"");
  return outcome(dns, mail);
}

}  // namespace keystonemail::mailauth::spf
