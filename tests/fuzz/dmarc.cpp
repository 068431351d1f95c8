// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// An author that is found is one that stands in the header as it is; a record that is read keeps its limits.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mailauth/dmarc/author.hpp"
#include "keystonemail/mailauth/dmarc/record.hpp"

using namespace keystonemail;
using namespace keystonemail::mailauth::dmarc;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto author = find_author(text)) {
    const std::string domain = author->address.substr(author->address.rfind('@'));
    if (text.find(domain) == std::string_view::npos) __builtin_trap();
    if (dns::Name::from_domain(domain.substr(1)) != author->domain) __builtin_trap();
  }
  const auto record = parse_record(text);
  if (record && !is_record(text)) __builtin_trap();
  if (!record) return 0;
  if (record->percent > 100 || record->aggregate_addresses.size() > limits::report_addresses_max) __builtin_trap();
  for (const auto& address : record->aggregate_addresses) {
    if (address.uri.find(':') == std::string::npos || address.uri.find_first_of(",; ") != std::string::npos) __builtin_trap();
  }
  return 0;
}
