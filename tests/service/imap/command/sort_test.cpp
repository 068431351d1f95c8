// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SORT, THREAD (RFC 5256, RFC 5267 §3) and COMPRESS (RFC 4978) as a client sees them.
#include <doctest/doctest.h>

#include "codec/deflate.hpp"
#include "keystonemail/transport/deflate_stream.hpp"
#include "service/imap/fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::service::imap::testing;

namespace {

struct Sorting : ImapFixture {
  Sorting() : client(open()) {
    add("Date: Wed, 3 Jan 2024 10:00:00 +0000\r\nFrom: Zoe <zoe@b.test>\r\nTo: list@x.test\r\nCc: \"b\" <beta@x.test>\r\n"
        "Subject: banana\r\nMessage-ID: <1@x>\r\n", "\"05-Jan-2024 00:00:00 +0000\"", 300);
    add("Date: Tue, 2 Jan 2024 23:30:00 -0200\r\nFrom: adam@z.test\r\nTo: =?utf-8?q?L?= <alpha@x.test>\r\n"
        "Subject: Re: apple\r\nMessage-ID: <2@x>\r\nReferences: <4@x>\r\n", "\"03-Jan-2024 00:00:00 +0000\"", 10);
    add("From: Mia <MIA@a.test>\r\nSubject: [list] Cherry (fwd)\r\nMessage-ID: <3@x>\r\n", "\"01-Jan-2024 00:00:00 +0000\"", 100);
    add("Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nFrom: bob@a.test\r\nSubject: =?utf-8?q?Apple?=\r\nMessage-ID: <4@x>\r\n",
        "\"04-Jan-2024 00:00:00 +0000\"", 50);
  }
  void add(const std::string& header, const std::string& received, std::size_t octets) {
    const std::string answer = client.append(header + "\r\n" + std::string(octets, 'x') + "\r\n", received + " ");
    REQUIRE_MESSAGE(has(answer, "a OK"), answer);
  }
  Client& client;
};

}  // namespace

TEST_CASE("sort: by each key, forwards and backwards, ties by the order of the mailbox") {
  Sorting s;
  CHECK(has(s.client.say("a CAPABILITY\r\n"), " SORT ESORT THREAD=ORDEREDSUBJECT THREAD=REFERENCES"));
  CHECK(has(s.client.say("a SORT (ARRIVAL) UTF-8 ALL\r\n"), "* SORT 3 2 4 1\r\na OK"));
  CHECK(has(s.client.say("a SORT (REVERSE ARRIVAL) UTF-8 ALL\r\n"), "* SORT 1 4 2 3\r\na OK"));
  // Without a Date the third is of the day it came, 1 January; the second was sent at 01:30 UTC on the third.
  CHECK(has(s.client.say("a SORT (DATE) US-ASCII ALL\r\n"), "* SORT 3 4 2 1\r\na OK"));
  CHECK(has(s.client.say("a SORT (SIZE) UTF-8 ALL\r\n"), "* SORT 4 2 3 1\r\na OK"));
  CHECK(has(s.client.say("a SORT (SUBJECT) UTF-8 ALL\r\n"), "* SORT 2 4 1 3\r\na OK"));
  CHECK(has(s.client.say("a SORT (SUBJECT REVERSE ARRIVAL) UTF-8 ALL\r\n"), "* SORT 4 2 1 3\r\na OK"));
  CHECK(has(s.client.say("a SORT (FROM) UTF-8 ALL\r\n"), "* SORT 2 4 3 1\r\na OK"));
  CHECK(has(s.client.say("a SORT (TO) UTF-8 ALL\r\n"), "* SORT 3 4 2 1\r\na OK"));
  CHECK(has(s.client.say("a SORT (REVERSE CC) UTF-8 ALL\r\n"), "* SORT 1 2 3 4\r\na OK"));
  CHECK(has(s.client.say("a SORT (SUBJECT) UTF-8 FROM \"a.test\"\r\n"), "* SORT 4 3\r\na OK"));
  CHECK(has(s.client.say("a SORT (SUBJECT) UTF-8 FROM nobody\r\n"), "* SORT\r\na OK"));
  CHECK(has(s.client.say("a SORT (DATE) KOI8-NONSENSE ALL\r\n"), "a NO [BADCHARSET"));
}

TEST_CASE("sort: UIDs stay theirs when messages go, and by number nothing is told to be gone meanwhile") {
  Sorting s;
  s.client.say("a STORE 2 +FLAGS.SILENT (\\Deleted)\r\n");
  s.client.say("a EXPUNGE\r\n");
  CHECK(has(s.client.say("a UID SORT (ARRIVAL) UTF-8 ALL\r\n"), "* SORT 3 4 1\r\na OK"));
  CHECK(has(s.client.say("a SORT (ARRIVAL) UTF-8 ALL\r\n"), "* SORT 2 3 1\r\na OK"));
  auto& other = s.open();
  other.say("a STORE 1 +FLAGS.SILENT (\\Deleted)\r\n");
  other.say("a EXPUNGE\r\n");
  const std::string answer = s.client.say("a SORT (ARRIVAL) UTF-8 ALL\r\n");
  CHECK(has(answer, "* SORT 2 3\r\n"));
  CHECK(!has(answer, "EXPUNGE"));
  CHECK(has(s.client.say("a NOOP\r\n"), "* 1 EXPUNGE\r\n"));
}

TEST_CASE("sort: RETURN gives the first, the last, how many, and all in their order (RFC 5267 3)") {
  Sorting s;
  CHECK(has(s.client.say("a SORT RETURN (MIN MAX COUNT) (ARRIVAL) UTF-8 ALL\r\n"), "* ESEARCH (TAG \"a\") MIN 3 MAX 1 COUNT 4\r\n"));
  CHECK(has(s.client.say("a SORT RETURN (ALL) (ARRIVAL) UTF-8 ALL\r\n"), "* ESEARCH (TAG \"a\") ALL 3,2,4,1\r\n"));
  CHECK(has(s.client.say("a UID SORT RETURN () (REVERSE CC) UTF-8 ALL\r\n"), "* ESEARCH (TAG \"a\") UID ALL 1:4\r\n"));
  CHECK(has(s.client.say("a SORT RETURN (COUNT) (ARRIVAL) UTF-8 FROM nobody\r\n"), "* ESEARCH (TAG \"a\") COUNT 0\r\n"));
  const std::string saved = s.client.say("a SORT RETURN (SAVE) (ARRIVAL) UTF-8 FROM a.test\r\n");
  CHECK(!has(saved, "ESEARCH"));
  CHECK(has(s.client.say("a SEARCH $\r\n"), "* SEARCH 3 4\r\n"));
  s.client.say("a SORT RETURN (SAVE MIN) (ARRIVAL) UTF-8 ALL\r\n");
  CHECK(has(s.client.say("a SEARCH $\r\n"), "* SEARCH 3\r\n"));
  CHECK(has(s.client.say("a SORT (ARRIVAL) UTF-8 MODSEQ 1\r\n"), "* SORT 3 2 4 1 (MODSEQ "));
}

TEST_CASE("thread: by references and by subject, by number and by UID") {
  Sorting s;
  CHECK(has(s.client.say("a THREAD REFERENCES UTF-8 ALL\r\n"), "* THREAD (3)(4 2)(1)\r\na OK"));
  CHECK(has(s.client.say("a THREAD ORDEREDSUBJECT UTF-8 ALL\r\n"), "* THREAD (3)(4 2)(1)\r\na OK"));
  s.client.say("a STORE 1 +FLAGS.SILENT (\\Deleted)\r\n");
  s.client.say("a EXPUNGE\r\n");
  CHECK(has(s.client.say("a UID THREAD REFERENCES UTF-8 ALL\r\n"), "* THREAD (3)(4 2)\r\na OK"));
  CHECK(has(s.client.say("a THREAD REFERENCES UTF-8 FROM nobody\r\n"), "* THREAD\r\na OK"));
}

TEST_CASE("compress: both ways from the answer on, and once (RFC 4978)") {
  Sorting s;
  CHECK(has(s.client.say("a CAPABILITY\r\n"), " COMPRESS=DEFLATE"));
  const std::string answer = s.client.say("a COMPRESS DEFLATE\r\n");
  CHECK(has(answer, "a OK"));
  s.client.stream = std::make_unique<transport::DeflateStream>(std::move(s.client.stream));
  const std::string capability = s.client.say("b CAPABILITY\r\n");
  CHECK(has(capability, "b OK"));
  CHECK(!has(capability, "COMPRESS"));
  CHECK(has(s.client.say("c COMPRESS DEFLATE\r\n"), "c NO [COMPRESSIONACTIVE]"));
  CHECK(has(s.client.say("d FETCH 1:4 BODY.PEEK[]\r\n"), std::string(300, 'x')));
  CHECK(has(s.client.append("Subject: y\r\n\r\n" + std::string(200'000, 'y') + "\r\n"), "a OK"));
  CHECK(has(s.client.say("e IDLE\r\n"), "+ "));
  s.open().append("Subject: z\r\n\r\nz\r\n");
  CHECK(has(s.client.heard(), "* 6 EXISTS"));
  CHECK(has(s.client.say("DONE\r\n"), "e OK"));
  CHECK(has(s.client.say("f LOGOUT\r\n"), "* BYE"));
}

TEST_CASE("compress: what comes along with the command is compressed already") {
  Sorting s;
  codec::Deflater deflater;
  std::string pipelined = "a COMPRESS DEFLATE\r\n";
  deflater.add("b NOOP\r\n", pipelined);
  deflater.flush(pipelined);
  const std::string answer = s.client.say(pipelined);
  const auto end = answer.find("\r\n");
  REQUIRE(end != std::string::npos);
  CHECK(answer.starts_with("a OK"));
  std::string plain;
  REQUIRE(codec::Inflater().inflate(std::string_view(answer).substr(end + 2), plain, 1000).has_value());
  CHECK(has(plain, "b OK"));
}

TEST_CASE("B7: a client that sends a compressed bomb is cut off") {
  Sorting s;
  CHECK(has(s.client.say("a COMPRESS DEFLATE\r\n"), "a OK"));
  codec::Deflater deflater;
  std::string bomb;
  deflater.add("a APPEND INBOX {50000000+}\r\n", bomb);
  deflater.add(std::string(10'000'000, '\0'), bomb);
  deflater.flush(bomb);
  s.client.say(bomb);
  CHECK(s.client.over());
  auto& other = s.open();
  CHECK(has(other.say("a STATUS INBOX (MESSAGES)\r\n"), "MESSAGES 4"));
}
