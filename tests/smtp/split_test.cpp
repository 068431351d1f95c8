// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Split invariance: sessions cut into random pieces go as whole ones do. KEYSTONEMAIL_SPLITS says how many splits there are
// for each engine; the long form is 100,000.
#include "keystonemail/base/random.hpp"
#include "keystonemail/smtp/client_session.hpp"
#include "smtp/server_fixture.hpp"
#include "support/splits.hpp"

using namespace keystonemail;
using namespace keystonemail::smtp;
using namespace keystonemail::smtp::testing;

namespace {

// What a client says before it reads again.
using Turns = std::vector<std::string>;

const std::string sample =
    "From: a@client.test\r\nSubject: dots\r\n\r\n..stuffed\r\n...\r\nbare\rCR and bare\nLF\r\n.not the end\r\n\r\n.\r\n";

const Turns smtp_sessions[] = {
    {"EHLO client.test\r\n", "MAIL FROM:<a@client.test> SIZE=200 BODY=8BITMIME\r\nRCPT TO:<b@mx.test> ORCPT=rfc822;b@mx.test\r\nDATA\r\n",
     "Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n"},
    {"EHLO client.test\r\n", "MAIL FROM:<>\r\n", "RCPT TO:<b@mx.test>\r\nRCPT TO:<c@mx.test>\r\nDATA\r\n", sample, "RSET\r\nNOOP\r\nQUIT\r\n"},
    {"EHLO client.test\r\n", "MAIL FROM:<a@b> ENVID=x RET=HDRS\r\nRCPT TO:<b@mx.test> NOTIFY=NEVER\r\nBDAT 10\r\n0123456789BDAT 3\r\nabcBDAT 2 LAST\r\n\r\n",
     "MAIL FROM:<a@b>\r\nBDAT 4\r\nabcdRCPT TO:<b@mx.test>\r\nBDAT 4 LAST\r\nxy\r\nQUIT\r\n"},
    {"EHLO client.test\r\n", "STARTTLS\r\n", "EHLO client.test\r\n", "AUTH PLAIN\r\n", "AHUAcA==\r\n", "MAIL FROM:<a@b>\r\nVRFY x\r\nQUIT\r\n"},
    {"EHLO client.test\r\n", "AUTH PLAIN AHUAcA==\r\n", "MAIL FROM:<a@b>\r\nRCPT TO:<\"q \\\" t\"@mx.test>\r\nRCPT TO:<@x.test:d@mx.test>\r\nBOGUS\r\n\r\nHELP\r\nQUIT\r\n"},
    {"EHLO client.test\r\n", "MAIL FROM:<a@b>\nRCPT TO:<c@mx.test>\r\nDATA\r\n", "MAIL FROM:<" + std::string(2'500, 'x') + ">\r\nNOOP\r\n"},
    {"HELO client.test\r\n", "MAIL FROM:<a@b>\r\n", "RCPT TO:<b@mx.test>\r\n", "DATA\r\n", std::string(3'000, 'l') + "\r\n.\r\n", "QUIT\r\n"},
    {"early talk\r\n"},
};

const Turns lmtp_sessions[] = {
    {"LHLO client.test\r\n", "MAIL FROM:<a@b>\r\nRCPT TO:<b@mx.test>\r\nRCPT TO:<c@mx.test>\r\nDATA\r\n", "Subject: x\r\n\r\n.\r\nQUIT\r\n"},
    {"LHLO client.test\r\n", "MAIL FROM:<a@b>\r\nRCPT TO:<b@mx.test>\r\nRCPT TO:<no@mx.test>\r\nBDAT 4\r\nabcdBDAT 2 LAST\r\n\r\n", "EHLO x\r\nQUIT\r\n"},
    {"LHLO client.test\r\n", "MAIL FROM:<a@b>\r\nRCPT TO:<b@mx.test>\r\nDATA\r\n", sample, "MAIL FROM:<c@d>\r\nRCPT TO:<b@mx.test>\r\nRSET\r\nQUIT\r\n"},
};

std::string replay(Protocol protocol, const Turns& turns, SeededRandom* random) {
  ServerFixture f;
  f.options.protocol = protocol;
  f.options.offer_starttls = true;
  f.options.auth_mechanisms = "PLAIN";
  f.options.allow_plaintext_auth = true;
  f.answer = [](const ServerEvent& event) -> std::optional<Answer> {
    if (const auto* rcpt = std::get_if<RcptTo>(&event); rcpt && rcpt->recipient.local == "no") return Reply{550, {5, 1, 1}, "No such user"};
    return std::nullopt;
  };
  f.open();
  for (const std::string& turn : turns) {
    if (f.closed) break;
    f.say(turn, random == nullptr ? std::vector<std::size_t>() : test::random_cuts(*random, turn.size()));
  }
  return f.trace;
}

template <std::size_t count>
void split_server(Protocol protocol, const Turns (&sessions)[count]) {
  SeededRandom random(1);
  std::vector<std::string> whole;
  for (const Turns& turns : sessions) whole.push_back(replay(protocol, turns, nullptr));
  for (std::uint64_t i = 0; i < test::splits_wanted(); ++i) {
    CAPTURE(i);
    REQUIRE(replay(protocol, sessions[i % count], &random) == whole[i % count]);
  }
}

// What servers have been heard to say, from greeting to farewell: each element answers one batch of the client's.
const Turns server_voices[] = {
    {"220 mx.test ESMTP\r\n", "250-mx.test\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n",
     "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n550 5.1.1 No such user\r\n354 Go ahead\r\n", "250-2.0.0 Ok\r\n250 2.0.0 queued\r\n", "221 Bye\r\n"},
    {"220-mx.test\r\n220-is\r\n220 here\r\n", "250 mx.test\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "451 later\r\n", "221 bye\r\n"},
    {"220 mx.test\r\n", "250-mx.test\r\n250-CHUNKING\r\n250 PIPELINING\r\n", "250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n", "250 ok\r\n", "221 bye\r\n"},
    {"554 go away\r\n", "221 bye\r\n"},
    {"220 mx.test\r\n", "500 what\r\n", "250 mx.test\r\n", "250 ok\r\n", "450 4.2.1 later\r\n", "550 5.1.1 no\r\n", "250 ok\r\n", "221 bye\r\n"},
    {"220 mx.test\r\n", "250 mx.test\r\n", "2x0 nonsense\r\n"},
    {"220 mx.test\r\n", "250 mx.test\r\n", "421 4.3.2 shutting down\r\n"},
};

std::string replay_client(const Turns& voice, SeededRandom* random) {
  static const ClientOptions options;
  ClientSession client(options, Instant());
  std::string trace;
  bool closed = false, sent = false, given = false;
  const auto settle = [&] {
    while (!closed) {
      const ClientEvent event = client.next_event();
      if (std::holds_alternative<ClientNeedInput>(event)) break;
      trace += "event " + std::to_string(event.index()) + "\n";
      if (const auto* done = std::get_if<ClientMessageDone>(&event)) {
        for (const Reply& reply : done->replies) trace += reply.to_string();
      }
      closed = std::holds_alternative<ClientClosed>(event);
      if (std::holds_alternative<ClientNeedMessage>(event)) {
        if (!given) client.give_message("Subject: x\r\n\r\n.body\r\n", Instant());
        if (given) client.end_message(Instant());
        given = true;
      }
      if (!std::holds_alternative<ClientReady>(event)) continue;
      if (sent) {
        client.quit(Instant());
      } else {
        client.send({Path{"a", "client.test"}, {{Path{"b", "mx.test"}, {}}, {Path{"c", "mx.test"}, {}}}}, Instant());
      }
      sent = true;
    }
    const std::string said(client.pending_output());
    trace += said;
    client.consume_output(said.size(), Instant());
    return !said.empty();
  };
  const auto settle_all = [&] { while (settle() && !closed) {} };
  settle_all();
  for (const std::string& turn : voice) {
    auto cuts = random == nullptr ? std::vector<std::size_t>() : test::random_cuts(*random, turn.size());
    cuts.push_back(turn.size());
    std::size_t from = 0;
    for (const std::size_t cut : cuts) {
      for (std::string piece = turn.substr(from, cut - from); !piece.empty() && !closed;) {
        const std::size_t taken = client.receive(piece, Instant());
        piece.erase(0, taken);
        settle_all();
        if (taken == 0) break;
      }
      from = cut;
    }
  }
  client.receive_end(Instant());
  settle_all();
  return trace;
}

}  // namespace

TEST_CASE("split: an SMTP server session is the same in any pieces") { split_server(Protocol::smtp, smtp_sessions); }
TEST_CASE("split: an LMTP session is the same in any pieces") { split_server(Protocol::lmtp, lmtp_sessions); }

TEST_CASE("split: an SMTP client session is the same in any pieces") {
  SeededRandom random(1);
  std::vector<std::string> whole;
  for (const Turns& voice : server_voices) whole.push_back(replay_client(voice, nullptr));
  for (std::uint64_t i = 0; i < test::splits_wanted(); ++i) {
    CAPTURE(i);
    const std::size_t chosen = i % std::size(server_voices);
    REQUIRE(replay_client(server_voices[chosen], &random) == whole[chosen]);
  }
}
