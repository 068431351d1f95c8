// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Whole sessions, and that their course does not depend on where reads split.
#include "keystonemail/smtp/server_session.hpp"

#include "smtp/server_fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::smtp;
using namespace keystonemail::smtp::testing;

namespace {

// What the client says between two reads, in order.
using Turns = std::vector<std::string>;

struct Scene {
  const char* name;
  Turns turns;
  std::function<void(ServerFixture&)> prepare = [](ServerFixture&) {};
};

const std::vector<Scene>& scenes() {
  static const Turns hello{"EHLO client.test\r\n"};
  static const std::string envelope = "MAIL FROM:<a@client.test>\r\nRCPT TO:<b@mx.test>\r\n";
  static const auto with = [](Turns more) {
    Turns all = hello;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  static const std::vector<Scene> all{
      {"a message by DATA", with({envelope + "DATA\r\n", "Subject: x\r\n\r\n..dot\r\n...\r\n.\r\nQUIT\r\n"})},
      {"two messages, one step at a time",
       with({"MAIL FROM:<>\r\n", "RCPT TO:<Postmaster>\r\n", "DATA\r\n", "\r\n.\r\n", envelope + "RSET\r\n",
             envelope + "DATA\r\n", ".\r\nNOOP\r\nQUIT\r\n"})},
      {"a message in chunks", with({envelope + "BDAT 5\r\nab\r\ncBDAT 0\r\nBDAT 4 LAST\r\nd.\r\nMAIL FROM:<>\r\n"})},
      {"binary chunks",
       with({"MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<b@mx.test>\r\nDATA\r\nBDAT 4\r\n" + std::string("\0\r\n.", 4) +
             "BDAT 1 LAST\r\n\nQUIT\r\n"})},
      {"smuggling", with({envelope + "DATA\r\n", "a\n.\nb\r\n.\nc\n.\r\nd\r.\re\r\n.\rf\r.\r\ng\r\n.\r\nRSET\r\n"})},
      {"NUL in a message", with({envelope + "DATA\r\n", std::string("a\r\n\0.\r\nb\r\n.\r\nNOOP\r\n", 19)})},
      {"a bare CR at the end of the last chunk", with({envelope + "BDAT 2 LAST\r\na\rNOOP\r\n"})},
      {"a bare CR and LF across chunks", with({envelope + "BDAT 2\r\na\rBDAT 2\r\n\nbBDAT 1\r\n\nBDAT 1 LAST\r\nxNOOP\r\n"})},
      {"out of order",
       {"MAIL FROM:<a@b>\r\n", "EHLO c\r\n", "RCPT TO:<b@mx.test>\r\nDATA\r\nBDAT 3 LAST\r\nabcMAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\n"
        "DATA\r\nFOO\r\nRSET now\r\nBDAT 2\r\nabVRFY x\r\nEXPN x\r\nETRN x\r\nHELP\r\nNOOP\r\nquit\r\n"}},
      {"parameters",
       with({"MAIL FROM:<a@b> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+2By AUTH=a+40b\r\n"
             "RCPT TO:<\xc3\xa9@mx.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c\r\nDATA\r\n",
             "x\r\n.\r\n"}),
       [](ServerFixture& f) { f.implicit_tls = true; }},
      {"too large", with({envelope + "DATA\r\n", "0123456789012345678901234567890123456789\r\n.\r\nRSET\r\n"}),
       [](ServerFixture& f) { f.options.message_octets_max = 20; }},
      {"long lines in a message", with({envelope + "DATA\r\n", "0123456789\r\n0123456789ab\r\nx\r\n.\r\nRSET\r\n"}),
       [](ServerFixture& f) { f.options.message_line_octets_max = 12; }},
      {"a declared chunk too large", with({envelope + "BDAT 5\r\nabcdeBDAT 16\r\n0123456789abcdefBDAT 1 LAST\r\nxRSET\r\n"}),
       [](ServerFixture& f) { f.options.message_octets_max = 20; }},
      {"bare LF in a command", with({"NOOP\r\nMAIL FROM:<a@b>\nRSET\r\n"})},
      {"bare CR in a command", with({"NOOP \r x\r\nRSET\r\n"})},
      {"a long line", with({"NOOP " + std::string(3'000, 'x') + "\r\nRSET\r\nAUTH " + std::string(13'000, 'y') + "\r\nRSET\r\n"})},
      {"AUTH in one step", {"EHLO c\r\n", "AUTH PLAIN AGEAYg==\r\n", "MAIL FROM:<a@b>\r\n"},
       [](ServerFixture& f) { f.implicit_tls = true; }},
      {"AUTH with a challenge",
       {"EHLO c\r\n", "AUTH LOGIN\r\n", "YQ==\r\n", "AUTH LOGIN\r\n", "*\r\n", "AUTH PLAIN =\r\n", "!\r\n", "RSET\r\n"},
       [](ServerFixture& f) {
         f.implicit_tls = true;
         f.answer = [](const ServerEvent& event) -> std::optional<Answer> {
           if (std::holds_alternative<AuthStart>(event)) return AuthChallenge{"go on"};
           if (std::holds_alternative<AuthResponse>(event)) return AuthFailure{};
           return std::nullopt;
         };
       }},
      {"STARTTLS", {"EHLO c\r\n", "STARTTLS\r\n", "EHLO d\r\n", "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"},
       [](ServerFixture& f) { f.options.offer_starttls = true; }},
      {"STARTTLS with more behind it", {"EHLO c\r\n", "STARTTLS\r\nMAIL FROM:<a@b>\r\n"},
       [](ServerFixture& f) { f.options.offer_starttls = true; }},
      {"LMTP", {"LHLO c\r\n", envelope + "RCPT TO:<c@mx.test>\r\nDATA\r\n", "x\r\n.\r\n" + envelope + "BDAT 1 LAST\r\nxQUIT\r\n"},
       [](ServerFixture& f) { f.options.protocol = Protocol::lmtp; }},
      {"a refused recipient and message",
       with({"MAIL FROM:<a@b>\r\nRCPT TO:<no@mx.test>\r\nDATA\r\n", envelope, "RCPT TO:<b@mx.test>\r\nDATA\r\n",
             "x\r\n.\r\nRCPT TO:<b@mx.test>\r\nDATA\r\n"}),
       [](ServerFixture& f) {
         f.answer = [](const ServerEvent& event) -> std::optional<Answer> {
           if (const auto* rcpt = std::get_if<RcptTo>(&event); rcpt && rcpt->recipient.local == "no") {
             return Reply{550, {5, 1, 1}, "No such user"};
           }
           if (std::holds_alternative<MessageEnd>(event)) return Reply{451, {4, 3, 0}, "Later"};
           return std::nullopt;
         };
       }},
      {"refused at DATA and BDAT", with({envelope + "DATA\r\n", "BDAT 3\r\nabcBDAT 3\r\nabcBDAT 0 LAST\r\n" + envelope}),
       [](ServerFixture& f) {
         f.answer = [](const ServerEvent& event) -> std::optional<Answer> {
           if (std::holds_alternative<MessageBegin>(event)) return Reply{452, {4, 3, 1}, "No room"};
           return std::nullopt;
         };
       }},
      {"ran ahead of DATA", with({envelope + "DATA\r\nSubject: x\r\n\r\n.\r\n"})},
      {"ran ahead of EHLO", {"EHLO c\r\nMAIL FROM:<a@b>\r\n"}},
      {"HELO", {"HELO c\r\n", "MAIL FROM:<a@b>\r\n", "RCPT TO:<b@c>\r\n", "DATA\r\n", "x\r\n.\r\n", "QUIT\r\n"}},
  };
  return all;
}

std::string replay(const Scene& scene, std::size_t cut, std::size_t every = 0) {
  ServerFixture fixture;
  scene.prepare(fixture);
  fixture.open();
  std::size_t before = 0;
  for (const std::string& turn : scene.turns) {
    if (fixture.closed) break;
    std::vector<std::size_t> cuts;
    if (every != 0) {
      for (std::size_t at = every; at < turn.size(); at += every) cuts.push_back(at);
    } else if (cut >= before && cut - before < turn.size()) {
      cuts.push_back(cut - before);
    }
    before += turn.size();
    fixture.say(turn, cuts);
  }
  return fixture.trace;
}

}  // namespace

TEST_CASE("server session: where reads split changes nothing") {
  for (const Scene& scene : scenes()) {
    CAPTURE(scene.name);
    const std::string whole = replay(scene, SIZE_MAX);
    REQUIRE(!whole.empty());
    std::size_t octets = 0;
    for (const std::string& turn : scene.turns) octets += turn.size();
    const std::size_t step = octets > 2'000 ? 97 : 1;
    for (std::size_t cut = 0; cut < octets; cut += step) {
      CAPTURE(cut);
      REQUIRE(replay(scene, cut) == whole);
    }
    for (const std::size_t every : {1u, 2u, 3u, 5u, 16u, 17u}) {
      CAPTURE(every);
      REQUIRE(replay(scene, 0, every) == whole);
    }
  }
}

TEST_CASE("server session: a message by DATA, from greeting to QUIT") {
  ServerFixture f;
  f.open();
  CHECK(f.trace == "connected\nS: 220 mx.test ESMTP ready\r\n");
  f.line("EHLO client.test");
  f.trace.clear();
  f.say("MAIL FROM:<a@client.test>\r\nRCPT TO:<b@mx.test>\r\nDATA\r\n");
  f.say("Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n");
  CHECK(f.trace ==
        "mail a@client.test\nrcpt b@mx.test\nbegin data\n"
        "S: 250 2.1.0 Sender OK\r\n250 2.1.5 Recipient OK\r\n354 End data with <CR><LF>.<CR><LF>\r\n"
        "chunk Subject: x\r\n\r\n.dot\r\n\nend 20\nclosed 0\n"
        "S: 250 2.0.0 Message accepted\r\n221 2.0.0 Bye\r\n");
  CHECK(f.accepted == std::vector<std::string>{"Subject: x\r\n\r\n.dot\r\n"});
}

TEST_CASE("server session: a pipelined batch is answered by one output") {
  ServerFixture f;
  f.greet();
  const std::string out = f.say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@d>\r\nNOOP\r\nRSET\r\n");
  CHECK(count_replies(out) == 5);
}
