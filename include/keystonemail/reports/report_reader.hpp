// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Finds the reports in what came in: a message with attachments, a file, or the body of an HTTPS request.
//
// Ownership: values. Threads: pure functions. Errors: none: what could not be read is told in words, for the log.
// Limits: reports::limits and codec::limits: archives are unpacked to 10 MB, 200 times their size, three levels deep, all
//   of one message together (attack C9).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/reports/dmarc_aggregate.hpp"
#include "keystonemail/reports/failure_report.hpp"
#include "keystonemail/reports/tls_report.hpp"

namespace keystonemail::reports {

struct Reports {
  std::vector<AggregateReport> aggregates;
  std::vector<TlsReport> tls;
  std::vector<FailureReport> failures;
  std::vector<std::string> problems;

  [[nodiscard]] bool empty() const noexcept { return aggregates.empty() && tls.empty() && failures.empty(); }
};

// XML or JSON, plain or in gzip or zip; told apart by what it is, not by what it is called.
[[nodiscard]] Reports read_file(std::string_view octets);
// All parts of a message.
[[nodiscard]] Reports read_message(std::string_view message);

}  // namespace keystonemail::reports
