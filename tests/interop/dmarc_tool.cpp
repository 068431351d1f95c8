// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Judges what standard input asks, line by line "author's domain<TAB>spf=domain dkim=domain ...", where each named domain has
// passed, by the zone file that is the argument, with organizational domains of the Public Suffix List. Answers
// "outcome<TAB>policy<TAB>where it was found".
#include <sstream>

#include "keystonemail/mailauth/dmarc/evaluation.hpp"
#include "zone_judge.hpp"

using namespace keystonemail;
namespace dmarc = keystonemail::mailauth::dmarc;

namespace {

std::string judge(const dns::Zone& zone, const std::vector<std::string>& fields) {
  auto author = dns::Name::from_domain(fields[0]);
  if (!author) return "?";
  dmarc::Input input{.author = *std::move(author), .identifiers = {}};
  std::istringstream words(fields[1]);
  for (std::string word; words >> word;) {
    const auto method = word.starts_with("spf") ? dmarc::Method::spf : dmarc::Method::dkim;
    input.identifiers.push_back({.method = method, .standing = dmarc::Standing::pass, .domain = word.substr(word.find('=') + 1)});
  }
  dmarc::Evaluation evaluation(std::move(input), {.discovery = dmarc::Discovery::public_suffix_list}, Instant());
  test::evaluate(evaluation, [&zone](const dns::Question& question) { return zone.lookup(question); });
  const auto& verdict = evaluation.verdict();
  return std::string(to_string(verdict.outcome)) + "\t" + std::string(to_string(verdict.policy)) + "\t" +
         (verdict.record ? verdict.policy_domain.text() : std::string());
}

}  // namespace

int main(int argc, char** argv) { return test::judge_lines(argc, argv, 2, judge); }
