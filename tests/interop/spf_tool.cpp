// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Judges what standard input asks, line by line "client<TAB>helo<TAB>mail from", by the zone file that is the argument.
// Answers "outcome<TAB>explanation". Names in the first label of which "servfail" stands are not answered.
#include "keystonemail/mailauth/spf/evaluation.hpp"
#include "zone_judge.hpp"

using namespace keystonemail;

namespace {

dns::Answer answer(const dns::Zone& zone, const dns::Question& question) {
  if (question.name.text().starts_with("servfail")) return dns::Answer::none(dns::AnswerStatus::server_failure, question.name);
  return zone.lookup(question);
}

std::string judge(const dns::Zone& zone, const std::vector<std::string>& fields) {
  const auto client = IpAddress::parse(fields[0]);
  if (!client) return "?";
  mailauth::spf::Input input{.client = *client, .helo = fields[1], .mail_from = fields[2]};
  mailauth::spf::Evaluation evaluation(std::move(input), {}, Instant());
  test::evaluate(evaluation, [&zone](const dns::Question& question) { return answer(zone, question); });
  const auto& verdict = evaluation.verdict();
  return std::string(to_string(verdict.outcome)) + "\t" + verdict.explanation;
}

}  // namespace

int main(int argc, char** argv) { return test::judge_lines(argc, argv, 3, judge); }
