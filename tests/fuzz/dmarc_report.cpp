// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A DMARC report that is read keeps its limits, and is written so that it reads the same.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "keystonemail/reports/dmarc_aggregate.hpp"
#include "keystonemail/reports/limits.hpp"

using namespace keystonemail;
using namespace keystonemail::reports;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  auto report = read_aggregate({reinterpret_cast<const char*>(data), size});
  if (!report) return 0;
  if (report->records.size() > reports::limits::records_max || report->published.domain.empty() || report->begin > report->end) __builtin_trap();
  if (report->records.empty()) return 0;
  // What the schema has no element for.
  report->records_ignored = 0;
  report->published.percent.reset();
  const auto again = read_aggregate(write_aggregate(*report, AggregateSchema::rfc9990));
  if (!again || *again != *report) __builtin_trap();
  if (!read_aggregate(write_aggregate(*report, AggregateSchema::rfc7489))) __builtin_trap();
  return 0;
}
