// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/dns/record.hpp"

#include <doctest/doctest.h>

#include "keystonemail/dns/answer.hpp"

using namespace keystonemail;
using namespace keystonemail::dns;
using namespace std::string_literals;

TEST_CASE("dns record: types have their names, others their numbers") {
  CHECK(to_string(RecordType::mx) == "MX");
  CHECK(parse_record_type("aaaa") == RecordType::aaaa);
  CHECK(to_string(RecordType{65'280}) == "TYPE65280");
  CHECK(parse_record_type("type15") == RecordType::mx);
  CHECK_FALSE(parse_record_type("TYPE65536"));
  CHECK_FALSE(parse_record_type("BOGUS"));
}

TEST_CASE("dns record: text as a zone file has it") {
  CHECK(to_string(RecordData(Mx{10, *Name::parse("MX.example")})) == "10 mx.example.");
  CHECK(to_string(RecordData(Mx{0, Name()})) == "0 .");
  CHECK(to_string(RecordData(Txt{{"v=spf1 \"x\"", "\x01"}})) == "\"v=spf1 \\\"x\\\"\" \"\\001\"");
  CHECK(to_string(RecordData(Tlsa{3, 1, 1, "\xab\xcd"})) == "3 1 1 abcd");
  CHECK(to_string(RecordData(Caa{0, "issue", "ca.example"})) == "0 issue \"ca.example\"");
  CHECK(to_string(RecordData(Opaque{RecordType{99}, "ab"})) == "\\# 2 6162");
  CHECK(to_string(RecordData(A{*IpAddress::parse("192.0.2.1")})) == "192.0.2.1");
}

TEST_CASE("dns record: the pieces of a TXT record join with nothing in between") {
  CHECK(Txt{{"v=spf1 ", "-all"}}.joined() == "v=spf1 -all");
}

TEST_CASE("dns answer: only what the DNS itself says is final") {
  CHECK_FALSE(is_temporary(AnswerStatus::found));
  CHECK_FALSE(is_temporary(AnswerStatus::no_such_name));
  CHECK_FALSE(is_temporary(AnswerStatus::no_data));
  for (const auto status : {AnswerStatus::server_failure, AnswerStatus::refused, AnswerStatus::timeout,
                            AnswerStatus::bogus, AnswerStatus::malformed}) {
    CHECK(is_temporary(status));
  }
}
