// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Every section of sample messages against offsets taken from the text by hand, partials, decoding, large messages.
#include <algorithm>

#include "keystonemail/codec/base64.hpp"
#include "service/imap/fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::service::imap;
using namespace keystonemail::service::imap::testing;

namespace {

const std::string top = "From: A <a@example.test>\r\nSubject: nested\r\nX-One: 1\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n";
const std::string text_header = "Content-Type: text/plain\r\n\r\n";
const std::string text = "first part\r\nsecond line";
const std::string file_header = "Content-Type: application/x; name=f\r\nContent-Transfer-Encoding: base64\r\n\r\n";
const std::string file = codec::encode_base64(std::string("bin\0ary", 7));
const std::string message_header = "Content-Type: message/rfc822\r\n\r\n";
const std::string inner_header = "From: b@example.test\r\nSubject: inner\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n";
const std::string inner_first = "one";
const std::string inner_body = "--i\r\n\r\n" + inner_first + "\r\n--i\r\nContent-Type: text/html\r\n\r\n<p>two\r\n--i--";
const std::string body = "--o\r\n" + text_header + text + "\r\n--o\r\n" + file_header + file + "\r\n--o\r\n" + message_header +
                         inner_header + inner_body + "\r\n--o--\r\n";
const std::string sample = top + body;

struct Fetching : ImapFixture {
  Client& c = open();
  // What FETCH 1 of `item` gives as a literal or string; "NIL" for NIL.
  std::string fetch(const std::string& item, const std::string& label) {
    const std::string answer = c.say("f FETCH 1 (" + item + ")\r\n");
    const auto at = answer.find(label + " ");
    REQUIRE_MESSAGE(at != std::string::npos, answer);
    std::string_view rest = std::string_view(answer).substr(at + label.size() + 1);
    if (rest.starts_with("NIL")) return "NIL";
    if (rest.starts_with('"')) return std::string(rest.substr(1, rest.find('"', 1) - 1));
    if (rest.starts_with('~')) rest.remove_prefix(1);
    REQUIRE(rest.starts_with('{'));
    const std::size_t octets = std::stoul(std::string(rest.substr(1)));
    return std::string(rest.substr(rest.find("\r\n") + 2, octets));
  }
  std::string section(const std::string& name) { return fetch("BODY.PEEK[" + name + "]", "BODY[" + name + "]"); }
};

}  // namespace

TEST_CASE_FIXTURE(Fetching, "imap fetch: every section of a nested message is what stands in the text") {
  (void)c.append(sample);
  CHECK(section("") == sample);
  CHECK(section("HEADER") == top);
  CHECK(section("TEXT") == body);
  CHECK(section("1") == text);
  CHECK(section("1.MIME") == text_header);
  CHECK(section("2") == file);
  CHECK(section("2.MIME") == file_header);
  CHECK(section("3") == inner_header + inner_body);
  CHECK(section("3.MIME") == message_header);
  CHECK(section("3.HEADER") == inner_header);
  CHECK(section("3.TEXT") == inner_body);
  CHECK(section("3.1") == inner_first);
  CHECK(section("3.2") == "<p>two");
  CHECK(section("4") == "NIL");
  CHECK(section("1.1") == "NIL");
  CHECK(section("HEADER.FIELDS (SUBJECT X-One)") == "Subject: nested\r\nX-One: 1\r\n\r\n");
  CHECK(has(section("HEADER.FIELDS.NOT (SUBJECT X-One)"), "From: A"));
  CHECK_FALSE(has(section("HEADER.FIELDS.NOT (SUBJECT X-One)"), "nested"));
  CHECK(fetch("RFC822.HEADER", "RFC822.HEADER") == top);
}

TEST_CASE_FIXTURE(Fetching, "imap fetch: a partial is what substr gives, and past the end it is empty") {
  (void)c.append(sample);
  for (const auto& [offset, octets] : {std::pair<std::size_t, std::size_t>{0, 10}, {5, 1}, {sample.size() - 3, 100},
                                       {sample.size(), 5}, {sample.size() + 50, 5}, {3, 1'000'000}}) {
    const std::string partial = "<" + std::to_string(offset) + "." + std::to_string(octets) + ">";
    const std::string label = "BODY[]<" + std::to_string(offset) + ">";
    CHECK(fetch("BODY.PEEK[]" + partial, label) == (offset > sample.size() ? "" : sample.substr(offset, octets)));
  }
}

TEST_CASE_FIXTURE(Fetching, "imap fetch: BINARY is decoded, NUL and all, and its size is told") {  // RFC 3516
  (void)c.append(sample);
  CHECK(fetch("BINARY.PEEK[2]", "BINARY[2]") == std::string("bin\0ary", 7));
  CHECK(fetch("BINARY.PEEK[2]<2.3>", "BINARY[2]<2>") == std::string("n\0a", 3));
  CHECK(has(c.say("1 FETCH 1 BINARY.SIZE[2]\r\n"), "BINARY.SIZE[2] 7)"));
  CHECK(fetch("BINARY.PEEK[1]", "BINARY[1]") == text);
}

TEST_CASE_FIXTURE(Fetching, "imap fetch: a part stored in binary is shown, sized and sent as base64 to who asks for text, and as it came by BINARY") {  // RFC 3516 §6
  std::string octets;
  for (int i = 0; i < 4'000; ++i) octets += static_cast<char>(i);
  const std::string head = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n";
  const std::string message = head + "Content-Type: application/x-own\r\nContent-Transfer-Encoding: binary\r\n\r\n" + octets + "\r\n--b--\r\n";
  REQUIRE(has(c.say("a APPEND INBOX ~{" + std::to_string(message.size()) + "+}\r\n" + message + "\r\n"), "a OK"));
  const std::string shown = section("");
  CHECK(shown.find('\0') == std::string::npos);
  CHECK(shown.starts_with(head));
  const std::string encoded = section("2");
  CHECK(codec::decode_base64_body(encoded)->octets == octets);
  CHECK(has(section("2.MIME"), "Content-Transfer-Encoding: base64\r\n"));
  CHECK(has(c.say("1 FETCH 1 BODYSTRUCTURE\r\n"), "(\"application\" \"x-own\" NIL NIL NIL \"BASE64\" " + std::to_string(encoded.size())));
  CHECK(has(c.say("2 FETCH 1 RFC822.SIZE\r\n"), "RFC822.SIZE " + std::to_string(shown.size()) + ")"));
  CHECK(fetch("BINARY.PEEK[2]", "BINARY[2]") == octets);
  CHECK(has(c.say("3 FETCH 1 BINARY.SIZE[2]\r\n"), "BINARY.SIZE[2] 4000)"));
  CHECK(has(c.say("4 FETCH 1 BINARY.PEEK[2]<250.10>\r\n"), "BINARY[2]<250> ~{10}\r\n" + octets.substr(250, 10) + ")"));
  CHECK(has(c.say("5 FETCH 1 BINARY.PEEK[2]<1.5>\r\n"), "BINARY[2]<1> "));
}

TEST_CASE_FIXTURE(Fetching, "imap fetch: NUL is sent by BINARY alone; where no encoding may be an octet takes its place and every size stays") {  // RFC 9051 §4.3
  std::string message("Subject: x\r\nX-Odd: a\0b\r\nContent-Type: message/partial; id=x; number=1\r\n\r\none\0two\r\n", 81);
  for (int i = 0; i < 60'000; ++i) message += std::string("line\0\r\n", 7);
  std::string sent = message;
  std::ranges::replace(sent, '\0', '\x80');
  const std::size_t header = message.find("one");
  const std::string octets = std::to_string(message.size());
  REQUIRE(has(c.say("a APPEND INBOX ~{" + octets + "+}\r\n" + message + "\r\n"), "a OK"));
  CHECK(section("") == sent);
  CHECK(section("TEXT") == sent.substr(header));
  CHECK(section("HEADER.FIELDS (X-Odd)") == "X-Odd: a\x80" "b\r\n\r\n");
  CHECK(fetch("BODY.PEEK[TEXT]<3.1>", "BODY[TEXT]<3>") == "\x80");
  CHECK(fetch("RFC822", "RFC822") == sent);
  CHECK(fetch("BINARY.PEEK[]", "BINARY[]") == message);
  CHECK(fetch("BINARY.PEEK[1]", "BINARY[1]") == message.substr(header));
  CHECK(has(c.say("1 FETCH 1 RFC822.SIZE\r\n"), "RFC822.SIZE " + octets + ")"));
  CHECK(has(c.say("2 FETCH 1 BINARY.PEEK[]<0.9>\r\n"), "BINARY[]<0> ~{9}\r\nSubject: )"));
}

TEST_CASE_FIXTURE(Fetching, "imap fetch: an encoding that is not known is UNKNOWN-CTE") {
  (void)c.append("Content-Transfer-Encoding: x-own\r\n\r\nabc");
  CHECK(has(c.say("1 FETCH 1 BINARY.PEEK[1]\r\n"), "1 NO [UNKNOWN-CTE]"));
}

TEST_CASE_FIXTURE(Fetching, "imap fetch: reading a body sets Seen and says so, peeking and EXAMINE do not") {
  (void)c.append(sample);
  CHECK_FALSE(has(c.say("1 FETCH 1 BODY.PEEK[]\r\n"), "\\Seen"));
  CHECK_FALSE(has(c.say("2 FETCH 1 RFC822.HEADER\r\n"), "\\Seen"));
  (void)c.say("3 EXAMINE INBOX\r\n");
  CHECK_FALSE(has(c.say("4 FETCH 1 BODY[]\r\n"), "\\Seen"));
  c.select();
  CHECK(has(c.say("5 FETCH 1 BODY[1]\r\n"), "FLAGS (\\Seen)"));
  CHECK_FALSE(has(c.say("6 FETCH 1 BODY[1]\r\n"), "FLAGS"));
  CHECK(c.say("7 NOOP\r\n") == "7 OK NOOP completed\r\n");
}

TEST_CASE_FIXTURE(Fetching, "imap fetch: envelope, structure, dates, ids and preview") {
  (void)c.append(sample, "\"17-Jul-1996 02:44:25 -0700\" ");
  const std::string all = c.say("1 FETCH 1 (ENVELOPE BODYSTRUCTURE INTERNALDATE RFC822.SIZE EMAILID THREADID SAVEDATE PREVIEW MODSEQ)\r\n");
  for (const std::string& part :
       {std::string("ENVELOPE (NIL \"nested\" ((\"A\" NIL \"a\" \"example.test\"))"), std::string("\"17-Jul-1996 09:44:25 +0000\""),
        "RFC822.SIZE " + std::to_string(sample.size()), std::string("EMAILID (M"), std::string("THREADID (T"),
        std::string("SAVEDATE \""), std::string("PREVIEW \"first part second line"), std::string("MODSEQ ("),
        std::string("\"mixed\""), std::string("\"alternative\"")}) {
    CHECK_MESSAGE(has(all, part), all);
  }
}

TEST_CASE_FIXTURE(Fetching, "imap fetch: a number that no message has is BAD, a UID that none has is nothing") {
  CHECK(has(c.say("1 FETCH 1 FLAGS\r\n"), "1 BAD"));
  CHECK(has(c.say("2 FETCH * FLAGS\r\n"), "2 BAD"));
  CHECK(c.say("3 UID FETCH 1:* FLAGS\r\n") == "3 OK FETCH completed\r\n");
  (void)c.append(sample);
  CHECK(has(c.say("4 FETCH 1:2 FLAGS\r\n"), "4 BAD"));
  CHECK(has(c.say("5 UID FETCH 77 FLAGS\r\n"), "5 OK"));
  CHECK(has(c.say("6 UID FETCH 77:* FLAGS\r\n"), "* 1 FETCH (UID 1 "));
}

TEST_CASE_FIXTURE(Fetching, "imap fetch: a message larger than any buffer comes whole, and its parts at any offset") {
  std::string large = "Subject: large\r\n\r\n";
  while (large.size() < 3'000'000) large += "line " + std::to_string(large.size()) + "\r\n";
  REQUIRE(has(c.append(large), "a OK"));
  CHECK(section("") == large);
  CHECK(section("TEXT") == large.substr(18));
  for (const std::size_t at : {65'530UL, 65'536UL, 262'000UL, 262'144UL, 2'999'990UL}) {
    CHECK(fetch("BODY.PEEK[]<" + std::to_string(at) + ".70000>", "BODY[]<" + std::to_string(at) + ">") == large.substr(at, 70'000));
  }
}

TEST_CASE_FIXTURE(Fetching, "imap fetch: thousands of messages come in order, each once") {
  std::string flood = "a APPEND INBOX";
  for (int i = 0; i < 2500; ++i) flood += " {5+}\r\na: b\n";
  (void)c.say(flood + "\r\n");
  const std::string all = c.say("1 UID FETCH 1:* (FLAGS)\r\n");
  std::size_t at = 0;
  for (int i = 1; i <= 2500; ++i) {
    const std::string line = "* " + std::to_string(i) + " FETCH (UID " + std::to_string(i) + " FLAGS ())\r\n";
    REQUIRE(all.substr(at, line.size()) == line);
    at += line.size();
  }
  const std::string sparse = c.say("2 FETCH 1,3,5:7,2000,2500 (UID)\r\n");
  CHECK(std::count(sparse.begin(), sparse.end(), '*') == 7);
  CHECK(has(sparse, "* 2000 FETCH (UID 2000)\r\n* 2500 FETCH (UID 2500)\r\n"));
}
