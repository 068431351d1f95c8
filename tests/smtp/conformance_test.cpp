// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What RFC 5321 and its extensions say a server must, should or may answer, line by line, with what clients really send.
#include "smtp/server_fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::smtp;
using namespace keystonemail::smtp::testing;

namespace {

struct Row {
  const char* section;
  std::vector<const char*> before;   // lines after EHLO, answered as they are
  const char* line;
  const char* reply;                 // how the answer begins
};

void check_rows(const ServerOptions& options, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    ServerFixture f;
    f.options = options;
    f.options.hostname = "mx.test";
    f.greet();
    for (const char* line : row.before) f.line(line);
    const std::string answer = f.line(row.line);
    CHECK_MESSAGE(answer.starts_with(row.reply), std::string(row.section) << " " << std::string(row.line).substr(0, 100) << " -> " << answer);
  }
}

constexpr const char* mail = "MAIL FROM:<a@client.test>";
constexpr const char* rcpt = "RCPT TO:<b@mx.test>";

}  // namespace

TEST_CASE("smtp conformance: commands and their arguments (RFC 5321 §4.1)") {
  static const std::string local_64(64, 'l'), local_65(65, 'l'), label(63, 'd');
  static const std::string longest = "MAIL FROM:<" + local_64 + "@" + label + "." + label + ".test>";
  static const std::string longer = "RCPT TO:<" + local_65 + "@mx.test>";
  static const std::string line_512 = "NOOP " + std::string(505, 'x');
  check_rows({}, {
      {"§2.4", {}, "mAiL fRoM:<a@client.test>", "250 "},
      {"§2.4", {"mail from:<a@client.test>"}, "rcpt to:<b@mx.test>", "250 "},
      {"§4.1.1", {}, "NOOP ", "250 "},
      {"§4.1.1", {mail, rcpt}, "DATA ", "354 "},
      {"§3.3, blanks as many clients send them", {}, "MAIL FROM: <a@client.test>", "250 "},
      {"§3.3", {mail}, "RCPT TO: <b@mx.test> ", "250 "},
      {"§4.1.1.1", {}, "EHLO", "501 "},
      {"§4.1.1.1", {}, "HELO", "501 "},
      {"§4.1.1.1", {}, "HELO client.test", "250 mx.test\r\n"},
      {"§4.1.3", {}, "EHLO [192.0.2.1]", "250-mx.test\r\n"},
      {"§4.1.3", {}, "EHLO [IPv6:2001:db8::1]", "250-mx.test\r\n"},
      {"§4.1.4, names that Windows gives", {}, "EHLO MY_PC", "250-mx.test\r\n"},
      {"§4.1.4", {}, "EHLO localhost", "250-mx.test\r\n"},
      {"§4.1.4", {}, "EHLO two words", "501 "},
      {"§4.1.4, EHLO is RSET", {mail, rcpt, "EHLO client.test"}, mail, "250 "},
      {"§4.1.4, EHLO is RSET", {mail, rcpt, "EHLO client.test"}, "DATA", "503 "},
      {"§4.1.1.2, §4.5.5", {}, "MAIL FROM:<>", "250 "},
      {"§4.1.1.2", {}, "MAIL FROM:", "501 "},
      {"§4.1.1.2", {}, "MAIL", "501 "},
      {"§4.1.1.2", {}, "MAIL TO:<a@client.test>", "501 "},
      {"§4.1.1.3, any case", {mail}, "RCPT TO:<PostMaster>", "250 "},
      {"§4.1.1.3", {mail}, "RCPT TO:<>", "501 "},
      {"§4.1.1.3", {mail}, "RCPT TO:<b>", "501 "},
      {"§4.1.2", {mail}, "RCPT TO:<\"b c\"@mx.test>", "250 "},
      {"§4.1.2", {mail}, "RCPT TO:<b..c@mx.test>", "501 "},
      {"§4.1.2", {mail}, "RCPT TO:<b@mx.test", "501 "},
      {"§4.1.3", {mail}, "RCPT TO:<b@[192.0.2.1]>", "250 "},
      {"§4.1.3", {mail}, "RCPT TO:<b@[IPv6:2001:db8::1]>", "250 "},
      {"§4.1.3", {mail}, "RCPT TO:<b@[300.0.2.1]>", "501 "},
      {"§4.1.1.4", {}, "DATA", "503 "},
      {"§4.1.1.4", {mail}, "DATA", "503 "},
      {"§4.1.1.4", {mail, rcpt}, "DATA now", "501 "},
      {"§4.1.1.5", {mail, rcpt, "RSET"}, "DATA", "503 "},
      {"§4.1.1.5", {}, "RSET x", "501 "},
      {"§4.1.1.6, §3.5.3", {}, "VRFY b", "252 "},
      {"§4.1.1.6", {}, "VRFY", "501 "},
      {"§4.1.1.7, §3.5.3", {}, "EXPN list", "502 "},
      {"§4.1.1.8", {}, "HELP", "214 "},
      {"§4.1.1.9", {}, "NOOP whatever it says", "250 "},
      {"§4.1.1.10", {}, "QUIT", "221 "},
      {"§4.1.1.10", {mail, rcpt}, "QUIT", "221 "},
      {"§4.1.4", {mail}, mail, "503 "},
      {"§4.1.4", {}, rcpt, "503 "},
      {"§4.2.4", {}, "XYZZY", "500 "},
      {"§4.2.4", {}, "TURN", "50"},
      {"§4.2.4", {}, "", "500 "},
      {"§4.5.3.1.1, .2, .4", {}, longest.c_str(), "250 "},
      {"§4.5.3.1, longer ones are met in return paths", {mail}, longer.c_str(), "250 "},
      {"§4.5.3.1.4", {}, line_512.c_str(), "250 "},
  });
}

TEST_CASE("smtp conformance: before EHLO nothing is taken, and HELO gives no extensions (RFC 5321 §3.1, §4.1.4)") {
  for (const char* line : {mail, rcpt, "DATA", "BDAT 0", "BDAT 0 LAST", "AUTH PLAIN"}) {
    ServerFixture f;
    f.open();
    CHECK_MESSAGE(f.line(line).starts_with("5"), std::string(line));
  }
  for (const char* line : {"NOOP", "RSET", "HELP", "VRFY a", "QUIT"}) {
    ServerFixture f;
    f.open();
    CHECK_MESSAGE(f.line(line).starts_with("2"), std::string(line));
  }
  ServerFixture f;
  f.open();
  f.line("HELO client.test");
  CHECK(f.line(mail).starts_with("250 "));
  CHECK(f.line(rcpt).starts_with("250 "));
  CHECK(f.line("DATA").starts_with("354 "));
  CHECK(f.say("x: y\r\n\r\n..\r\n.\r\n").starts_with("250 "));
  CHECK(f.accepted == std::vector<std::string>{"x: y\r\n\r\n.\r\n"});
}

TEST_CASE("smtp conformance: a source route is read and forgotten (RFC 5321 §4.1.1.3, appendix C)") {
  ServerFixture f;
  f.greet();
  f.line("MAIL FROM:<@one.test,@two.test:a@client.test>");
  f.line("RCPT TO:<@one.test:b@mx.test>");
  CHECK(f.trace.find("mail a@client.test\n") != std::string::npos);
  CHECK(f.trace.find("rcpt b@mx.test\n") != std::string::npos);
}

TEST_CASE("smtp conformance: a hundred recipients, and 452 for those beyond the ceiling (RFC 5321 §4.5.3.1.8, §4.5.3.1.10)") {
  ServerFixture f;
  f.greet();
  f.line(mail);
  for (int i = 0; i < 100; ++i) REQUIRE(f.line("RCPT TO:<r" + std::to_string(i) + "@mx.test>").starts_with("250 "));
  CHECK(f.line("RCPT TO:<onemore@mx.test>").starts_with("452 4.5.3 "));
  CHECK(f.line("DATA").starts_with("354 "));
  CHECK(f.say("x: y\r\n\r\n.\r\n").starts_with("250 "));
}

TEST_CASE("smtp conformance: a text line of a thousand octets and more is kept as it is (RFC 5321 §4.5.3.1.6)") {
  ServerFixture f;
  f.greet().envelope();
  f.line("DATA");
  const std::string text = "x: y\r\n\r\n" + std::string(998, 'l') + "\r\n" + std::string(5'000, 'l') + "\r\n";
  CHECK(f.say(text + ".\r\n").starts_with("250 "));
  CHECK(f.accepted == std::vector<std::string>{text});
}

TEST_CASE("smtp conformance: parameters of MAIL and RCPT (RFC 1870, RFC 6152, RFC 3461, RFC 3030, RFC 6531)") {
  ServerOptions options;
  options.message_octets_max = 1'000;
  check_rows(options, {
      {"RFC 1870 §6", {}, "MAIL FROM:<a@client.test> SIZE=0", "250 "},
      {"RFC 1870 §6", {}, "MAIL FROM:<a@client.test> size=1000", "250 "},
      {"RFC 1870 §6.1", {}, "MAIL FROM:<a@client.test> SIZE=1001", "552 5.3.4 "},
      {"RFC 1870 §6.1, no 32 bits", {}, "MAIL FROM:<a@client.test> SIZE=18446744073709551616", "55"},
      {"RFC 1870 §3", {}, "MAIL FROM:<a@client.test> SIZE=", "501 "},
      {"RFC 1870 §3", {}, "MAIL FROM:<a@client.test> SIZE=-1", "501 "},
      {"RFC 6152 §2", {}, "MAIL FROM:<a@client.test> BODY=8BITMIME", "250 "},
      {"RFC 6152 §2", {}, "MAIL FROM:<a@client.test> body=7bit SIZE=5", "250 "},
      {"RFC 6152 §2", {}, "MAIL FROM:<a@client.test> BODY=9BIT", "501 "},
      {"RFC 5321 §4.1.1.11", {}, "MAIL FROM:<a@client.test> NOSUCH=1", "555 "},
      {"RFC 5321 §4.1.1.11", {mail}, "RCPT TO:<b@mx.test> NOSUCH", "555 "},
      {"more blanks", {}, "MAIL FROM:<a@client.test>   SIZE=5   BODY=8BITMIME ", "250 "},
      {"twice", {}, "MAIL FROM:<a@client.test> SIZE=5 SIZE=6", "501 "},
      {"RFC 3461 §4.3", {}, "MAIL FROM:<a@client.test> RET=HDRS ENVID=QQ314159+2B", "250 "},
      {"RFC 3461 §4.3", {}, "MAIL FROM:<a@client.test> RET=SOME", "501 "},
      {"RFC 3461 §4.4", {}, "MAIL FROM:<a@client.test> ENVID=+zz", "501 "},
      {"RFC 3461 §4.1", {mail}, "RCPT TO:<b@mx.test> NOTIFY=SUCCESS,DELAY,FAILURE ORCPT=rfc822;b+2Bc@mx.test", "250 "},
      {"RFC 3461 §4.1", {mail}, "RCPT TO:<b@mx.test> NOTIFY=NEVER", "250 "},
      {"RFC 3461 §4.1", {mail}, "RCPT TO:<b@mx.test> NOTIFY=NEVER,SUCCESS", "501 "},
      {"RFC 3461 §4.2", {mail}, "RCPT TO:<b@mx.test> ORCPT=b@mx.test", "501 "},
      {"RFC 3030 §3", {"MAIL FROM:<a@client.test> BODY=BINARYMIME", rcpt}, "DATA", "503 "},
      {"RFC 3030 §2", {mail, rcpt}, "BDAT", "501 "},
      {"RFC 3030 §2", {mail, rcpt}, "BDAT x", "501 "},
      {"RFC 3030 §2", {mail, rcpt}, "BDAT 0 LAST", "250 "},
      {"RFC 6531 §3.4", {}, "MAIL FROM:<\xc3\xbc@client.test> SMTPUTF8", "250 "},
      {"RFC 6531 §3.4", {}, "MAIL FROM:<\xc3\xbc@client.test>", "553 5.6.7 "},
      {"RFC 6531 §3.4", {mail}, "RCPT TO:<\xc3\xbc@mx.test>", "553 5.6.7 "},
      {"RFC 6531 §3.3", {}, "MAIL FROM:<\xc3@client.test> SMTPUTF8", "501 "},
      {"RFC 4954 §5, without AUTH it is no parameter", {}, "MAIL FROM:<a@client.test> AUTH=<>", "555 "},
  });
}

TEST_CASE("smtp conformance: AUTH (RFC 4954 §4)") {
  ServerOptions options;
  options.auth_mechanisms = "PLAIN LOGIN";
  options.allow_plaintext_auth = true;
  check_rows(options, {
      {"§4", {}, "AUTH", "501 "},
      {"§4", {}, "AUTH CRAM-MD5", "504 "},
      {"§4, lower case", {}, "auth plain AGEAYg==", "235 "},
      {"§4", {"AUTH PLAIN AGEAYg=="}, "AUTH PLAIN AGEAYg==", "503 "},
      {"§4", {mail}, "AUTH PLAIN AGEAYg==", "503 "},
      {"§4, an empty initial response", {}, "AUTH PLAIN =", "235 "},
      {"§4", {}, "AUTH PLAIN !", "501 5.5.2 "},
      {"as Outlook begins LOGIN", {}, "AUTH LOGIN YWxpY2U=", "235 "},
      {"§5", {"AUTH PLAIN AGEAYg=="}, "MAIL FROM:<a@client.test> AUTH=<>", "250 "},
      {"§5", {"AUTH PLAIN AGEAYg=="}, "MAIL FROM:<a@client.test> AUTH=a+40client.test", "250 "},
      {"§5", {"AUTH PLAIN AGEAYg=="}, "MAIL FROM:<a@client.test> AUTH=+a", "501 "},
  });
  ServerFixture f;
  f.options = options;
  f.answer = [](const ServerEvent& event) -> std::optional<Answer> {
    if (std::holds_alternative<AuthStart>(event)) return AuthChallenge{""};
    return std::nullopt;
  };
  f.greet();
  CHECK(f.line("AUTH PLAIN") == "334 \r\n");  // the blank belongs to it
  CHECK(f.line("*").starts_with("501 "));
  CHECK(f.line("AUTH PLAIN") == "334 \r\n");
  CHECK(f.line("AGEAYg==").starts_with("235 "));
}

TEST_CASE("smtp conformance: EHLO tells each extension once, and every other reply has its enhanced code (RFC 5321 §4.1.1.1, RFC 2034 §4)") {
  ServerFixture f;
  f.options.auth_mechanisms = "PLAIN";
  f.options.allow_plaintext_auth = true;
  f.options.offer_starttls = true;
  f.open();
  const std::string hello = f.line("EHLO client.test");
  for (const char* keyword : {"PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "CHUNKING", "BINARYMIME", "DSN",
                              "ENHANCEDSTATUSCODES", "STARTTLS", "AUTH PLAIN"}) {
    const auto at = hello.find(keyword);
    CHECK_MESSAGE(at != std::string::npos, keyword);
    CHECK_MESSAGE(hello.find(std::string(" ") + keyword, at + 1) == std::string::npos, keyword);
  }
  for (const char* line : {"NOOP", mail, mail, rcpt, "RCPT TO:<>", "RSET", "DATA", "VRFY x", "EXPN x", "HELP", "NOSUCH", "AUTH NOSUCH", "QUIT"}) {
    const std::string answer = f.line(line);
    REQUIRE(answer.size() > 6);
    CHECK_MESSAGE((answer[3] == ' ' && answer[4] == answer[0] && answer[5] == '.'), std::string(line) << " -> " << answer);
  }
}

TEST_CASE("smtp conformance: LMTP knows LHLO alone (RFC 2033 §4.1), submission asks for AUTH first (RFC 6409 §4.3)") {
  ServerOptions lmtp;
  lmtp.protocol = Protocol::lmtp;
  check_rows(lmtp, {{"§4.1", {}, "EHLO client.test", "500 "}, {"§4.1", {}, "HELO client.test", "500 "}, {"§4.1", {}, "LHLO client.test", "250-"}});
  check_rows({}, {{"RFC 2033 §4.1", {}, "LHLO client.test", "500 "}});
  ServerOptions submission;
  submission.protocol = Protocol::submission;
  submission.require_auth = true;
  submission.auth_mechanisms = "PLAIN";
  submission.allow_plaintext_auth = true;
  check_rows(submission, {{"§4.3", {}, mail, "530 5.7.0 "}, {"§4.3", {"AUTH PLAIN AGEAYg=="}, mail, "250 "}, {"§4.3", {}, "NOOP", "250 "}});
}
