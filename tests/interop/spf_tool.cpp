// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Judges what standard input asks, line by line "client<TAB>helo<TAB>mail from", by the zone file that is the argument.
// Answers "outcome<TAB>explanation". Names in the first label of which "servfail" stands are not answered.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "keystonemail/dns/zone.hpp"
#include "keystonemail/mailauth/spf/evaluation.hpp"

using namespace keystonemail;

namespace {

dns::Answer answer(const dns::Zone& zone, const dns::Question& question) {
  if (question.name.text().starts_with("servfail")) return dns::Answer::none(dns::AnswerStatus::server_failure, question.name);
  return zone.lookup(question);
}

std::string judge(const dns::Zone& zone, const std::string& line) {
  const auto first = line.find('\t'), second = line.find('\t', first + 1);
  const auto client = IpAddress::parse(line.substr(0, first));
  if (!client || second == std::string::npos) return "?";
  mailauth::spf::Input input{.client = *client, .helo = line.substr(first + 1, second - first - 1), .mail_from = line.substr(second + 1)};
  mailauth::spf::Evaluation evaluation(std::move(input), {}, Instant());
  for (;;) {
    const auto event = evaluation.next_event();
    const auto* needed = std::get_if<mailauth::spf::NeedAnswer>(&event);
    if (needed == nullptr) break;
    evaluation.decide(answer(zone, needed->question), Instant());
  }
  const auto& verdict = evaluation.verdict();
  return std::string(to_string(verdict.outcome)) + "\t" + verdict.explanation;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::ifstream file(argv[1]);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  auto records = dns::parse_zone(text);
  if (!records) {
    std::cerr << records.error().describe() << '\n';
    return 2;
  }
  const dns::Zone zone(*std::move(records));
  for (std::string line; std::getline(std::cin, line);) std::cout << judge(zone, line) << '\n';
  return 0;
}
