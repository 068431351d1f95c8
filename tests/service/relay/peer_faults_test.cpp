// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// T11: a peer that goes wrong at each stage in each way. For each cell: what is left in the queue and when it is tried
// again, what the sender is told, and that in the end everybody has the message, once (but for the final dot, RFC 1047).
#include "service/relay/fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::test;

namespace {

const std::vector<std::string> everyone{"a@dest.test", "b@dest.test", "c@dest.test"};

enum class End : std::uint8_t {
  delivered,     // all of them, at the first attempt
  again,         // all of them wait
  returned,      // all of them come back
  second_again,  // the second waits, the others are there
  second_returned,
};

std::string_view name(Stage stage) {
  constexpr std::string_view names[] = {"none", "connect", "banner", "EHLO", "STARTTLS", "handshake", "MAIL", "RCPT", "DATA", "body", "dot", "QUIT"};
  return names[static_cast<std::size_t>(stage)];
}
std::string_view name(Fault fault) {
  constexpr std::string_view names[] = {"none", "4xx", "5xx", "RST", "FIN", "stall", "garbage", "1 MB line", "partial reply", "surplus"};
  return names[static_cast<std::size_t>(fault)];
}

// The table. A reply is obeyed where it answers something; anything else breaks the session, and the mail waits.
End expected(Stage stage, Fault fault) {
  const bool reply = fault == Fault::reply_4xx || fault == Fault::reply_5xx;
  const bool final = fault == Fault::reply_5xx;
  switch (stage) {
    case Stage::none: return End::delivered;
    case Stage::connect:
    case Stage::banner: return End::again;  // whether a host has no service for us for good is for people to find out
    case Stage::ehlo: return final ? End::delivered : End::again;      // HELO is tried (RFC 5321 §3.2)
    case Stage::starttls: return reply ? End::delivered : End::again;  // in the clear, where TLS is not required
    case Stage::handshake: return End::delivered;                      // in the clear, on another connection (RFC 7435)
    case Stage::mail:
    case Stage::data: return final ? End::returned : End::again;
    case Stage::rcpt: return !reply ? End::again : final ? End::second_returned : End::second_again;
    case Stage::body: return final ? End::returned : End::again;  // nothing was asked yet: a refusal counts, "250" does not
    case Stage::dot:
      if (fault == Fault::surplus) return End::delivered;
      return final ? End::returned : End::again;
    case Stage::quit: return End::delivered;
  }
  return End::delivered;
}

std::vector<std::string> waiting(const std::optional<queue::Entry>& entry) {
  std::vector<std::string> all;
  if (!entry) return all;
  for (const auto& r : entry->recipients) {
    if (r.state == queue::RecipientState::pending) all.push_back(r.address);
  }
  return all;
}

struct Cell {
  Stage stage;
  Fault fault;
  bool pipelining;

  void run() {
    CAPTURE(name(stage));
    CAPTURE(name(fault));
    CAPTURE(pipelining);
    RelayFixture f;
    auto& peer = f.peer();
    peer.script.stage = stage;
    peer.script.fault = fault;
    if (!pipelining) std::erase(peer.script.extensions, "PIPELINING");
    if (stage == Stage::connect && fault == Fault::reset) f.listeners.clear();  // refused
    if (stage == Stage::connect && fault == Fault::stall) f.network.silent.insert(Endpoint{*IpAddress::parse("192.0.2.1"), 25});
    f.options.retry.jitter_percent = 10;
    f.start();
    RelayFixture::Mail mail;
    mail.to = everyone;
    if (stage == Stage::body) mail.text = "Subject: large\r\n\r\n" + std::string(3'000, 'x') + "\r\n" + [] {
      std::string lines;
      for (int i = 0; i < 5'000; ++i) lines += "a line of a message that is longer than what is under way at once\r\n";
      return lines;
    }();
    const auto id = f.send(std::move(mail));
    const auto attempted = [&] {
      const auto entry = f.entry(id);
      return !entry || std::ranges::any_of(entry->recipients, [](const auto& r) { return r.attempts > 0; });
    };
    REQUIRE(f.until(attempted));
    f.loop.advance(0s);
    check_first_attempt(f, id);
    check_the_end(f, peer, id);
  }

 private:
  void check_first_attempt(RelayFixture& f, queue::EntryId id) {
    const auto entry = f.entry(id);
    const End end = expected(stage, fault);
    const std::vector<std::string> second{"b@dest.test"};
    const auto left = end == End::again ? everyone : end == End::second_again ? second : std::vector<std::string>();
    CHECK(waiting(entry) == left);
    for (const auto& r : entry ? entry->recipients : std::vector<queue::Recipient>()) {
      if (r.state != queue::RecipientState::pending) continue;
      CHECK(r.attempts == 1);
      CHECK(!r.last_reply.empty());
      const auto wait = r.next_attempt - f.loop.wall_now();
      CHECK(wait >= 270s - 2s);  // five minutes, less or more by a tenth, and the second that we looked in
      CHECK(wait <= 330s);
    }
    const std::size_t returned = end == End::returned ? 3 : end == End::second_returned ? 1 : 0;
    const auto reports = f.reports();
    CHECK(reports.size() == (returned > 0 ? 1 : 0));
    std::size_t failed = 0;
    for (std::size_t at = 0; !reports.empty() && (at = reports[0].find("Action: failed", at)) != std::string::npos; ++at) ++failed;
    CHECK(failed == returned);
    for (std::size_t i = 0; i < everyone.size(); ++i) {
      const bool told = !reports.empty() && reports[0].find("Final-Recipient: rfc822; " + everyone[i]) != std::string::npos;
      CHECK(told == (end == End::returned || (end == End::second_returned && i == 1)));
    }
  }

  // The peer is mended; who waits gets it, and nobody else does again.
  void check_the_end(RelayFixture& f, ScriptedPeer& peer, queue::EntryId id) {
    peer.script.fault = Fault::none;
    peer.script.stage = Stage::none;
    f.network.silent.clear();
    if (f.listeners.empty()) f.listeners.push_back(f.network.pipes.listen({*IpAddress::parse("192.0.2.1"), 25}, peer.handler(), f.context()).value());
    CHECK(f.until([&] { return !f.entry(id); }, 400s));
    std::vector<std::string> all = everyone;
    const End end = expected(stage, fault);
    if (end == End::returned) all.clear();
    if (end == End::second_returned) all.erase(all.begin() + 1);
    const bool lost_reply = stage == Stage::dot && end == End::again && fault != Fault::reply_4xx;
    if (lost_reply) all = {"a@dest.test", "a@dest.test", "b@dest.test", "b@dest.test", "c@dest.test", "c@dest.test"};
    CHECK(peer.recipients() == all);
    CHECK(f.queued() == 0);
    CHECK(f.is_sound());
  }
};

constexpr Fault all_faults[] = {Fault::reply_4xx, Fault::reply_5xx, Fault::reset, Fault::close, Fault::stall,
                                Fault::garbage, Fault::long_line, Fault::partial_reply, Fault::surplus};

void run_stage(Stage stage) {
  for (const Fault fault : all_faults) Cell{stage, fault, false}.run();
}

}  // namespace

TEST_CASE("T11: a peer that goes wrong when connected to") { run_stage(Stage::connect); }
TEST_CASE("T11: a peer that goes wrong in its banner") { run_stage(Stage::banner); }
TEST_CASE("T11: a peer that goes wrong at EHLO") { run_stage(Stage::ehlo); }
TEST_CASE("T11: a peer that goes wrong at STARTTLS") { run_stage(Stage::starttls); }
TEST_CASE("T11: a peer that goes wrong in the handshake") { run_stage(Stage::handshake); }
TEST_CASE("T11: a peer that goes wrong at MAIL") { run_stage(Stage::mail); }
TEST_CASE("T11: a peer that goes wrong at the second of three recipients") { run_stage(Stage::rcpt); }
TEST_CASE("T11: a peer that goes wrong at DATA") { run_stage(Stage::data); }
TEST_CASE("T11: a peer that goes wrong in the middle of a message") { run_stage(Stage::body); }
TEST_CASE("T11: a peer that goes wrong after the final dot") { run_stage(Stage::dot); }
TEST_CASE("T11: a peer that goes wrong at QUIT") { run_stage(Stage::quit); }

TEST_CASE("T11: with pipelining a reply is still that of its command") {
  for (const Stage stage : {Stage::mail, Stage::rcpt, Stage::data, Stage::dot}) {
    for (const Fault fault : {Fault::reply_4xx, Fault::reply_5xx, Fault::reset, Fault::close, Fault::stall, Fault::partial_reply}) {
      Cell{stage, fault, true}.run();
    }
  }
}

// The ten seconds for good-byes are up before the engine's own time is: the relay asked it again and again, without end.
TEST_CASE("T11: a peer that takes nothing in any more when it is bidden farewell does not stop the relay") {
  RelayFixture f({}, 4);  // QUIT does not fit
  ScriptedPeer &deaf = f.peer(), &other = f.peer("192.0.2.2");
  deaf.script.extensions = other.script.extensions = {"8BITMIME"};  // one command at a time, as no more fits
  deaf.script.deaf_after_message = true;
  f.start();
  f.send();
  CHECK(f.until([&] { return f.queued() == 0; }));
  CHECK(f.until([&] { return f.relay->load().connections == 0; }));
  f.send({"bob@other.test"});
  CHECK(f.until([&] { return other.messages.size() == 1; }));
}
