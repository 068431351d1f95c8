// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Times and ceilings of the server session, each at the instant or the count where it bites.
#include "smtp/server_fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::smtp;
using namespace keystonemail::smtp::testing;

namespace {

// Expires at the deadline and not a second before it.
void check_expiry(ServerFixture& f, std::chrono::seconds after, PeerFault fault) {
  REQUIRE(f.session->deadline() == f.now + after);
  f.session->expire(f.now + after - 1s);
  f.pump();
  REQUIRE(!f.closed);
  f.session->expire(f.now + after);
  f.pump();
  REQUIRE(f.closed);
  CHECK(f.closed->fault == fault);
  CHECK(f.session->pending_output().starts_with("421 4.4.2"));
  CHECK(!f.session->deadline());
}

}  // namespace

TEST_CASE("server timeouts: five minutes for a command, three for silence in a message, 500 octets a second") {
  ServerFixture command;
  command.greet();
  check_expiry(command, 300s, PeerFault::timed_out);

  ServerFixture silent;
  silent.options.data_rate_min = 0;
  silent.greet().envelope();
  silent.line("DATA");
  check_expiry(silent, 180s, PeerFault::timed_out);

  ServerFixture slow;
  slow.greet().envelope();
  slow.line("DATA");
  slow.say(std::string(5'000, 'x'));  // earns ten seconds after the grace
  check_expiry(slow, 70s, PeerFault::too_slow);

  ServerFixture unauthenticated;
  unauthenticated.options.require_auth = true;
  unauthenticated.greet();
  check_expiry(unauthenticated, 60s, PeerFault::timed_out);
}

TEST_CASE("server timeouts: octets of a command that trickle in do not lengthen its time") {
  ServerFixture f;
  f.greet();
  const auto due = f.session->deadline();
  f.now += 200s;
  f.say("NOO");
  CHECK(f.session->deadline() == due);
}

TEST_CASE("server timeouts: none runs while a question is open") {
  ServerFixture f;
  f.greet();
  (void)f.session->receive("MAIL FROM:<a@b>\r\n", f.now);
  CHECK(!f.session->deadline());
  (void)f.session->next_event();
  CHECK(!f.session->deadline());
  f.session->decide(Accept{}, f.now + 1'000s);
  CHECK(f.session->deadline() == f.now + 1'300s);
}

TEST_CASE("server ceilings: errors, junk commands, commands and failed logins each have an end") {
  const auto count = [](const char* line, ServerFixture& f) {
    int said = 0;
    for (; !f.closed && said < 10'000; ++said) f.line(line);
    return said;
  };
  ServerFixture errors;
  errors.greet();
  CHECK(count("FOO", errors) == 20);
  CHECK(errors.closed->fault == PeerFault::too_many_errors);
  ServerFixture junk;
  junk.greet();
  CHECK(count("NOOP", junk) == 11);
  CHECK(junk.closed->fault == PeerFault::too_many_junk_commands);
  ServerFixture logins;
  logins.implicit_tls = true;
  logins.answer = [](const ServerEvent& event) -> std::optional<Answer> {
    if (std::holds_alternative<AuthStart>(event)) return AuthFailure{};
    return std::nullopt;
  };
  logins.greet();
  CHECK(count("AUTH PLAIN AGEAYg==", logins) == 3);
  CHECK(logins.closed->fault == PeerFault::too_many_auth_failures);
}

TEST_CASE("server ceilings: an accepted message starts the counts anew") {
  ServerFixture f;
  f.greet();
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 9; ++i) f.line("NOOP");
    for (int i = 0; i < 15; ++i) f.line("FOO");
    f.envelope();
    f.line("DATA");
    f.say("x\r\n.\r\n");
    REQUIRE(!f.closed);
  }
}

TEST_CASE("server limits (RFC 9422): messages, recipients and domains") {
  ServerFixture f;
  f.options.transactions_max = 1;
  f.options.recipients_max = 3;
  f.options.recipient_domains_max = 1;
  f.open();
  CHECK(f.line("EHLO c").contains("LIMITS MAILMAX=1 RCPTMAX=3 RCPTDOMAINMAX=1\r\n"));
  f.envelope();
  CHECK(f.line("RCPT TO:<b@other.test>").starts_with("452 4.5.3"));
  CHECK(code_of(f.line("RCPT TO:<c@MX.test>")) == "250");
  CHECK(code_of(f.line("RCPT TO:<d@mx.test>")) == "250");
  CHECK(f.line("RCPT TO:<e@mx.test>").starts_with("452 4.5.3"));
  f.line("RSET");
  CHECK(f.line("MAIL FROM:<a@b>").starts_with("452 4.5.3"));
}

TEST_CASE("server ceilings: of 2,000 recipients in one go those within the ceiling get the message, the others 452 (RFC 5321 §4.5.3.1.10)") {
  ServerFixture f;
  f.greet();
  f.line("MAIL FROM:<a@b>");
  std::string wire;
  for (int i = 0; i < 2'000; ++i) wire += "RCPT TO:<r" + std::to_string(i) + "@mx.test>\r\n";
  const std::string replies = f.say(wire);
  CHECK(count_replies(replies) == 2'000);
  std::size_t taken = 0, later = 0;
  for (std::size_t at = 0; at < replies.size(); at = replies.find('\n', at) + 1) {
    taken += replies.substr(at).starts_with("250 2.1.5");
    later += replies.substr(at).starts_with("452 4.5.3");
  }
  CHECK(taken == f.options.recipients_max);
  CHECK(later == 2'000 - taken);
  CHECK(code_of(f.line("DATA")) == "354");
  CHECK(code_of(f.say("x\r\n.\r\n")) == "250");
}

TEST_CASE("server ceilings: recipients above the ceiling without end cut the connection") {
  ServerFixture f;
  f.options.recipients_max = 1;
  f.options.recipients_overshoot_max = 3;
  f.greet().envelope();
  for (int i = 0; i < 3; ++i) CHECK(f.line("RCPT TO:<c@mx.test>").starts_with("452 4.5.3"));
  CHECK(f.line("RCPT TO:<c@mx.test>").starts_with("421"));
}

TEST_CASE("LMTP: one reply for each accepted recipient, each its own, also when the message is refused by us") {
  ServerFixture f;
  f.options.protocol = Protocol::lmtp;
  f.answer = [](const ServerEvent& event) -> std::optional<Answer> {
    if (!std::holds_alternative<MessageEnd>(event)) return std::nullopt;
    return std::vector<Reply>{{250, {2, 0, 0}, "stored"}, {452, {4, 2, 2}, "full"}};
  };
  f.open();
  CHECK(code_of(f.line("EHLO c")) == "500");
  CHECK(code_of(f.line("LHLO c")) == "250");
  f.envelope();
  f.line("RCPT TO:<c@mx.test>");
  f.line("DATA");
  CHECK(f.say("x\r\n.\r\n") == "250 2.0.0 stored\r\n452 4.2.2 full\r\n");
  f.envelope();
  f.line("RCPT TO:<c@mx.test>");
  f.line("DATA");
  CHECK(count_replies(f.say("x\ny\r\n.\r\n")) == 2);
}

TEST_CASE("AUTH: not in the clear, required where it is, and cancelled by a star") {
  ServerFixture f;
  f.options.protocol = Protocol::submission;
  f.options.offer_starttls = true;
  f.options.require_auth = true;
  f.options.auth_mechanisms = "PLAIN";
  f.open();
  CHECK(!f.line("EHLO c").contains("AUTH"));
  CHECK(f.line("AUTH PLAIN AGEAYg==").starts_with("530 5.7.0"));
  CHECK(f.line("MAIL FROM:<a@b>").starts_with("530 5.7.0"));
  f.line("STARTTLS");
  CHECK(f.line("EHLO c").contains("250 AUTH PLAIN LOGIN\r\n"));
  CHECK(f.line("AUTH CRAM-MD5").starts_with("504 5.5.4"));
  CHECK(f.line("auth plain AGEAYg==").starts_with("235 2.7.0"));
  CHECK(f.session->with_protocol() == "ESMTPSA");
  CHECK(f.line("AUTH PLAIN AGEAYg==").starts_with("503"));
  CHECK(code_of(f.line("MAIL FROM:<a@b>")) == "250");
}

TEST_CASE("server ceilings: a line that is no command is an error, also where somebody else answers it, and with 4yz") {
  ServerFixture server;
  server.options.asks_of_unknown_commands = true;
  server.options.errors_max = 5;
  std::optional<Answer> said;
  SUBCASE("by the engine itself") {}
  SUBCASE("for good") { said = Reply{550, {5, 7, 1}, "no"}; }
  SUBCASE("for now") { said = Reply{450, {4, 7, 1}, "not now"}; }
  server.answer = [&](const ServerEvent& event) { return std::holds_alternative<UnknownCommand>(event) ? said : std::nullopt; };
  server.greet();
  for (int i = 0; i < 4; ++i) {
    (void)server.line("WHAT " + std::to_string(i));
    REQUIRE_FALSE(server.closed);
  }
  CHECK(server.line("WHAT 5").find("421 4.7.0 Too many errors") != std::string::npos);
  CHECK(server.closed);
}
