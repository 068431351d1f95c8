// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Messages are put together octet by octet: a builder of our own would share our own mistakes.
#include "keystonemail/dns/message.hpp"

#include <doctest/doctest.h>

#include "dns/names.hpp"

#include "keystonemail/dns/zone.hpp"

using namespace keystonemail;
using namespace keystonemail::dns;
using namespace std::string_literals;

namespace {

std::string u16(unsigned value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }
std::string u32(unsigned value) { return u16(value >> 16) + u16(value); }

std::string header(unsigned flags, unsigned questions, unsigned answers, unsigned authorities = 0) {
  return u16(0x1234) + u16(flags) + u16(questions) + u16(answers) + u16(authorities) + u16(0);
}
std::string asked(std::string_view of, unsigned type) { return name(of).wire() + u16(type) + u16(1); }
std::string record(const std::string& owner, unsigned type, unsigned ttl, const std::string& data, unsigned klass = 1) {
  return owner + u16(type) + u16(klass) + u32(ttl) + u16(static_cast<unsigned>(data.size())) + data;
}
const std::string to_question = "\xc0\x0c"s;  // a pointer to the name in the question

Question mx_question() { return {name("example.com"), RecordType::mx}; }

constexpr unsigned response = 0x8180;

}  // namespace

TEST_CASE("dns message: records of the type asked for, with compressed names") {
  const auto message = header(response, 1, 2) + asked("example.com", 15) +
                       record(to_question, 15, 300, u16(10) + "\2mx" + to_question) +
                       record(to_question, 15, 200, u16(20) + name("mx.example.net").wire());
  const Answer answer = parse_response(message, mx_question());
  CHECK(answer.status == AnswerStatus::found);
  CHECK(answer.ttl == std::chrono::seconds(200));
  REQUIRE(answer.records.size() == 2);
  CHECK(answer.records[0] == RecordData(Mx{10, name("mx.example.com")}));
  CHECK(answer.records[1] == RecordData(Mx{20, name("mx.example.net")}));
  CHECK_FALSE(answer.authenticated);
}

TEST_CASE("dns message: aliases are followed in whatever order they stand") {
  const auto message = header(response, 1, 3) + asked("example.com", 1) +
                       record(name("c.example").wire(), 1, 60, "\xc0\x00\x02\x01"s) +
                       record(name("b.example").wire(), 5, 50, name("c.example").wire()) +
                       record(to_question, 5, 40, name("b.example").wire());
  const Answer answer = parse_response(message, {name("example.com"), RecordType::a});
  CHECK(answer.status == AnswerStatus::found);
  CHECK(answer.canonical_name == name("c.example"));
  CHECK(answer.ttl == std::chrono::seconds(40));
  CHECK(answer.records == std::vector<RecordData>{A{*IpAddress::parse("192.0.2.1")}});
}

TEST_CASE("dns message: an alias that leads to itself is a failure of the server, not a hang") {
  const auto message = header(response, 1, 2) + asked("example.com", 1) + record(to_question, 5, 40, name("b.example").wire()) +
                       record(name("b.example").wire(), 5, 40, to_question);
  CHECK(parse_response(message, {name("example.com"), RecordType::a}).status == AnswerStatus::server_failure);
}

TEST_CASE("dns message: a denial lives as long as the SOA says") {
  const std::string soa = Name().wire() + Name().wire() + u32(1) + u32(2) + u32(3) + u32(4) + u32(90);
  const auto denied = header(response | 3, 1, 0, 1) + asked("example.com", 15) + record(name("com").wire(), 6, 900, soa);
  const Answer answer = parse_response(denied, mx_question());
  CHECK(answer.status == AnswerStatus::no_such_name);
  CHECK(answer.ttl == std::chrono::seconds(90));
  CHECK(parse_response(header(response, 1, 0) + asked("example.com", 15), mx_question()).status == AnswerStatus::no_data);
}

TEST_CASE("dns message: a server that cannot or will not answer has said nothing") {
  const auto with_code = [](unsigned code) {
    return parse_response(header(response | code, 1, 0) + asked("example.com", 15), mx_question()).status;
  };
  CHECK(with_code(2) == AnswerStatus::server_failure);
  CHECK(with_code(1) == AnswerStatus::refused);
  CHECK(with_code(4) == AnswerStatus::refused);
  CHECK(with_code(5) == AnswerStatus::refused);
}

TEST_CASE("dns message: truncated, not a response, or to another question: malformed") {
  CHECK(parse_response(header(response | 0x200, 1, 0) + asked("example.com", 15), mx_question()).status == AnswerStatus::malformed);
  CHECK(parse_response(header(0x0100, 1, 0) + asked("example.com", 15), mx_question()).status == AnswerStatus::malformed);
  CHECK(parse_response(header(response, 1, 0) + asked("example.org", 15), mx_question()).status == AnswerStatus::malformed);
  CHECK(parse_response(header(response, 1, 0) + asked("example.com", 16), mx_question()).status == AnswerStatus::malformed);
  CHECK(parse_response("", mx_question()).status == AnswerStatus::malformed);
}

TEST_CASE("dns message: records of other names, types and classes are not ours") {
  const auto message = header(response, 1, 3) + asked("example.com", 15) +
                       record(name("evil.example").wire(), 15, 300, u16(1) + name("mx.evil.example").wire()) +
                       record(to_question, 15, 300, u16(1) + to_question, 3) + record(to_question, 46, 300, "not parsed");
  const Answer answer = parse_response(message, mx_question());
  CHECK(answer.status == AnswerStatus::no_data);
  CHECK(answer.records.empty());
}

TEST_CASE("D13: a message cut off anywhere is malformed") {
  const auto message = header(response, 1, 1) + asked("example.com", 15) + record(to_question, 15, 300, u16(10) + "\2mx" + to_question);
  REQUIRE(parse_response(message, mx_question()).status == AnswerStatus::found);
  for (std::size_t size = 0; size < message.size(); ++size) {
    CAPTURE(size);
    CHECK(parse_response(std::string_view(message).substr(0, size), mx_question()).status == AnswerStatus::malformed);
  }
}

TEST_CASE("D13: RDATA that is shorter or longer than its type is malformed") {
  const auto with_data = [](unsigned type, const std::string& data) {
    return parse_rdata(static_cast<RecordType>(type), data, 0, data.size()).has_value();
  };
  CHECK(with_data(15, u16(10) + "\0"s));
  CHECK_FALSE(with_data(15, ""));
  CHECK_FALSE(with_data(15, "\0"s));
  CHECK_FALSE(with_data(15, u16(10)));           // an MX without its name
  CHECK_FALSE(with_data(15, u16(10) + "\0x"s));
  CHECK(with_data(1, "abcd"));
  CHECK_FALSE(with_data(1, "abc"));
  CHECK_FALSE(with_data(1, "abcde"));
  CHECK_FALSE(with_data(28, "abcd"));
  CHECK_FALSE(with_data(16, "\5abcd"));
  CHECK(with_data(16, "\0"s));
  CHECK_FALSE(with_data(52, "\3\1"));
  CHECK(with_data(257, "\0\5issueca.example"s));
  CHECK_FALSE(with_data(257, "\0\0"s));
  CHECK_FALSE(with_data(257, "\0\5is sueca"s));
  CHECK_FALSE(parse_rdata(RecordType::a, "abcd", 1, 4));
  CHECK_FALSE(parse_rdata(RecordType::a, "abcd", 5, 0));
}

TEST_CASE("dns message: a TXT record of no strings reads as one of an empty string") {
  CHECK(parse_rdata(RecordType::txt, "", 0, 0) == RecordData(Txt{{""}}));
}

TEST_CASE("D13: pointers that loop, point forward or to themselves end at once") {
  const auto target = [](const std::string& owner) {
    const auto message = header(response, 1, 1) + asked("example.com", 15) + record(owner, 15, 300, u16(10) + "\0"s);
    return parse_response(message, mx_question()).status;
  };
  CHECK(target("\xc0\x1d"s) == AnswerStatus::malformed);          // to itself: the question ends at 29
  CHECK(target("\1a\xc0\x1d"s) == AnswerStatus::malformed);       // to its own beginning
  CHECK(target("\xc0\xff"s) == AnswerStatus::malformed);          // forward
  CHECK(target("\x80\x0c"s) == AnswerStatus::malformed);          // the reserved kinds of label (RFC 1035 §4.1.4)
  CHECK(target("\x40\x0c"s) == AnswerStatus::malformed);
  CHECK(target("\1a\xc0\x0c"s) == AnswerStatus::no_data);
}

TEST_CASE("D13: names that pointers make longer than 255 octets are malformed") {
  std::string data = "\x3f" + std::string(63, 'a') + "\0"s;
  std::size_t last = 0;
  for (int i = 0; i < 4; ++i) {
    const std::size_t here = data.size();
    data += "\x3f" + std::string(63, 'b') + "\xc0"s + static_cast<char>(last);
    last = here;
  }
  // The first three fit (64 × 3 + 1, 64 × 4 = 256 does not).
  CHECK(parse_rdata(RecordType::cname, data, 65 + 66, 66));
  CHECK_FALSE(parse_rdata(RecordType::cname, data, 65 + 2 * 66, 66));
}
