// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A TLS report that is read keeps its limits, and is written so that it reads the same; so is a TLSRPT record.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "keystonemail/reports/limits.hpp"
#include "keystonemail/reports/report_mail.hpp"
#include "keystonemail/reports/tls_report.hpp"

using namespace keystonemail;
using namespace keystonemail::reports;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto uris = parse_tls_record(text)) {
    if (uris->size() > reports::limits::report_uris_max) __builtin_trap();
    for (const auto& uri : *uris) {
      const auto destination = parse_destination(uri);
      if (destination && (destination->host.empty() || destination->address.find_first_of("\r\n ") != std::string::npos)) __builtin_trap();
    }
  }
  const auto report = read_tls_report(text);
  if (!report) return 0;
  std::size_t failures = 0;
  for (const auto& policy : report->policies) failures += policy.failures.size();
  if (report->policies.empty() || report->policies.size() > reports::limits::policies_max || failures > reports::limits::failures_max) __builtin_trap();
  const auto again = read_tls_report(write_tls_report(*report));
  if (!again || *again != *report) __builtin_trap();
  return 0;
}
