// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Connections that are cut, slow, or deliver in odd pieces; logins that fail; ceilings; shutting down.
#include "service/imap/fixture.hpp"

#include "keystonemail/codec/base64.hpp"

using namespace keystonemail;
using namespace keystonemail::service::imap;
using namespace keystonemail::service::imap::testing;
using namespace std::string_literals;

namespace {

const std::string dialogue =
    "1 LOGIN alice@example.test \"secret of alice\"\r\n2 SELECT INBOX\r\n"
    "3 APPEND INBOX (\\Seen) {19+}\r\nSubject: x\r\n\r\nbody!\r\n4 FETCH 1:* (FLAGS BODY[])\r\n"
    "5 STORE 1 +FLAGS (\\Deleted)\r\n6 COPY 1 Archive\r\n7 EXPUNGE\r\n8 LOGOUT\r\n";

}  // namespace

TEST_CASE("imap: a connection cut after any octet leaves the store whole") {
  for (std::size_t cut = 0; cut <= dialogue.size(); cut += 3) {
    CAPTURE(cut);
    ImapFixture fixture;
    auto& client = fixture.connect({.cut_read_at = cut});
    (void)client.say(dialogue);
    client.finish();
    const auto report = fixture.executor.run(fixture.mail->verify({}, fixture.context));
    REQUIRE(report);
    REQUIRE(report->findings.empty());
    auto& again = fixture.open();
    REQUIRE(has(again.say("x NOOP\r\n"), "x OK"));
  }
}

TEST_CASE("imap: what is answered does not depend on how the input is cut") {
  std::string whole;
  for (std::size_t octets : {SIZE_MAX, std::size_t{1}, std::size_t{7}}) {
    ImapFixture fixture;
    auto& client = fixture.connect({.read_octets_max = octets});
    const std::string answer = client.say(dialogue);
    CHECK(has(answer, "8 OK"));
    if (whole.empty()) whole = answer;
    CHECK(answer == whole);
  }
}

TEST_CASE("imap: a client that does not read holds back what is produced, and gets all of it in the end") {
  ImapFixture fixture;
  std::string large = "Subject: large\r\n\r\n" + std::string(2'000'000, 'x');
  auto& client = fixture.open();
  REQUIRE(has(client.append(large), "a OK"));
  client.send("1 FETCH 1 BODY.PEEK[]\r\n");
  fixture.executor.run_until_idle();
  // One pipe's worth and one batch of output at most are under way; the rest of the message waits in the store.
  const std::string answer = client.heard();
  CHECK(has(answer, large));
  CHECK(has(answer, "1 OK"));
  client.send("2 FETCH 1 BODY.PEEK[]\r\n");
  fixture.executor.advance(std::chrono::seconds(301));  // takes nothing for the time a write may take
  CHECK(client.over());
}

TEST_CASE_FIXTURE(ImapFixture, "imap: others have their turn between thousands of commands that came at once") {
  auto& client = open();
  std::string flood;
  for (int i = 0; i < 2500; ++i) flood += "1 NOOP\r\n";
  REQUIRE(executor.run(transport::write_all(*client.stream, flood, context)));
  bool answered = false;
  int turns = 0;
  const auto count = [&]() -> Task<void> {
    while (!answered) {
      co_await yield(executor);
      ++turns;
    }
  };
  auto counting = count();
  std::string answer;
  while (answer.size() < 2500 * std::string_view("1 OK NOOP completed\r\n").size()) {
    const auto got = executor.run(client.stream->read(context));
    REQUIRE((got && !got->empty()));
    answer += *got;
    client.stream->consume(got->size());
  }
  answered = true;
  executor.run(std::move(counting));
  CHECK(turns >= 2500 / 64);
}

TEST_CASE_FIXTURE(ImapFixture, "imap login: wrong and unknown read the same, and the third failure ends the connection") {
  auto& client = connect();
  (void)client.heard();
  const auto wait = [&](const std::string& line) {
    client.send(line);
    executor.advance(std::chrono::seconds(10));  // what the login gate delays, well within the time to log in
    return client.heard();
  };
  const std::string wrong = wait("1 LOGIN alice@example.test wrong\r\n");
  CHECK(has(wrong, "1 NO [AUTHENTICATIONFAILED]"));
  CHECK(wait("1 LOGIN nobody@example.test wrong\r\n") == wrong);
  CHECK(has(wait("1 LOGIN bob@example.test wrong\r\n"), "* BYE"));
  CHECK_FALSE(has(log.text, "secret of"));
  CHECK(has(log.text, "imap.login.failed"));
}

TEST_CASE_FIXTURE(ImapFixture, "imap login: AUTHENTICATE PLAIN with and without an initial response") {
  const std::string proof = codec::encode_base64(std::string("\0alice@example.test\0secret of alice", 35));
  auto& first = connect();
  (void)first.heard();
  CHECK(has(first.say("1 AUTHENTICATE PLAIN " + proof + "\r\n"), "1 OK"));
  auto& second = connect();
  (void)second.heard();
  CHECK(has(second.say("1 AUTHENTICATE PLAIN\r\n"), "+ "));
  CHECK(has(second.say(proof + "\r\n"), "1 OK"));
  CHECK(has(second.say("2 SELECT INBOX\r\n"), "2 OK"));
  auto& third = connect();
  (void)third.heard();
  (void)third.say("1 AUTHENTICATE PLAIN\r\n");
  CHECK(has(third.say("*\r\n"), "1 BAD"));
  CHECK(has(third.say("2 AUTHENTICATE NOSUCH\r\n"), "2 NO"));
}

TEST_CASE("imap login: without TLS and not on loopback LOGIN is disabled") {
  ImapFixture fixture(Options{});
  auto& client = fixture.connect();
  CHECK(has(client.heard(), "LOGINDISABLED"));
  CHECK_FALSE(has(client.say("1 LOGIN alice@example.test \"secret of alice\"\r\n"), "1 OK"));
}

TEST_CASE("imap login: a directory that cannot answer is UNAVAILABLE, not a wrong password") {
  ImapFixture fixture;
  fixture.directory.failure = Error(ErrorKind::unavailable);
  auto& client = fixture.connect();
  (void)client.heard();
  CHECK(has(client.say("1 LOGIN alice@example.test x\r\n"), "1 NO [UNAVAILABLE]"));
}

TEST_CASE_FIXTURE(ImapFixture, "imap: ceilings of connections for an address and of sessions for an account") {
  for (int i = 0; i < 20; ++i) {
    auto& client = connect({}, i % 2 == 0 ? "192.0.2.8:4000" : "192.0.2.9:4000");
    (void)client.heard();
    client.log_in();
  }
  auto& one_more = connect();
  (void)one_more.heard();
  CHECK(has(one_more.say("1 LOGIN alice@example.test \"secret of alice\"\r\n"), "1 NO [LIMIT]"));
  for (int i = 0; i < 30; ++i) (void)connect({}, "192.0.2.7:4000").heard();
  CHECK(connect({}, "192.0.2.7:4000").heard().starts_with("* BYE"));
}

TEST_CASE_FIXTURE(ImapFixture, "imap: an idle client is logged out after half an hour, and a stop ends all with BYE") {
  auto& quiet = open();
  executor.advance(std::chrono::minutes(29));
  CHECK_FALSE(quiet.over());
  executor.advance(std::chrono::minutes(2));
  CHECK(has(quiet.heard(), "* BYE"));
  CHECK(quiet.over());
  auto& idle = open();
  auto& other = open();
  (void)idle.say("1 IDLE\r\n");
  stop.request_stop();
  CHECK(has(idle.heard(), "* BYE"));
  CHECK(has(other.heard(), "* BYE"));
  CHECK(idle.over());
  CHECK(other.over());
}

TEST_CASE_FIXTURE(ImapFixture, "imap: login and logout are logged with the session's id, octets and commands") {
  auto& client = open();
  (void)client.say("1 LOGOUT\r\n");
  client.finish();
  CHECK(has(log.text, "imap.login"));
  CHECK(has(log.text, "imap.logout"));
  CHECK(has(log.text, "commands=2"));
}

TEST_CASE_FIXTURE(ImapFixture, "imap: who reads a large message slowly gets all of it, and who takes nothing any more is let go") {
  pipe_octets = 8 * 1024;
  Client& client = open();
  std::string message = "Subject: large\r\n\r\n";
  while (message.size() < 400'000) message += "line " + random.hex(30) + "\r\n";
  REQUIRE(has(client.append(message), "a OK"));
  std::size_t patience = SIZE_MAX;
  SUBCASE("slowly") {}
  SUBCASE("not to its end") { patience = 200'000; }
  auto asking = transport::write_all(*client.stream, "f FETCH 1 BODY.PEEK[]\r\n", context);
  executor.run_until_idle();
  REQUIRE(asking.done());
  (void)asking.take();
  std::string got;
  while (!client.over() && got.size() < patience && !has(got, "f OK")) {
    const auto view = executor.run(client.stream->read(context.until(executor.now())));
    REQUIRE(view);
    got += *view;
    client.stream->consume(view->size());
    executor.advance(std::chrono::seconds(30));  // 8 KiB in that time: the message takes longer than any of its slices may
  }
  if (patience == SIZE_MAX) {
    CHECK(has(got, message));
    CHECK_FALSE(client.over());
  } else {
    executor.advance(std::chrono::seconds(299));
    CHECK_FALSE(client.over());
    executor.advance(std::chrono::seconds(4 * 300));  // what is under way is 256 KiB of it
    CHECK(client.over());
  }
}

namespace {

struct LongSearch : ImapFixture {
  static constexpr std::string_view wanted = "s SEARCH TEXT nowhere\r\n";
  explicit LongSearch(Options options = {.allow_plaintext_auth = true}) : ImapFixture(std::move(options)) {
    std::string many;
    for (int i = 0; i < 2'000; ++i) many += " {19+}\r\nSubject: a\r\n\r\nhay\r\n";
    REQUIRE(has(client.say("a APPEND INBOX" + many + "\r\n"), "a OK"));
  }
  // Asks, does `then` once the search has had so many turns, and tells how many it had in all.
  int turns(int before, const std::function<void()>& then) {
    auto asking = transport::write_all(*client.stream, wanted, context);
    int count = 0;
    const auto watch = [&]() -> Task<void> {
      while (count < 5'000) {
        co_await yield(executor);
        if (++count == before) then();
        if (client.over()) break;
      }
    };
    auto watching = watch();
    executor.run(std::move(watching));
    (void)asking.take();
    return count;
  }
  Client& client = open();
};

struct TalkativeSearch : LongSearch {
  TalkativeSearch() : LongSearch({.allow_plaintext_auth = true, .word_interval = std::chrono::milliseconds(0)}) {}
};

}  // namespace

TEST_CASE_FIXTURE(LongSearch, "imap: a long search is cut into slices, and ends with NO when the server stops") {
  CHECK(turns(10, [this] { stop.request_stop(); }) < 30);
  const std::string answer = client.heard();
  CHECK(has(answer, "s NO [UNAVAILABLE]"));
  CHECK(has(answer, "* BYE"));
}

TEST_CASE_FIXTURE(LongSearch, "imap: a search that nobody interrupts says nothing before its end") {
  CHECK(client.say(std::string(wanted)) == "* SEARCH\r\ns OK SEARCH completed\r\n");
}

TEST_CASE_FIXTURE(TalkativeSearch, "imap: a long search, SORT and THREAD tell now and then that they go on") {
  for (const std::string& command : {std::string(wanted), "s SORT (SUBJECT) UTF-8 ALL\r\n"s, "s THREAD REFERENCES UTF-8 ALL\r\n"s}) {
    const std::string answer = client.say(command);
    CHECK(answer.starts_with("* OK Still at it\r\n* OK Still at it\r\n"));
    CHECK(has(answer, "\r\ns OK "));
  }
}

TEST_CASE_FIXTURE(TalkativeSearch, "imap: a search whose client has left ends soon") {
  CHECK(turns(10, [this] { client.stream.reset(); }) < 20);
  CHECK(client.over());
  CHECK(has(log.text, "connection lost"));
}
