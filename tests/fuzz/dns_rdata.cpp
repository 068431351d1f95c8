// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What is read from a message can be written as text and read again; an answer is found when and only when it has records.
// The first two octets are the type; the rest is a message, with RDATA from its octet 12 on.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "keystonemail/dns/message.hpp"
#include "keystonemail/dns/zone.hpp"

using namespace keystonemail::dns;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size < 14) return 0;
  const std::string_view message(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto type = static_cast<RecordType>(data[0] << 8 | data[1]);
  if (const auto record = parse_rdata(type, message, 12, message.size() - 12)) {
    const auto again = parse_zone(". 1 " + to_string(type) + " " + to_string(*record));
    if (type_of(*record) != type || !again || again->size() != 1 || again->front().data != *record) __builtin_trap();
  }
  const Question question{*Name::parse("a.example"), type};
  const Answer answer = parse_response(message, question);
  if ((answer.status == AnswerStatus::found) == answer.records.empty()) __builtin_trap();
  for (const auto& record : answer.records) {
    if (type_of(record) != type) __builtin_trap();
  }
  return 0;
}
