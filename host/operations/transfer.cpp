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

void Transferred::mailbox_problem(std::string text) {
  ++mailboxes_failed;
  if (problems.size() < problems_max) problems.push_back(std::move(text));
}

int print_transferred(const Result<Transferred>& result, std::string_view done, Output output) {
  if (!result) return report_error(output, error_text(result.error()));
  const bool well = result->failed == 0 && result->mailboxes_failed == 0;
  if (output == Output::json) {
    std::string problems;
    for (const std::string& problem : result->problems) problems += (problems.empty() ? "" : ",") + json_text(problem);
    std::fputs(format("{{\"ok\":{},\"mailboxes\":{},\"messages\":{},\"octets\":{},\"skipped\":{},\"failed\":{},\"mailboxes_failed\":{},\"problems\":[{}]}}\n",
                      well, result->mailboxes, result->messages, result->octets, result->skipped, result->failed,
                      result->mailboxes_failed, problems).c_str(), stdout);
  } else {
    for (const std::string& problem : result->problems) std::fprintf(stderr, "%s\n", problem.c_str());
    std::fputs(format("{} {} messages of {} mailboxes, {}; {} were there already, {} failed\n", done, result->messages,
                      result->mailboxes, octets_text(result->octets), result->skipped, result->failed).c_str(), stdout);
    if (!well) {
      const auto untold = result->failed + result->mailboxes_failed - result->problems.size();
      std::fflush(stdout);
      std::fprintf(stderr, "%s", format("{} messages and {} mailboxes had problems, named above{}. Mend them (a folder or file whose name is no good: rename it)\n"
                                        "and say it again: what is there already is passed over.\n",
                                        result->failed, result->mailboxes_failed, untold > 0 ? format(" but {}", untold) : std::string()).c_str());
    }
  }
  return well ? 0 : 1;
}

}  // namespace keystonemail::host
