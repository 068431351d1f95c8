// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The attack catalogue, section A, at the level of the engine: what a hostile client or server can put on the wire.
#include <map>
#include <set>

#include "keystonemail/smtp/client_session.hpp"
#include "keystonemail/smtp/limits.hpp"
#include "smtp/message_cleaner.hpp"
#include "smtp/server_fixture.hpp"
#include "support/sanitized.hpp"

using namespace keystonemail;
using namespace keystonemail::smtp;
using namespace keystonemail::smtp::testing;

namespace {

const std::vector<std::string> smuggling_sequences{
    "\n.\n",     "\n.\r\n",   "\r\n.\n",     "\r.\r",       "\r\n.\r",
    "\r.\r\n",   "\r\n.\r\r\n", "\n.\r\r\n", std::string("\r\n\0.\r\n", 6), std::string("\r\n.\0\r\n", 6),
    "\n\r.\r\n", "\r\n..\n", "\r\r\n.\n", "\n\n.\n", "\r.\n"};

}  // namespace

TEST_CASE("A1: no other sequence than CRLF.CRLF ends a message, and the refusal comes after the true end") {
  for (const std::string& sequence : smuggling_sequences) {
    const std::string wire = "Subject: x\r\n\r\nbody" + sequence + "MAIL FROM:<evil@x>\r\nRCPT TO:<v@y>\r\nDATA\r\n";
    for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
      CAPTURE(sequence);
      CAPTURE(cut);
      ServerFixture f;
      f.greet().envelope();
      REQUIRE(code_of(f.line("DATA")) == "354");
      REQUIRE(f.say(wire, {cut}).empty());  // nothing is answered before the true end
      const std::string reply = f.say("\r\n.\r\n");
      REQUIRE(count_replies(reply) == 1);
      const bool has_nul = sequence.contains('\0');
      REQUIRE((reply.starts_with("550 5.5.2") || (has_nul && reply.starts_with("550 5.6.0"))));
      REQUIRE(f.accepted.empty());
      REQUIRE(code_of(f.line("RCPT TO:<b@mx.test>")) == "503");
      REQUIRE(code_of(f.line("MAIL FROM:<a@b>")) == "250");
    }
  }
}

TEST_CASE("A1: bare CR, bare LF and NUL are refused in chunks, and octets of a chunk are never commands") {
  for (const std::string& sequence : smuggling_sequences) {
    ServerFixture f;
    f.greet().envelope();
    const std::string reply = f.say("BDAT " + std::to_string(sequence.size() + 8) + " LAST\r\nab" + sequence + "QUIT\r\n");
    CHECK(count_replies(reply) == 1);
    CHECK(code_of(reply) == "550");
    CHECK(f.accepted.empty());
  }
}

TEST_CASE("A2: whatever is in a message, it leaves with one end and no bare CR or LF") {
  for (const std::string& a : smuggling_sequences) {
    for (const std::string& b : smuggling_sequences) {
      const std::string message = a + "x" + b;
      for (std::size_t cut = 0; cut <= message.size(); ++cut) {
        MessageCleaner cleaner(MessageCleaner::Stuffing::dots);
        std::string wire;
        cleaner.append(wire, std::string_view(message).substr(0, cut));
        cleaner.append(wire, std::string_view(message).substr(cut));
        cleaner.finish(wire);
        wire += ".\r\n";
        for (std::size_t i = 0; i < wire.size(); ++i) {
          if (wire[i] == '\n') REQUIRE((i > 0 && wire[i - 1] == '\r'));
          if (wire[i] == '\r') REQUIRE((i + 1 < wire.size() && wire[i + 1] == '\n'));
        }
        const std::string framed = "\r\n" + wire;
        REQUIRE(framed.find("\r\n.\r\n") == framed.size() - 5);
      }
    }
  }
}

TEST_CASE("A3: what follows STARTTLS before the handshake is dropped with the connection, after one reply") {
  for (const bool same_segment : {true, false}) {
    ServerFixture f;
    f.options.offer_starttls = true;
    f.handshake = false;
    f.greet();
    const std::string injected = "MAIL FROM:<evil@x>\r\nRCPT TO:<v@y>\r\n";
    std::string out = f.say("STARTTLS\r\n" + (same_segment ? injected : ""));
    if (!same_segment) out += f.say(injected);
    CHECK(count_replies(out) == 1);
    CHECK(code_of(out) == "220");
    REQUIRE(f.closed);
    CHECK(f.closed->reason == CloseReason::input_before_tls);
    CHECK(!f.trace.contains("mail"));
  }
}

TEST_CASE("A3: after the handshake nothing is remembered") {
  ServerFixture f;
  f.options.offer_starttls = true;
  f.options.allow_plaintext_auth = true;
  f.options.auth_mechanisms = "PLAIN";
  f.greet();
  f.line("AUTH PLAIN AGEAYg==");
  CHECK(f.session->authenticated() == "user");
  f.line("STARTTLS");
  CHECK(f.session->secure());
  CHECK(f.session->authenticated().empty());
  CHECK(f.session->hello_name().empty());
  CHECK(code_of(f.line("MAIL FROM:<a@b>")) == "503");
  const std::string hello = f.line("EHLO again");
  CHECK(!hello.contains("STARTTLS"));
  CHECK(code_of(f.line("STARTTLS")) == "503");
}

namespace {

// The client's side: feeds replies, collects events.
struct ClientFixture {
  ClientOptions options;
  Instant now = at(0ms);
  std::optional<ClientSession> session;
  std::vector<ClientEvent> events;

  void open() { session.emplace(options, now); }
  std::string hear(std::string_view octets) {
    while (!octets.empty()) {
      const std::size_t taken = session->receive(octets, now);
      octets.remove_prefix(taken);
      if (!drain() && taken == 0) break;
    }
    return read();
  }
  bool drain() {
    for (bool any = false;; any = true) {
      ClientEvent event = session->next_event();
      if (std::holds_alternative<ClientNeedInput>(event)) return any;
      const bool over = std::holds_alternative<ClientClosed>(event);
      events.push_back(std::move(event));
      if (over) return false;
    }
  }
  std::string read() {
    const std::string out(session->pending_output());
    session->consume_output(out.size(), now);
    drain();
    return out;
  }
  std::optional<ServerFault> fault() const {
    if (events.empty()) return std::nullopt;
    const auto* closed = std::get_if<ClientClosed>(&events.back());
    return closed == nullptr ? std::nullopt : closed->fault;
  }
};

}  // namespace

TEST_CASE("A4: extra octets after the 220 of STARTTLS abort, with nothing said") {
  for (const bool same_segment : {true, false}) {
    ClientFixture f;
    f.options.starttls = TlsPolicy::required;
    f.open();
    CHECK(f.hear("220 x\r\n") == "EHLO localhost\r\n");
    CHECK(f.hear("250-x\r\n250 STARTTLS\r\n") == "STARTTLS\r\n");
    std::string out = f.hear(same_segment ? "220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n" : "220 go\r\n");
    if (!same_segment) out += f.hear("250-evil\r\n");
    CHECK(out.empty());
    CHECK(f.fault() == ServerFault::input_before_tls);
    CHECK(!f.session->secure());
  }
}

TEST_CASE("A4: without STARTTLS, or with it refused, required TLS sends no mail") {
  ClientFixture stripped;
  stripped.options.starttls = TlsPolicy::required;
  stripped.open();
  stripped.hear("220 x\r\n");
  CHECK(stripped.hear("250-x\r\n250 AUTH PLAIN\r\n").empty());
  CHECK(stripped.fault() == ServerFault::tls_not_offered);

  ClientFixture refused;
  refused.options.starttls = TlsPolicy::required;
  refused.open();
  refused.hear("220 x\r\n");
  refused.hear("250-x\r\n250 STARTTLS\r\n");
  CHECK(refused.hear("454 4.7.0 not now\r\n").empty());
  CHECK(refused.fault() == ServerFault::tls_refused);
}

TEST_CASE("A4: a reply that comes before its command was sent is not believed") {
  ClientFixture f;
  f.open();
  CHECK(f.hear("220 x\r\n250 before EHLO\r\n").empty());
  CHECK(f.fault() == ServerFault::unexpected_reply);
}

namespace {

// The reference for A5: written from the RFCs, not from the engine. Knows each command's reply class and the state.
struct Model {
  enum class Phase { start, ready, sender, recipients, chunks, failed } phase = Phase::start;
  bool closed = false;

  bool transaction() const { return phase != Phase::start && phase != Phase::ready; }
  // Returns the first digit(s) of the reply, or "" for none.
  std::string step(const std::string& command, bool accept) {
    if (command == "EHLO") {
      if (accept) phase = Phase::ready;
      return accept ? "250" : "450";
    }
    if (command == "MAIL") {
      if (phase != Phase::ready) return "503";
      if (accept) phase = Phase::sender;
      return accept ? "250" : "450";
    }
    if (command == "RCPT") {
      if (phase != Phase::sender && phase != Phase::recipients) return "503";
      if (accept) phase = Phase::recipients;
      else if (phase == Phase::sender) refused_recipient = true;
      return accept ? "250" : "450";
    }
    if (command == "DATA") {
      if (phase == Phase::sender && refused_recipient) return "554";
      if (phase != Phase::recipients) return "503";
      if (!accept) return "450";
      return "354";
    }
    if (command == "BDAT 2" || command == "BDAT 0 LAST") {
      const bool last = command == "BDAT 0 LAST";
      if (phase == Phase::sender && refused_recipient) return "554";
      if (phase == Phase::failed) {
        if (last) finish();
        return "503";
      }
      if (phase != Phase::recipients && phase != Phase::chunks) return "503";
      // One answer for all hooks of the command: at the beginning of the message, or at its end.
      if (phase == Phase::recipients && !accept) {
        phase = Phase::failed;
        if (last) finish();
        return "450";
      }
      phase = Phase::chunks;
      if (last) finish();
      return last && !accept ? "450" : "250";
    }
    if (command == "RSET") {
      if (transaction()) finish();
      return "250";
    }
    if (command == "NOOP") return "250";
    if (command == "AUTH") {
      if (authenticated) return "503";
      if (phase != Phase::ready) return "503";
      if (accept) authenticated = true;
      return accept ? "235" : "450";
    }
    if (command == "STARTTLS") {
      if (phase != Phase::ready || tls) return "503";
      if (accept) {
        phase = Phase::start;
        authenticated = false;  // RFC 3207 §4.2
        tls = true;
      }
      return accept ? "220" : "450";
    }
    return "500";
  }
  void finish() {
    phase = Phase::ready;
    refused_recipient = false;
  }
  bool refused_recipient = false;
  bool authenticated = false;
  bool tls = false;
};

const std::vector<std::string> model_commands{"EHLO", "MAIL", "RCPT",     "DATA",    "BDAT 2", "BDAT 0 LAST", "RSET",
                                              "NOOP", "AUTH", "STARTTLS", "garbage", "close"};

std::string wire_of(const std::string& command) {
  static const std::map<std::string, std::string> wires{
      {"EHLO", "EHLO c\r\n"},          {"MAIL", "MAIL FROM:<a@b>\r\n"}, {"RCPT", "RCPT TO:<c@d>\r\n"},
      {"BDAT 2", "BDAT 2\r\nab"},      {"AUTH", "AUTH PLAIN AGEAYg==\r\n"}};
  const auto found = wires.find(command);
  return found != wires.end() ? found->second : command + "\r\n";
}

// Runs one sequence on the engine and the model; `accepts` has a bit for each command.
void compare(const std::vector<std::string>& sequence, unsigned accepts, bool greeted) {
  ServerFixture f;
  f.options.offer_starttls = true;
  f.options.allow_plaintext_auth = true;
  f.options.auth_mechanisms = "PLAIN";
  f.tls_mechanisms = "PLAIN";
  bool accept = true;
  f.answer = [&accept](const ServerEvent&) -> std::optional<Answer> {
    return accept ? std::nullopt : std::optional<Answer>(Reply{450, {4, 0, 0}, "no"});
  };
  f.open();
  Model model;
  if (greeted) {
    f.line("EHLO c");
    model.phase = Model::Phase::ready;
  }
  for (std::size_t i = 0; i < sequence.size(); ++i) {
    accept = (accepts >> i & 1) != 0;
    if (sequence[i] == "close") {
      f.session->receive_end(f.now);
      f.pump();
      REQUIRE(f.closed);
      REQUIRE(f.session->pending_output().empty());
      REQUIRE(f.session->receive("NOOP\r\n", f.now) == 0);
      return;
    }
    const std::string expected = model.step(sequence[i], accept);
    std::string got = f.say(wire_of(sequence[i]));
    REQUIRE(count_replies(got) == 1);
    CAPTURE(sequence[i]);
    CAPTURE(i);
    REQUIRE(code_of(got) == expected);
    if (expected == "354") {
      got = f.say("x\r\n.\r\n");
      REQUIRE(count_replies(got) == 1);
      REQUIRE(code_of(got) == (accept ? "250" : "450"));
      model.finish();
    }
    REQUIRE((f.session->recipients() > 0) == (model.phase == Model::Phase::recipients ||
                                              model.phase == Model::Phase::chunks || model.phase == Model::Phase::failed));
  }
}

}  // namespace

TEST_CASE("A5: every sequence of four commands, accepted or refused at each hook, goes as the reference model says") {
  const std::size_t n = model_commands.size();
  const std::size_t step = test::sanitized ? 101 : 1;  // 101 has no factor in common with n: all commands come in all places
  REQUIRE(n % 101 != 0);
  for (std::size_t code = 0; code < n * n * n * n; code += step) {
    const std::vector<std::string> sequence{model_commands[code % n], model_commands[code / n % n],
                                            model_commands[code / n / n % n], model_commands[code / n / n / n]};
    for (unsigned accepts = 0; accepts < 16; ++accepts) {
      CAPTURE(code);
      CAPTURE(accepts);
      compare(sequence, accepts, true);
    }
    if (code % 7 == 0) compare(sequence, 15, false);
  }
}

TEST_CASE("A6: a message refused at its end takes the envelope with it") {
  ServerFixture f;
  f.answer = [](const ServerEvent& event) -> std::optional<Answer> {
    if (std::holds_alternative<MessageEnd>(event)) return Reply{550, {5, 7, 1}, "Policy"};
    return std::nullopt;
  };
  f.greet().envelope();
  f.line("DATA");
  CHECK(f.say("x\r\n.\r\n") == "550 5.7.1 Policy\r\n");
  CHECK(code_of(f.line("RCPT TO:<b@mx.test>")) == "503");
  CHECK(code_of(f.line("DATA")) == "503");
}

TEST_CASE("A7: a million chunks of one octet leave the session no larger") {
  ServerOptions options;
  ServerSession session(options, at(0ms));
  const auto drive = [&session](std::string_view octets) {
    std::size_t output = 0;
    while (!octets.empty()) {
      const std::size_t taken = session.receive(octets, at(0ms));
      for (ServerEvent event = session.next_event(); !std::holds_alternative<NeedInput>(event);
           event = session.next_event()) {
        REQUIRE(!std::holds_alternative<Closed>(event));
        if (!std::holds_alternative<MessageChunk>(event) && !std::holds_alternative<Reset>(event)) {
          session.decide(Accept{}, at(0ms));
        }
      }
      octets.remove_prefix(taken);
      if (taken == 0 || octets.empty()) {
        output = std::max(output, session.pending_output().size());
        session.consume_output(session.pending_output().size());
      }
    }
    return output;
  };
  (void)session.next_event();
  session.decide(Accept{}, at(0ms));
  session.consume_output(session.pending_output().size());
  drive("EHLO c\r\n");
  drive("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
  std::string batch;
  for (int i = 0; i < 1'000; ++i) batch += "BDAT 1\r\nx";
  std::size_t output = 0;
  for (int i = 0; i < (test::sanitized ? 20 : 1'000); ++i) output = std::max(output, drive(batch));
  CHECK(output <= limits::pending_output_octets_max + 512);
  drive("BDAT 0 LAST\r\n");
}

TEST_CASE("A8: who speaks before the greeting is told so and dropped") {
  ServerFixture early;
  early.session.emplace(early.options, early.now);
  (void)early.session->next_event();  // the greeting is being decided
  CHECK(early.session->receive("EHLO c\r\n", early.now) == 8);
  early.pump();
  REQUIRE(early.closed);
  CHECK(early.closed->fault == PeerFault::early_talker);
  CHECK(early.session->pending_output().starts_with("554 "));
  early.session->decide(Accept{}, early.now);  // the answer comes too late, and harms nothing
  CHECK(count_replies(early.session->pending_output()) == 1);
}

TEST_CASE("A8: an unwritten greeting does not follow an early talker's octets") {
  ServerFixture f;
  f.session.emplace(f.options, f.now);
  f.pump();
  CHECK(f.session->pending_output().starts_with("220 "));
  (void)f.session->receive("E", f.now);
  CHECK(f.session->pending_output().starts_with("554 "));
}

TEST_CASE("greeting: who is refused with 554 may say QUIT, and is told 503 until then, not for ever (RFC 5321 §3.1)") {
  const auto connect = [](ServerFixture& f) {
    f.answer = [](const ServerEvent& event) -> std::optional<Answer> {
      if (!std::holds_alternative<Connected>(event)) return std::nullopt;
      return Reply{554, {5, 7, 1}, "Not you"};
    };
    f.session.emplace(f.options, f.now);
    f.pump();
  };
  const auto refuse = [&connect](ServerFixture& f) {
    connect(f);
    CHECK(f.read_output() == "554 5.7.1 Not you\r\n");
    CHECK(!f.closed);
  };
  ServerFixture polite;
  refuse(polite);
  for (const char* line : {"EHLO c\r\n", "MAIL FROM:<a@b>\r\n", "NONSENSE\r\n", "BDAT 4 LAST\r\n", "STARTTLS\r\n"}) CHECK(polite.say(line).starts_with("503 5.5.1"));
  CHECK(polite.say("QUIT\r\n").starts_with("221 "));
  REQUIRE(polite.closed);
  CHECK(polite.closed->reason == CloseReason::quit);
  ServerFixture stubborn;
  refuse(stubborn);
  for (unsigned i = 0; i < stubborn.options.errors_max && !stubborn.closed; ++i) stubborn.say("EHLO c\r\n");
  CHECK(stubborn.closed);
  ServerFixture silent;
  refuse(silent);
  CHECK(silent.session->deadline() == silent.now + silent.options.refused_time_max);
  ServerFixture hasty;
  connect(hasty);
  (void)hasty.session->receive("EHLO c\r\n", hasty.now);
  hasty.pump();
  REQUIRE(hasty.closed);
  CHECK(hasty.closed->fault == PeerFault::early_talker);
}

TEST_CASE("A8: running ahead of EHLO, DATA or AUTH, or without PIPELINING, ends the session") {
  for (const char* wire : {"EHLO c\r\nMAIL FROM:<a@b>\r\n", "HELO c\r\nNOOP\r\n"}) {
    ServerFixture f;
    f.open();
    CHECK(f.say(wire).contains("\r\n554 5.5.0"));
    CHECK(f.closed->fault == PeerFault::unauthorized_pipelining);
  }
  ServerFixture data;
  data.greet().envelope();
  CHECK(data.say("DATA\r\nx\r\n.\r\n").contains("354"));
  CHECK(data.closed);
  CHECK(data.accepted.empty());
  ServerFixture not_offered;
  not_offered.options.offer_pipelining = false;
  not_offered.greet();
  CHECK(code_of(not_offered.line("NOOP")) == "250");
  not_offered.say("NOOP\r\nNOOP\r\n");
  CHECK(not_offered.closed);
}

TEST_CASE("A9: a million recipients get 452 and then no more") {
  ServerFixture f;
  f.greet();
  f.line("MAIL FROM:<a@b>");
  int sent = 0;
  for (; sent < 1'000'000 && !f.closed; ++sent) {
    const std::string reply = f.line("RCPT TO:<c@d>");
    if (!f.closed) REQUIRE(code_of(reply) == (sent < 100 ? "250" : "452"));
  }
  CHECK(sent == 100 + 10'000 + 1);
  CHECK(f.closed->fault == PeerFault::too_many_errors);
}

TEST_CASE("A9: sizes beyond every integer are large, not small") {
  for (const char* size : {"2147483648", "4294967297", "18446744073709551616", "99999999999999999999"}) {
    ServerFixture f;
    f.greet();
    CHECK(code_of(f.line(std::string("MAIL FROM:<a@b> SIZE=") + size)) == "552");
    CHECK(code_of(f.line("MAIL FROM:<a@b> SIZE=52428800")) == "250");
  }
  ServerFixture f;
  f.greet();
  CHECK(code_of(f.line("MAIL FROM:<a@b> SIZE=000000000000000000001")) == "501");  // 21 digits
}

TEST_CASE("A9: a huge chunk is read to its end and refused; one beyond 64 bits ends the session") {
  ServerFixture f;
  f.greet().envelope();
  CHECK(f.say("BDAT 1000000000 LAST\r\n").empty());
  const std::string block(1'000'000, '\n');
  for (int i = 0; i < 999; ++i) {
    REQUIRE(f.session->receive(block, f.now) == block.size());
    REQUIRE(std::holds_alternative<NeedInput>(f.session->next_event()));
    REQUIRE(f.session->pending_output().empty());
  }
  const std::string out = f.say(block + "NOOP\r\n");
  CHECK(out.starts_with("552 5.3.4"));
  CHECK(count_replies(out) == 2);
  for (const char* bad : {"BDAT 18446744073709551616", "BDAT -1", "BDAT", "BDAT x", "BDAT 1 LAST x", "BDAT 1LAST"}) {
    ServerFixture g;
    g.greet().envelope();
    CHECK(code_of(g.say(std::string(bad) + "\r\nRSET\r\n")) == "501");
    REQUIRE(g.closed);
    CHECK(g.closed->fault == PeerFault::bad_chunk_size);
  }
}

TEST_CASE("A10: no CR, LF or NUL comes through AUTH=, ORCPT or ENVID, nor through a server's reply") {
  for (const char* hidden : {"+0D", "+0A", "+00", "+0D+0A", "+7F", "+1B"}) {
    ServerFixture f;
    f.implicit_tls = true;
    f.greet();
    CHECK(code_of(f.line(std::string("MAIL FROM:<a@b> AUTH=a") + hidden + "@b")) == "501");
    CHECK(code_of(f.line(std::string("MAIL FROM:<a@b> ENVID=x") + hidden)) == "501");
    CHECK(code_of(f.line("MAIL FROM:<a@b>")) == "250");
    CHECK(code_of(f.line(std::string("RCPT TO:<a@b> ORCPT=rfc822;a") + hidden + "@b")) == "501");
    CHECK(code_of(f.line("RCPT TO:<a@b> ORCPT=utf-8;a\\x{A}@b")) == "501");
  }
  ClientFixture c;
  c.open();
  c.hear("220 x\r\n");
  c.hear(std::string("550-one\r two\r\n550 three\0four\r\n", 30));
  const std::string helo = c.hear(std::string("421-a\rb\r\n421 c\0d\r\n", 18));
  REQUIRE(!c.events.empty());
  const auto& closed = std::get<ClientClosed>(c.events.back());
  REQUIRE(closed.reply);
  CHECK(closed.reply->text == "a?b\nc?d");
}

TEST_CASE("A10: what a policy says cannot start a line of its own") {
  ServerFixture f;
  f.answer = [](const ServerEvent& event) -> std::optional<Answer> {
    if (std::holds_alternative<RcptTo>(event)) return Reply{550, {5, 1, 1}, std::string("no\r250 yes\0\x1b\nand no", 19)};
    return std::nullopt;
  };
  f.greet();
  f.line("MAIL FROM:<a@b>");
  CHECK(f.line("RCPT TO:<c@d>") == "550-5.1.1 no?250 yes??\r\n550 5.1.1 and no\r\n");
}

TEST_CASE("A12: VRFY, EXPN and ETRN tell nothing and change nothing") {
  for (const bool in_transaction : {false, true}) {
    ServerFixture f;
    f.greet();
    if (in_transaction) f.envelope();
    CHECK(code_of(f.line("VRFY postmaster SMTPUTF8")) == "252");
    CHECK(code_of(f.line("VRFY \xc3\xa9")) == "252");
    CHECK(code_of(f.line("EXPN list")) == "502");
    CHECK(code_of(f.line("ETRN x'; DROP TABLE mail;--")) == "502");
    CHECK(f.session->recipients() == (in_transaction ? 1u : 0u));
    CHECK(code_of(f.line("RCPT TO:<b@mx.test>")) == (in_transaction ? "250" : "503"));
  }
}

TEST_CASE("A13: invalid UTF-8 in MAIL, RCPT and EHLO is refused, valid only when announced") {
  for (const char* bad : {"\xc3", "\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\x80"}) {
    ServerFixture f;
    f.greet();
    CHECK(code_of(f.line(std::string("MAIL FROM:<") + bad + "@b> SMTPUTF8")) == "501");
    CHECK(code_of(f.line(std::string("MAIL FROM:<a@") + bad + "> SMTPUTF8")) == "501");
    CHECK(code_of(f.line("MAIL FROM:<a@b> SMTPUTF8")) == "250");
    CHECK(code_of(f.line(std::string("RCPT TO:<") + bad + "@b>")) == "501");
    CHECK(code_of(f.line(std::string("RCPT TO:<a@b> ORCPT=utf-8;") + bad)) == "501");
    CHECK(code_of(f.line(std::string("EHLO ") + bad)) == "501");
  }
  ServerFixture f;
  f.greet();
  CHECK(f.line("MAIL FROM:<\xc3\xa9@b>").starts_with("553 5.6.7"));
  CHECK(code_of(f.line("MAIL FROM:<a@b>")) == "250");
  CHECK(f.line("RCPT TO:<\xc3\xa9@b>").starts_with("553 5.6.7"));
}

TEST_CASE("A13: an empty quoted local part is a mailbox, and not the null path") {
  ServerFixture f;
  f.greet();
  CHECK(code_of(f.line("MAIL FROM:<\"\"@x>")) == "250");
  CHECK(f.trace.contains("mail \"\"@x\n"));
  CHECK(code_of(f.line("RCPT TO:<\"\"@x>")) == "250");
}
