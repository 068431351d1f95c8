// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/dns/zone.hpp"

#include <doctest/doctest.h>

#include "dns/names.hpp"

using namespace keystonemail;
using namespace keystonemail::dns;

namespace {

std::vector<Record> parse(std::string_view text, std::string_view origin = "example.com") {
  auto records = parse_zone(text, name(origin));
  REQUIRE_MESSAGE(records.has_value(), (records ? std::string() : records.error().describe()));
  return *std::move(records);
}
std::string failure(std::string_view text) {
  const auto records = parse_zone(text, name("example.com"));
  return records ? "" : records.error().text();
}

Answer look_up(std::string_view zone, std::string_view of, RecordType type) { return Zone(parse(zone)).lookup({name(of), type}); }

}  // namespace

TEST_CASE("dns zone: owners, origin, TTLs and classes may be left out or come in either order") {
  const auto records = parse(
      "$TTL 1h30m\n"
      "@        IN 600 A 192.0.2.1   ; the domain itself\n"
      "            AAAA 2001:db8::1\n"
      "www  300 IN CNAME @\n"
      "$ORIGIN sub\n"
      "host        A 192.0.2.2\n"
      "other.example. A 192.0.2.3");
  REQUIRE(records.size() == 5);
  CHECK(records[0] == Record{name("example.com"), 600, A{*IpAddress::parse("192.0.2.1")}});
  CHECK(records[1] == Record{name("example.com"), 5'400, Aaaa{*IpAddress::parse("2001:db8::1")}});
  CHECK(records[2] == Record{name("www.example.com"), 300, Cname{name("example.com")}});
  CHECK(records[3].owner == name("host.sub.example.com"));
  CHECK(records[4].owner == name("other.example"));
}

TEST_CASE("dns zone: the example of RFC 1035 §5.3") {
  const auto records = parse(
      "@   IN  SOA     VENERA      Action\\.domains (\n"
      "                                 20     ; SERIAL\n"
      "                                 7200   ; REFRESH\n"
      "                                 600    ; RETRY\n"
      "                                 3600000; EXPIRE\n"
      "                                 60)    ; MINIMUM\n"
      "        NS      A.ISI.EDU.\n"
      "        NS      VENERA\n"
      "        NS      VAXA\n"
      "        MX      10      VENERA\n"
      "        MX      20      VAXA\n"
      "A       A       26.3.0.103\n"
      "VENERA  A       10.1.0.52\n"
      "        A       128.9.0.32\n",
      "isi.edu");
  REQUIRE(records.size() == 9);
  const auto& soa = std::get<Soa>(records[0].data);
  CHECK(soa.primary == name("venera.isi.edu"));
  CHECK(soa.mailbox == name("action\\.domains.isi.edu"));
  CHECK(soa.minimum == 60);
  CHECK(records[1].data == RecordData(Ns{name("a.isi.edu")}));
  CHECK(records[5].data == RecordData(Mx{20, name("vaxa.isi.edu")}));
  CHECK(records[8] == Record{name("venera.isi.edu"), 3'600, A{*IpAddress::parse("128.9.0.32")}});
}

TEST_CASE("dns zone: the times of an SOA have 32 bits, a TTL has 31") {
  CHECK(std::get<Soa>(parse("@ SOA a b 1 4294967295 2 3 4")[0].data).refresh == 4'294'967'295);
  CHECK_FALSE(failure("@ 2147483648 A 192.0.2.1").empty());
}

TEST_CASE("dns zone: strings are quoted or not, and may hold any octet") {
  const auto records = parse("@ TXT \"v=spf1 ; not a comment\" -all \"a\\\"b\\\\c\\255\"");
  CHECK(std::get<Txt>(records[0].data).strings == std::vector<std::string>{"v=spf1 ; not a comment", "-all", "a\"b\\c\xff"});
}

TEST_CASE("dns zone: the other types, and the form for unknown ones") {
  const auto records = parse(
      "_25._tcp TLSA 3 1 1 (0123 4567\n 89AB cdef)\n"
      "_imap._tcp SRV 0 1 143 mail\n"
      "@ CAA 0 ISSUE \"ca.example\"\n"
      "@ TYPE65280 \\# 3 01 0203\n"
      "@ A \\# 4 c0000201\n"
      "1 PTR mail.example.com.\n");
  CHECK(records[0].data == RecordData(Tlsa{3, 1, 1, "\x01\x23\x45\x67\x89\xab\xcd\xef"}));
  CHECK(records[1].data == RecordData(Srv{0, 1, 143, name("mail.example.com")}));
  CHECK(records[2].data == RecordData(Caa{0, "issue", "ca.example"}));
  CHECK(records[3].data == RecordData(Opaque{RecordType{65'280}, "\1\2\3"}));
  CHECK(records[4].data == RecordData(A{*IpAddress::parse("192.0.2.1")}));
  CHECK(records[5].data == RecordData(Ptr{name("mail.example.com")}));
}

TEST_CASE("dns zone: what is wrong is named with its line") {
  CHECK(failure("@ A 192.0.2.1\n\n@ A 192.0.2.256\n").starts_with("line 3: "));
  CHECK(failure("@ A 2001:db8::1").starts_with("line 1: "));
  for (const auto text : {"@ IN", "@ 5x A 192.0.2.1", "@ CH A 192.0.2.1", "@ MX 65536 a", "@ MX 10", "@ MX 10 a b", "@ TXT",
                          "@ TXT \"open", "@ A ( 192.0.2.1", "@ A 192.0.2.1 )", " A 192.0.2.1", "$INCLUDE file", "$TTL x",
                          "$ORIGIN a..b", "a..b A 192.0.2.1", "@ TYPE99 word", "@ A \\# 3 c00002", "@ TLSA 3 1 1 0", "@ TXT \\25", "@ CAA 0 \\032 x", "@ CAA 0 \"\" x"}) {
    CAPTURE(text);
    CHECK_FALSE(failure(text).empty());
  }
}

TEST_CASE("dns zone: entries and zones have a largest size") {
  std::string many = "@ TXT";
  for (int i = 0; i < 67'000; ++i) many += " a";
  CHECK(failure(many) == "line 1: an entry is too long");
  CHECK_FALSE(parse_zone(std::string(limits::zone_octets_max + 1, '\n')));
}

TEST_CASE("dns zone lookup: found, no data and no such name are told apart") {
  const auto zone = "@ SOA a b 1 2 3 4 120\n@ MX 10 mx\nmx A 192.0.2.1\nhost.deep A 192.0.2.2\n";
  CHECK(look_up(zone, "example.com", RecordType::mx).records.size() == 1);
  CHECK(look_up(zone, "mx.example.com", RecordType::aaaa).status == AnswerStatus::no_data);
  CHECK(look_up(zone, "deep.example.com", RecordType::a).status == AnswerStatus::no_data);  // something is below it
  CHECK(look_up(zone, "x.example.com", RecordType::a).status == AnswerStatus::no_such_name);
  CHECK(look_up(zone, "x.example.com", RecordType::a).ttl == std::chrono::seconds(120));
  CHECK(look_up(zone, "example.org", RecordType::a).status == AnswerStatus::no_such_name);
}

TEST_CASE("dns zone lookup: aliases lead on, and a loop is a failure") {
  const auto zone = "a 60 CNAME b\nb CNAME c\nc A 192.0.2.1\nd CNAME e\ne CNAME d\nf CNAME nowhere\n";
  const Answer answer = look_up(zone, "a.example.com", RecordType::a);
  CHECK(answer.status == AnswerStatus::found);
  CHECK(answer.canonical_name == name("c.example.com"));
  CHECK(answer.ttl == std::chrono::seconds(60));
  CHECK(look_up(zone, "a.example.com", RecordType::cname).records.size() == 1);
  CHECK(look_up(zone, "d.example.com", RecordType::a).status == AnswerStatus::server_failure);
  CHECK(look_up(zone, "f.example.com", RecordType::a).status == AnswerStatus::no_such_name);
}

TEST_CASE("dns zone lookup: a wildcard stands for what is not there, and for nothing that is") {
  const auto zone = "*.w A 192.0.2.1\nhost.w TXT x\n";
  CHECK(look_up(zone, "any.w.example.com", RecordType::a).status == AnswerStatus::found);
  CHECK(look_up(zone, "two.levels.w.example.com", RecordType::a).status == AnswerStatus::found);
  CHECK(look_up(zone, "host.w.example.com", RecordType::a).status == AnswerStatus::no_data);
  CHECK(look_up(zone, "below.host.w.example.com", RecordType::a).status == AnswerStatus::no_such_name);
  CHECK(look_up(zone, "w.example.com", RecordType::a).status == AnswerStatus::no_data);
}
