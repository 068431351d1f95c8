// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A zone that is read can be written record by record and read again, and each record is found where it was put.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "keystonemail/dns/zone.hpp"

using namespace keystonemail::dns;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const auto records = parse_zone({reinterpret_cast<const char*>(data), size}, *Name::parse("example.com"));
  if (!records) return 0;
  std::string text;
  for (const auto& record : *records) {
    text += record.owner.text() + (record.owner.is_root() ? " " : ". ") + std::to_string(record.ttl) + " IN " +
            to_string(type_of(record.data)) + " " + to_string(record.data) + "\n";
  }
  if (const auto again = parse_zone(text); again ? *again != *records : text.size() <= limits::zone_octets_max) __builtin_trap();
  const Zone zone(*records);
  for (std::size_t i = 0; i < std::min<std::size_t>(records->size(), 50); ++i) {
    const auto& record = (*records)[i];
    const bool has_alias = zone.lookup({record.owner, RecordType::cname}).status == AnswerStatus::found;
    const Answer answer = zone.lookup({record.owner, type_of(record.data)});
    if (!has_alias && std::ranges::find(answer.records, record.data) == answer.records.end()) __builtin_trap();
  }
  return 0;
}
