// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "imap/session_driver.hpp"

using namespace keystonemail::imap;
using namespace std::chrono_literals;
using keystonemail::Instant;
using Start = SessionDriver::Start;

TEST_CASE("imap session: the greeting and CAPABILITY follow TLS and login") {
  ServerOptions options;
  options.starttls = true;
  ServerSession session(options, {});
  CHECK(session.pending_output().starts_with("* OK [CAPABILITY IMAP4rev1 IMAP4rev2 "));
  CHECK(session.pending_output().find(" STARTTLS LOGINDISABLED]") != std::string_view::npos);
  SessionDriver driver(Start::secure);
  CHECK(driver.reply("a CAPABILITY\r\n").find("AUTH=PLAIN AUTH=SCRAM-SHA-256\r\na OK") != std::string::npos);
  CHECK(driver.reply("l LOGIN a b\r\n").starts_with("l OK [CAPABILITY IMAP4rev1 IMAP4rev2 "));
  const auto later = driver.reply("a CAPABILITY\r\n");
  CHECK(later.find("AUTH=") == std::string::npos);
  CHECK(later.find(" APPENDLIMIT=52428800") != std::string::npos);
}

TEST_CASE("imap session: LOGIN before TLS is refused") {
  ServerOptions options;
  options.starttls = true;
  SessionDriver driver(Start::plain, options);
  CHECK(driver.reply("a LOGIN u p\r\n") == "a NO [PRIVACYREQUIRED] Start TLS first\r\n");
  CHECK(driver.reply("a AUTHENTICATE PLAIN\r\n").starts_with("a NO [PRIVACYREQUIRED]"));
  CHECK(driver.commands.empty());
}

TEST_CASE("imap session: commands are legal in their states only (RFC 9051 §6)") {
  struct Row { const char* command; bool before, authenticated, selected; };
  const Row rows[] = {{"NOOP", true, true, true}, {"ID NIL", true, true, true}, {"CAPABILITY", true, true, true},
                      {"LOGIN a b", true, false, false}, {"AUTHENTICATE PLAIN AAAA", true, false, false},
                      {"LIST \"\" %", false, true, true}, {"SELECT x", false, true, true}, {"NAMESPACE", false, true, true},
                      {"ENABLE X", false, true, true}, {"STATUS x (UIDNEXT)", false, true, true}, {"FETCH 1 FLAGS", false, false, true},
                      {"EXPUNGE", false, false, true}, {"CLOSE", false, false, true}, {"UNSELECT", false, false, true},
                      {"CHECK", false, false, true}, {"UID SEARCH ALL", false, false, true}};
  for (const auto& row : rows) {
    CAPTURE(row.command);
    const auto legal = [&](Start start) {
      SessionDriver driver(start);
      return driver.reply("t " + std::string(row.command) + "\r\n").find("t OK") != std::string::npos;
    };
    CHECK(legal(Start::secure) == row.before);
    CHECK(legal(Start::authenticated) == row.authenticated);
    CHECK(legal(Start::selected) == row.selected);
  }
}

TEST_CASE("imap session: SELECT, CLOSE and a failed SELECT move the state") {
  SessionDriver driver;
  CHECK(driver.session->state() == SessionState::selected);
  driver.on_command = [&](const CommandVariant&) {
    driver.session->complete(StatusKind::no, Code::nonexistent, "No", driver.now);
    return true;
  };
  driver.send("a SELECT nosuch\r\n");
  CHECK(driver.session->state() == SessionState::authenticated);
  driver.on_command = nullptr;
  driver.send("b SELECT x\r\nc UNSELECT\r\n");
  CHECK(driver.session->state() == SessionState::authenticated);
}

TEST_CASE("imap session: AUTHENTICATE with and without initial response, cancelled, and broken (RFC 4959)") {
  SessionDriver driver(Start::secure);
  CHECK(driver.reply("a AUTHENTICATE PLAIN\r\n") == "+ bW9yZQ==\r\n");
  CHECK(driver.reply("*\r\n") == "a BAD Authentication cancelled\r\n");
  CHECK(driver.reply("b AUTHENTICATE PLAIN\r\n!!\r\n").ends_with("b BAD Malformed base64\r\n"));
  CHECK(driver.reply("c AUTHENTICATE NOSUCH\r\n").starts_with("c NO"));
  CHECK(driver.reply("d AUTHENTICATE PLAIN x\r\n").starts_with("d BAD"));
  CHECK(driver.reply("e authenticate plain =\r\n").starts_with("e OK [CAPABILITY"));
  CHECK(driver.trace == "auth PLAIN\nauth cancelled\nauth PLAIN\nauth cancelled\nauth PLAIN <>\n");
  SessionDriver other(Start::secure);
  other.send("f AUTHENTICATE PLAIN\r\nAGEAYg==\r\n");
  CHECK(other.trace.find("response <") != std::string::npos);
  CHECK(other.session->state() == SessionState::authenticated);
}

TEST_CASE("A3: what comes after STARTTLS in the clear is never interpreted") {
  ServerOptions options;
  options.starttls = true;
  SessionDriver driver(Start::plain, options);
  CHECK(driver.reply("a STARTTLS\r\nb NOOP\r\nc LOGIN evil evil\r\n") == "a OK Begin TLS negotiation now\r\n");
  CHECK(driver.reply("d NOOP\r\n").empty());
  driver.session->tls_established("PLAIN", driver.now);
  CHECK(driver.commands.empty());
  CHECK(driver.reply("e NOOP\r\n") == "e OK done\r\n");
  CHECK(driver.reply("f STARTTLS\r\n").starts_with("f BAD"));
  CHECK(driver.reply("g LOGIN a b\r\n").starts_with("g OK"));
}

TEST_CASE("imap session: IDLE until DONE, with updates in between (RFC 2177)") {
  SessionDriver driver;
  CHECK(driver.reply("a IDLE\r\n") == "+ idling\r\n");
  driver.session->responses().exists(4);
  CHECK(driver.reply("DO") == "* 4 EXISTS\r\n");
  CHECK(driver.reply("NE\r\n") == "a OK idled\r\n");
  CHECK(driver.reply("b IDLE\r\nc NOOP\r\nd NOOP\r\n") == "+ idling\r\nb BAD Expected DONE\r\nd OK done\r\n");
}

TEST_CASE("imap session: LOGOUT says BYE and closes") {
  SessionDriver driver;
  CHECK(driver.reply("a LOGOUT\r\nb NOOP\r\n") == "* BYE Logging out\r\na OK Logged out\r\n");
  CHECK(driver.trace == "closed 0\n");
}

TEST_CASE("imap session: autologout, 60 s before login and 30 min after (RFC 9051 §5.4)") {
  SessionDriver early(Start::secure);
  CHECK(early.session->deadline() == early.now + 60s);
  early.now += 59s;
  early.send("a NOOP\r\n");
  CHECK(early.session->deadline() == Instant{} + 60s);  // activity does not stretch it
  early.session->expire(early.now);
  CHECK(early.reply("b NOOP\r\n") == "b OK done\r\n");
  early.now += 1s;
  early.session->expire(early.now);
  early.handle_events();
  CHECK(early.session->pending_output().starts_with("* BYE"));
  CHECK(early.trace.ends_with("closed 2\n"));
  SessionDriver late;
  late.now += 10min;
  late.send("a IDLE\r\n");
  CHECK(late.session->deadline() == Instant{} + 40min);
}

TEST_CASE("imap session: a literal that trickles in ends it, at less than 500 octets a second beyond five minutes") {
  for (const char* begin : {"a APPEND INBOX {52428800+}\r\n", "a LOGIN {100000+}\r\n", "a SEARCH TEXT {100000+}\r\n"}) {
    CAPTURE(begin);
    ServerOptions options;
    options.literals = LiteralPolicy::plus;
    SessionDriver driver(Start::authenticated, options);
    driver.send(std::string_view(begin).starts_with("a SEARCH") ? "s SELECT INBOX\r\n" : "");
    driver.send(begin);
    driver.send(std::string(5'000, 'x'));
    CHECK(driver.session->deadline() == Instant{} + 310s);
    while (driver.now < Instant{} + 309s) {
      driver.now += 1s;
      driver.send("x");
      driver.session->expire(driver.now);
    }
    CHECK(!driver.trace.contains("closed"));
    driver.now += 2s;
    driver.session->expire(driver.now);
    driver.handle_events();
    CHECK(driver.session->pending_output().starts_with("* BYE"));
    CHECK(driver.trace.ends_with("closed 2\n"));
  }
}

TEST_CASE("imap session: 50 MiB at the pace of a slow phone, 1,200 octets a second, come through") {
  SessionDriver driver(Start::authenticated);
  driver.reply("a APPEND INBOX {52428800}\r\n");
  for (std::uint64_t left = 52'428'800; left > 0;) {
    const auto part = std::min<std::uint64_t>(left, 72'000);  // of a minute
    driver.now += 60s;
    driver.session->expire(driver.now);
    driver.send(std::string(part, 'x'));
    driver.message.clear();
    left -= part;
  }
  CHECK(driver.reply("\r\n").starts_with("a OK"));
}

TEST_CASE("imap session: too many errors end it, sooner before login, not where something goes well in between") {
  SessionDriver early(Start::secure);
  std::string said;
  for (int i = 0; i < 10; ++i) {
    CHECK(early.reply("b NOOP\r\n") == "b OK done\r\n");
    said = early.reply("a NOSUCH\r\n");
  }
  CHECK(said.ends_with("* BYE Too many errors\r\n"));
  SessionDriver late;
  for (int i = 0; i < 19; ++i) late.send("a NOSUCH\r\n");
  CHECK(late.reply("b NOOP\r\n") == "b OK done\r\n");
  for (int i = 0; i < 19; ++i) CHECK(late.reply("a NOSUCH\r\n") == "a BAD Unknown command\r\n");
  CHECK(late.reply("c NOSUCH\r\n").ends_with("* BYE Too many errors\r\n"));

  SessionDriver idling;  // an IDLE that ends in BAD is no success
  for (int i = 0; i < 19; ++i) CHECK(idling.reply("a IDLE\r\nNOSUCH\r\n") == "+ idling\r\na BAD Expected DONE\r\n");
  CHECK(idling.reply("a IDLE\r\nNOSUCH\r\n").ends_with("* BYE Too many errors\r\n"));
}

TEST_CASE("imap session: three failed logins end it") {
  SessionDriver driver(Start::secure);
  driver.on_command = [&](const CommandVariant&) {
    driver.session->complete(StatusKind::no, Code::authentication_failed, "No", driver.now);
    return true;
  };
  CHECK(driver.reply("a LOGIN u p\r\nb LOGIN u p\r\nc LOGIN u p\r\nd LOGIN u p\r\n") ==
        "a NO [AUTHENTICATIONFAILED] No\r\nb NO [AUTHENTICATIONFAILED] No\r\nc NO [AUTHENTICATIONFAILED] No\r\n"
        "* BYE Too many failed logins\r\n");
}

TEST_CASE("imap session: no input is taken while a question is open or output waits") {
  SessionDriver driver;
  bool asked = false;
  driver.on_command = [&](const CommandVariant&) { return asked = true; };
  driver.send("a NOOP\r\nb NOOP\r\n");
  CHECK(asked);
  CHECK(driver.session->receive("b NOOP\r\n", driver.now) == 0);
  CHECK_FALSE(driver.session->deadline());
  driver.on_command = nullptr;
  driver.session->complete(StatusKind::ok, {}, "late", driver.now);
  for (int i = 0; i < 40'000; ++i) driver.session->responses().exists(1);
  CHECK(driver.session->receive("b NOOP\r\n", driver.now) == 0);
  driver.session->consume_output(driver.session->pending_output().size());
  CHECK(driver.session->receive("b NOOP\r\n", driver.now) == 8);
}

TEST_CASE("imap session: the trace does not depend on where reads split") {
  using namespace std::string_view_literals;
  const std::string_view wires[] = {
      "a LOGIN {1}\r\nu {3+}\r\np w\r\nb SELECT INBOX\r\nc UID SEARCH CHARSET UTF-8 TEXT {2}\r\n\xc3\xa4 SEEN\r\nd LOGOUT\r\n"sv,
      "a AUTHENTICATE PLAIN\r\nAGEAYg==\r\nb APPEND x (\\Seen) {5+}\r\nhello ~{3}\r\nx\0y\r\nc IDLE\r\nDONE\r\nd BOGUS {4+}\r\nabcd\r\ne NOOP\r\n"sv,
      "a NOOP\nb NOOP\r\n\r\nc FOO {3}\r\nd LOGIN \"a\0b\" c\r\ne AUTHENTICATE PLAIN\r\n*\r\nf LOGIN a b\r\ng APPEND x {2+}\r\nhi bad\r\n"sv,
      "a LOGIN x {5000+}\r\n"sv};
  for (auto wire : wires) {
    std::string all(wire);
    if (all.ends_with("{5000+}\r\n")) all += std::string(5000, 'x') + "\r\nb NOOP\r\n";
    const auto replay = [&](std::string_view first, std::string_view second) {
      SessionDriver driver(Start::secure);
      driver.send(first);
      driver.send(second);
      return driver.trace + driver.output();
    };
    const auto whole = replay(all, {});
    const auto step = std::max<std::size_t>(1, all.size() / 400);
    for (std::size_t cut = 0; cut <= all.size(); cut += step) {
      CAPTURE(cut);
      CHECK(replay(std::string_view(all).substr(0, cut), std::string_view(all).substr(cut)) == whole);
    }
    SessionDriver single(Start::secure);
    for (const char c : all) single.send({&c, 1});
    CHECK(single.trace + single.output() == whole);
  }
}
