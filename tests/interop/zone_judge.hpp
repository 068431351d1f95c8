// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the tools have in common that judge lines of standard input by a zone: its reading, the lines and their fields, and the
// questions of an evaluation.
#pragma once

#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "keystonemail/base/time.hpp"
#include "keystonemail/dns/zone.hpp"

namespace keystonemail::test {

// What stands between tabs.
inline std::vector<std::string> fields_of(std::string_view line) {
  std::vector<std::string> fields;
  for (;;) {
    const auto tab = line.find('\t');
    fields.emplace_back(line.substr(0, tab));
    if (tab == std::string_view::npos) return fields;
    line.remove_prefix(tab + 1);
  }
}

// Answers all that an evaluation asks, at once; it has decided then.
template <class Evaluation, class Answerer>
void evaluate(Evaluation& evaluation, Answerer answer) {
  for (;;) {
    auto event = evaluation.next_event();
    if (event.index() != 0) return;  // Decided
    evaluation.decide(answer(std::get<0>(std::move(event)).question), Instant());
  }
}

// A program: by the zone file that is the argument, a line of output for each of input, "?" where that has not `fields` fields.
inline int judge_lines(int argc, char** argv, std::size_t fields,
                       const std::function<std::string(const dns::Zone&, const std::vector<std::string>&)>& judge) {
  if (argc != 2) return 2;
  std::ifstream file(argv[1]);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  auto records = dns::parse_zone(text);
  if (!records) {
    std::cerr << records.error().describe() << '\n';
    return 2;
  }
  const dns::Zone zone(*std::move(records));
  for (std::string line; std::getline(std::cin, line);) {
    const auto given = fields_of(line);
    std::cout << (given.size() == fields ? judge(zone, given) : "?") << '\n';
  }
  return 0;
}

}  // namespace keystonemail::test
