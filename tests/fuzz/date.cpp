// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A date that could be read is written in a form that reads as the same moment in the same zone.
#include <cstddef>
#include <cstdint>
#include <string>

#include "keystonemail/mime/date.hpp"

using namespace keystonemail::mime;

namespace {

void require(bool claim) {
  if (!claim) __builtin_trap();
}

// Years that four digits and the limit of 1900 leave in the zone told.
bool writable(const ZonedTime& when) {
  const std::chrono::year_month_day day(when.day());
  return day.year() >= std::chrono::year(1900) && day.year() <= std::chrono::year(9999);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto when = parse_date(text); when && writable(*when)) require(parse_date(format_date(*when)) == when);
  if (const auto when = parse_internal_date(text); when && writable(*when))
    require(parse_internal_date(format_internal_date(*when)) == when);
  (void)parse_imap_date(text);
  return 0;
}
