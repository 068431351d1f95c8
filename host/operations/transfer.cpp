// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "operations/transfer.hpp"

#include <cstdio>
#include <utility>

#include "base/format.hpp"
#include "operations/offline.hpp"

namespace keystonemail::host {

constexpr std::size_t problems_max = 1'000;

void Transferred::problem(std::string text) {
  ++failed;
  if (problems.size() < problems_max) problems.push_back(std::move(text));
}

int print_transferred(const Result<Transferred>& result, std::string_view done, Output output) {
  if (!result) return report_error(output, error_text(result.error()));
  if (output == Output::json) {
    std::string problems;
    for (const std::string& problem : result->problems) problems += (problems.empty() ? "" : ",") + json_text(problem);
    std::fputs(format("{{\"ok\":{},\"mailboxes\":{},\"messages\":{},\"octets\":{},\"skipped\":{},\"failed\":{},\"problems\":[{}]}}\n",
                      result->failed == 0, result->mailboxes, result->messages, result->octets, result->skipped,
                      result->failed, problems).c_str(), stdout);
  } else {
    for (const std::string& problem : result->problems) std::fprintf(stderr, "%s\n", problem.c_str());
    std::fputs(format("{} {} messages of {} mailboxes, {}; {} were there already, {} failed\n", done, result->messages,
                      result->mailboxes, octets_text(result->octets), result->skipped, result->failed).c_str(), stdout);
  }
  return result->failed == 0 ? 0 : 1;
}

}  // namespace keystonemail::host
