// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Our client talks to our server: the engines agree on every message, by DATA and BDAT, SMTP and LMTP.
#include "keystonemail/smtp/client_session.hpp"

#include "smtp/server_fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::smtp;
using namespace keystonemail::smtp::testing;

namespace {

struct Dialogue {
  ServerFixture server;
  ClientOptions options;
  std::string message = "Subject: x\r\n\r\nbody\n.\r\n..\r\rend";
  ClientEnvelope envelope{Path{"a", "client.test"}, {{Path{"b", "mx.test"}, {}}, {Path{"no", "mx.test"}, {}}}};
  std::vector<Reply> results;
  std::optional<ClientClosed> closed;
  bool authenticate = false;
  std::optional<Reply> auth;

  void run() {
    server.answer = [](const ServerEvent& event) -> std::optional<Answer> {
      if (const auto* rcpt = std::get_if<RcptTo>(&event); rcpt && rcpt->recipient.local == "no") {
        return Reply{550, {5, 1, 1}, "No such user"};
      }
      return std::nullopt;
    };
    server.session.emplace(server.options, server.now);
    server.pump();
    ClientSession client(options, server.now);
    for (int round = 0; round < 100 && !closed; ++round) {
      std::string heard = server.read_output();
      while (!heard.empty() && !closed) {
        const std::size_t taken = client.receive(heard, server.now);
        heard.erase(0, taken);
        drain(client);
      }
      drain(client);
      const std::string said(client.pending_output());
      client.consume_output(said.size(), server.now);
      server.push(said);
      drain(client);
    }
  }
  void drain(ClientSession& client) {
    for (ClientEvent event = client.next_event(); !std::holds_alternative<ClientNeedInput>(event) && !closed;
         event = client.next_event()) {
      if (std::holds_alternative<ClientStartTls>(event)) client.tls_established(server.now);
      if (auto* done = std::get_if<ClientMessageDone>(&event)) results = done->replies;
      if (auto* over = std::get_if<ClientClosed>(&event)) closed = *over;
      if (auto* done = std::get_if<ClientAuthDone>(&event)) auth = done->reply;
      if (std::holds_alternative<ClientNeedMessage>(event)) {
        if (!given_) client.give_message(message, server.now);
        if (given_) client.end_message(server.now);
        given_ = true;
      }
      if (!std::holds_alternative<ClientReady>(event)) continue;
      if (authenticate && !auth) {
        client.authenticate("PLAIN", std::string_view("\0u\0p", 4), server.now);
      } else if (results.empty()) {
        client.send(envelope, server.now);
      } else {
        client.quit(server.now);
      }
    }
  }

 private:
  bool given_ = false;
};

const std::string clean = "Subject: x\r\n\r\nbody\r\n.\r\n..\r\n\r\nend\r\n";

}  // namespace

TEST_CASE("client session: what it sends arrives, with an answer for each recipient") {
  for (const bool chunking : {false, true}) {
    for (const bool pipelining : {false, true}) {
      for (const Protocol protocol : {Protocol::smtp, Protocol::lmtp}) {
        for (const bool tls : {false, true}) {
          Dialogue d;
          d.options.protocol = d.server.options.protocol = protocol;
          d.server.options.offer_chunking = chunking;
          d.server.options.offer_pipelining = pipelining;
          d.server.options.offer_starttls = tls;
          d.authenticate = tls;
          d.run();
          REQUIRE(d.closed);
          CHECK(d.closed->reason == ClientCloseReason::quit);
          REQUIRE(d.results.size() == 2);
          CHECK(d.results[0] == Reply{250, {2, 0, 0}, "Message accepted"});
          CHECK(d.results[1] == Reply{550, {5, 1, 1}, "No such user"});
          CHECK(d.server.accepted == std::vector<std::string>{clean});
          if (tls) CHECK(d.auth->code == 235);
        }
      }
    }
  }
}

TEST_CASE("client session: all recipients refused sends no message") {
  Dialogue d;
  d.envelope.recipients.erase(d.envelope.recipients.begin());
  d.run();
  REQUIRE(d.results.size() == 1);
  CHECK(d.results[0].code == 550);
  CHECK(d.server.accepted.empty());
  CHECK(d.closed->reason == ClientCloseReason::quit);
}

TEST_CASE("client session: what the server does not offer is refused without a word") {
  Dialogue d;
  d.server.options.offer_smtputf8 = false;
  d.envelope.sender.local = "\xc3\xa9";
  d.run();
  CHECK(d.results[0].status == EnhancedStatus{5, 6, 7});
  CHECK(!d.server.trace.contains("mail "));
}

TEST_CASE("client session: every wait has its end, and an unanswered message is to be tried again") {
  ClientOptions options;
  ClientSession client(options, at(0ms));
  CHECK(client.deadline() == at(300s));
  client.expire(at(299s));
  CHECK(std::holds_alternative<ClientNeedInput>(client.next_event()));
  client.expire(at(300s));
  const ClientEvent event = client.next_event();
  REQUIRE(std::holds_alternative<ClientClosed>(event));
  CHECK(std::get<ClientClosed>(event).fault == ServerFault::timed_out);
}

TEST_CASE("client session: a reply that comes line by line has no more time than one in one piece") {
  ClientOptions options;
  ClientSession client(options, at(0ms));
  (void)client.receive("220 x\r\n", at(1s));
  client.consume_output(client.pending_output().size(), at(1s));
  for (int i = 1; i <= 10; ++i) {
    CHECK(std::holds_alternative<ClientNeedInput>(client.next_event()));
    (void)client.receive("250-x\r\n", at(1s + i * 29s));
  }
  CHECK(client.deadline() == at(301s));
}

TEST_CASE("client session: a server that is gone leaves 451 for every recipient without an answer") {
  ClientOptions options;
  ClientSession client(options, at(0ms));
  const auto write = [&client] { client.consume_output(client.pending_output().size(), at(0ms)); };
  (void)client.receive("220 x\r\n", at(0ms));
  write();
  (void)client.receive("250 x\r\n", at(0ms));
  REQUIRE(std::holds_alternative<ClientReady>(client.next_event()));
  client.send({Path{"a", "b"}, {{Path{"c", "d"}, {}}}}, at(0ms));
  client.receive_end(at(1s));
  const ClientEvent done = client.next_event();
  REQUIRE(std::holds_alternative<ClientMessageDone>(done));
  CHECK(std::get<ClientMessageDone>(done).replies.at(0).code == 451);
  CHECK(std::holds_alternative<ClientClosed>(client.next_event()));
}

TEST_CASE("client session: replies without end or without sense close it") {
  const auto fault_of = [](std::string_view octets) {
    ClientOptions options;
    ClientSession client(options, at(0ms));
    while (!octets.empty()) {
      const std::size_t taken = client.receive(octets, at(0ms));
      if (taken == 0) break;
      octets.remove_prefix(taken);
    }
    const ClientEvent event = client.next_event();
    REQUIRE(std::holds_alternative<ClientClosed>(event));
    return std::get<ClientClosed>(event).fault;
  };
  std::string many;
  for (int i = 0; i < 300; ++i) many += "220-x\r\n";
  CHECK(fault_of(many) == ServerFault::reply_too_long);
  CHECK(fault_of("220 " + std::string(1'000'000, 'x')) == ServerFault::reply_too_long);
  for (const char* bad : {"hello\r\n", "99 x\r\n", "220x\r\n", "220-a\r\n221 b\r\n", "620 x\r\n", "\r\n"}) {
    CAPTURE(bad);
    CHECK(fault_of(bad) == ServerFault::malformed_reply);
  }
}

TEST_CASE("client session: a reply that asks for more, or success before the message was sent, is no delivery") {
  const auto outcome_of = [](std::initializer_list<std::string_view> replies) {
    ClientOptions options;
    ClientSession client(options, at(0ms));
    std::vector<Reply> results;
    for (const std::string_view reply : replies) {
      client.consume_output(client.pending_output().size(), at(0ms));
      (void)client.receive(reply, at(0ms));
      for (ClientEvent event = client.next_event(); !std::holds_alternative<ClientNeedInput>(event);
           event = client.next_event()) {
        if (std::holds_alternative<ClientReady>(event)) client.send({Path{"a", "b"}, {{Path{"c", "d"}, {}}}}, at(0ms));
        if (const auto* done = std::get_if<ClientMessageDone>(&event)) results = done->replies;
        if (std::holds_alternative<ClientNeedMessage>(event)) client.end_message(at(0ms));
        if (std::holds_alternative<ClientClosed>(event)) break;
      }
    }
    REQUIRE(results.size() == 1);
    return results[0].code;
  };
  const std::string_view greeting = "220 x\r\n", ok = "250 x\r\n";
  CHECK(outcome_of({greeting, ok, ok, ok, ok}) == 451);                       // DATA answered by 250
  CHECK(outcome_of({greeting, ok, "354 x\r\n"}) == 451);                      // MAIL answered by 354
  CHECK(outcome_of({greeting, ok, ok, "354 x\r\n"}) == 451);                  // RCPT
  CHECK(outcome_of({greeting, ok, ok, ok, "354 x\r\n", "354 x\r\n"}) == 451);  // the end of the message
}

TEST_CASE("client session: a message of which a chunk was refused is not taken, whatever is said of the last one (RFC 3030 §2)") {
  ClientOptions options;
  ClientSession client(options, at(0ms));
  std::vector<Reply> results;
  int given = 0;
  for (const std::string_view reply : {"220 x\r\n", "250-x\r\n250 CHUNKING\r\n", "250 x\r\n", "250 x\r\n", "452 4.3.1 Full\r\n", "250 2.0.0 Taken\r\n"}) {
    client.consume_output(client.pending_output().size(), at(0ms));
    for (std::string_view rest = reply; !rest.empty();) {
      rest.remove_prefix(client.receive(rest, at(0ms)));
      for (ClientEvent event = client.next_event(); !std::holds_alternative<ClientNeedInput>(event); event = client.next_event()) {
        if (std::holds_alternative<ClientReady>(event) && results.empty()) client.send({Path{"a", "b"}, {{Path{"c", "d"}, {}}}}, at(0ms));
        if (const auto* done = std::get_if<ClientMessageDone>(&event)) results = done->replies;
        if (!std::holds_alternative<ClientNeedMessage>(event)) continue;
        if (given++ == 0) client.give_message("Subject: x\r\n\r\nHello.\r\n", at(0ms));
        client.end_message(at(0ms));
      }
    }
  }
  REQUIRE(results.size() == 1);
  CHECK(results[0] == Reply{452, {4, 3, 1}, "Full"});
}
