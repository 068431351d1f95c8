// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Judges what standard input asks, line by line "author's domain<TAB>spf=domain dkim=domain ...", where each named domain has
// passed, by the zone file that is the argument, with organizational domains of the Public Suffix List. Answers
// "outcome<TAB>policy<TAB>where it was found".
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>

#include "keystonemail/dns/zone.hpp"
#include "keystonemail/mailauth/dmarc/evaluation.hpp"

using namespace keystonemail;
namespace dmarc = keystonemail::mailauth::dmarc;

namespace {

std::string judge(const dns::Zone& zone, const std::string& line) {
  const auto tab = line.find('\t');
  auto author = dns::Name::from_domain(line.substr(0, tab));
  if (!author || tab == std::string::npos) return "?";
  dmarc::Input input{.author = *std::move(author), .identifiers = {}};
  std::istringstream words(line.substr(tab + 1));
  for (std::string word; words >> word;) {
    const auto equals = word.find('=');
    const auto method = word.starts_with("spf") ? dmarc::Method::spf : dmarc::Method::dkim;
    input.identifiers.push_back({.method = method, .standing = dmarc::Standing::pass, .domain = word.substr(equals + 1)});
  }
  dmarc::Evaluation evaluation(std::move(input), {.discovery = dmarc::Discovery::public_suffix_list}, Instant());
  for (;;) {
    const auto event = evaluation.next_event();
    const auto* needed = std::get_if<dmarc::NeedAnswer>(&event);
    if (needed == nullptr) break;
    evaluation.decide(zone.lookup(needed->question), Instant());
  }
  const auto& verdict = evaluation.verdict();
  return std::string(to_string(verdict.outcome)) + "\t" + std::string(to_string(verdict.policy)) + "\t" +
         (verdict.record ? verdict.policy_domain.text() : std::string());
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
