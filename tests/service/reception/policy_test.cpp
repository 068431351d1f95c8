// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What policies say, done by a whole reception.
#include "fixture.hpp"

#include <functional>

#include "keystonemail/codec/base64.hpp"
#include "keystonemail/policy/policy.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace std::chrono_literals;
using policy::Decision;
using policy::Facts;
using policy::Stage;

namespace {

const std::string secret_message = "X-Secret: 1\r\nFrom: carol@elsewhere.test\r\nx-secret: 2\r\n\r\nHello Bob\r\n";

class Scripted final : public policy::Rule {
 public:
  using Answer = std::function<Decision(Stage, const Facts&)>;
  explicit Scripted(Answer answer) : answer_(std::move(answer)) {}
  std::string_view name() const noexcept override { return "scripted"; }
  Task<Result<Decision>> judge(Stage stage, const Facts& facts, Context) override {
    asked += std::string(asked.empty() ? "" : " ") + std::string(policy::to_string(stage));
    co_return answer_(stage, facts);
  }
  std::string asked;

 private:
  Answer answer_;
};

// A reception with one policy.
struct Judged : ReceptionFixture {
  explicit Judged(Scripted::Answer answer, smtp::Protocol protocol = smtp::Protocol::smtp)
      : Judged(std::make_shared<Scripted>(std::move(answer)), protocol) {}
  Judged(std::shared_ptr<Scripted> rule, smtp::Protocol protocol) : ReceptionFixture(protocol, {}, {rule}), scripted(std::move(rule)) {}

  std::string deliver_message() {
    if (const auto reply = say("DATA\r\n"); !reply.starts_with("354")) return reply;
    return say(secret_message + ".\r\n");
  }
  std::shared_ptr<Scripted> scripted;
};

Scripted::Answer at(Stage wanted, Decision decision) {
  return [wanted, decision](Stage stage, const Facts&) { return stage == wanted ? decision : Decision::proceed(); };
}

}  // namespace

TEST_CASE("reception policy: the stages come in their order") {
  Judged server([](Stage, const Facts&) { return Decision::proceed(); });
  server.begin();
  CHECK(server.deliver_message().starts_with("250"));
  CHECK(server.scripted->asked == "connect helo mail rcpt headers body deliver");
}

TEST_CASE("reception policy: somebody who logs in is asked about at auth and at submit") {
  Judged server([](Stage, const Facts&) { return Decision::proceed(); }, smtp::Protocol::submission);
  server.hello();
  const std::string plain = std::string(1, '\0') + "alice@example.test" + std::string(1, '\0') + "secret of alice";
  REQUIRE(server.say("AUTH PLAIN " + codec::encode_base64(plain) + "\r\n").starts_with("235"));
  server.say("MAIL FROM:<alice@example.test>\r\n");
  server.say("RCPT TO:<someone@elsewhere.test>\r\n");
  CHECK(server.deliver_message().starts_with("250"));
  CHECK(server.scripted->asked == "connect helo auth mail rcpt headers body submit");
}

TEST_CASE("reception policy: a refusal at each stage is the reply there, and nothing is delivered") {
  const Decision no = Decision::reject("Not here", "5.7.26");
  for (const Stage stage : {Stage::connect, Stage::helo, Stage::mail, Stage::rcpt, Stage::headers, Stage::body, Stage::deliver}) {
    CAPTURE(policy::to_string(stage));
    Judged server(at(stage, no));
    std::string said = server.heard();
    said += server.say("EHLO client.elsewhere.test\r\n");
    for (const char* line : {"MAIL FROM:<carol@elsewhere.test>\r\n", "RCPT TO:<bob@example.test>\r\n"}) said += server.say(line);
    said += server.deliver_message();
    CHECK(said.find(stage == Stage::connect ? "554 5.7.26 Not here" : "550 5.7.26 Not here") != std::string::npos);
    CHECK(server.delivery.delivered.empty());
  }
}

namespace {

constexpr Stage all_stages[] = {Stage::connect, Stage::helo, Stage::auth, Stage::mail, Stage::rcpt, Stage::headers, Stage::body, Stage::deliver, Stage::submit};

// Of strangers, and at the stages that only they have, of those who logged in.
struct JudgedAt : Judged {
  JudgedAt(Stage stage, Decision decision)
      : Judged(at(stage, std::move(decision)), is_of_logins(stage) ? smtp::Protocol::submission : smtp::Protocol::smtp), logs_in(is_of_logins(stage)) {}
  static bool is_of_logins(Stage stage) { return stage == Stage::auth || stage == Stage::submit; }

  // All that is heard from the greeting up to the envelope.
  std::string enter() {
    std::string said = heard() + say("EHLO client.elsewhere.test\r\n");
    const std::string plain = std::string(1, '\0') + "alice@example.test" + std::string(1, '\0') + "secret of alice";
    if (logs_in) said += say("AUTH PLAIN " + codec::encode_base64(plain) + "\r\n");
    return said;
  }
  // And all of a message; a connection that is over says nothing.
  std::string send() {
    std::string said;
    for (const char* line : {"MAIL FROM:<alice@example.test>\r\n", "RCPT TO:<bob@example.test>\r\n"})
      if (!over()) said += say(line);
    return over() ? said : said + deliver_message();
  }
  bool logs_in;
};

Decision of(policy::Verdict verdict) {
  Decision decision;
  decision.verdict = verdict;
  return decision;
}

}  // namespace

TEST_CASE("reception policy: every verdict does at every stage what it says, and of each message when it was said before") {
  using policy::Verdict;
  constexpr Verdict all[] = {Verdict::proceed, Verdict::accept, Verdict::reject, Verdict::defer, Verdict::quarantine, Verdict::discard, Verdict::disconnect};
  for (const Stage stage : all_stages) {
    CAPTURE(policy::to_string(stage));
    for (const Verdict verdict : all) {
      CAPTURE(policy::to_string(verdict));
      JudgedAt server(stage, of(verdict));
      std::string said = server.enter();
      const bool refuses = verdict == Verdict::reject || verdict == Verdict::defer || verdict == Verdict::disconnect;
      for (std::size_t message = 1; message <= 2 && !server.over(); ++message) {
        const std::string reply = server.send();
        CAPTURE(reply);
        said += reply;
        if (refuses) continue;
        CHECK(reply.find("\r\n250 2.0.0 Ok: ") != std::string::npos);
        REQUIRE(server.delivery.delivered.size() == (verdict == Verdict::discard ? 0 : message));
        if (verdict != Verdict::discard) CHECK(server.delivery.delivered.back().local.at(0).mailbox == (verdict == Verdict::quarantine ? "Junk" : "INBOX"));
      }
      if (refuses) CHECK(server.delivery.delivered.empty());
      CAPTURE(said);
      const bool greets = stage != Stage::connect;
      const char* words = verdict == Verdict::reject ? (greets ? "550 5.7.1" : "554 5.7.1") : verdict == Verdict::defer && greets ? "451 4.7.1" : "421 4.7.1";
      CHECK((said.find(words) != std::string::npos) == refuses);
      CHECK(server.over() == (verdict == Verdict::disconnect || (verdict == Verdict::defer && !greets)));  // RFC 5321 §3.1: 554 waits for QUIT
    }
  }
}

TEST_CASE("reception policy: every edit is made at every stage, to each message") {
  const Decision edits = Decision::proceed()
                             .with(policy::AddHeader{"X-Top", "a"})
                             .with(policy::InsertHeader{1, "X-Second", "b"})
                             .with(policy::ChangeHeader{"From", 1, "dave@elsewhere.test"})
                             .with(policy::RemoveHeader{"X-Secret"})
                             .with(policy::AddHeader{"X-Bottom", "c", policy::Place::bottom})
                             .with(policy::ReplaceSender{"bounces@example.test"})
                             .with(policy::RemoveRecipient{"bob@example.test"})
                             .with(policy::AddRecipient{"alice@example.test"})
                             .with(policy::Tag{"colour", "red"});
  for (const Stage stage : all_stages) {
    CAPTURE(policy::to_string(stage));
    JudgedAt server(stage, edits);
    const std::string hello = server.enter();
    for (std::size_t message = 0; message < 2; ++message) {
      const std::string reply = server.send();
      CAPTURE(hello + reply);
      REQUIRE(server.delivery.delivered.size() == message + 1);
      const auto& delivered = server.delivery.delivered[message];
      const std::string text = delivered.local.at(0).prefix + delivered.message;
      CAPTURE(text);
      for (const char* field : {"X-Top: a\r\n", "\r\nX-Second: b\r\n", "\r\nFrom: dave@elsewhere.test\r\n", "\r\nX-Bottom: c\r\n"}) {
        CAPTURE(field);
        CHECK(text.find(field) != std::string::npos);
        CHECK(text.find(field) == text.rfind(field));
      }
      CHECK(text.find("ecret: ") == std::string::npos);
      CHECK(delivered.local[0].prefix.starts_with("Return-Path: <bounces@example.test>\r\n"));
      REQUIRE(delivered.local.size() == 1);
      CHECK(delivered.local[0].account == mailstore::AccountId{1});
    }
  }
}

TEST_CASE("reception policy: a recipient that is refused leaves the others as they are") {
  Judged server([](Stage stage, const Facts& facts) {
    const bool bob = stage == Stage::rcpt && facts.recipients.back().address == "bob@example.test";
    return bob ? Decision::defer("Greylisted", "4.7.1") : Decision::proceed();
  });
  server.begin("carol@elsewhere.test", "alice@example.test");
  CHECK(server.say("RCPT TO:<bob@example.test>\r\n").starts_with("451 4.7.1 Greylisted"));
  CHECK(server.deliver_message().starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 1);
  REQUIRE(server.delivery.delivered[0].local.size() == 1);
  CHECK(server.delivery.delivered[0].local[0].account == mailstore::AccountId{1});
}

TEST_CASE("reception policy: disconnect closes the connection with 421") {
  Decision leave;
  leave.verdict = policy::Verdict::disconnect;
  Judged server(at(Stage::mail, leave));
  server.hello();
  CHECK(server.say("MAIL FROM:<carol@elsewhere.test>\r\n").starts_with("421"));
  CHECK(server.over());
}

TEST_CASE("reception policy: quarantine goes to Junk, and waits when it is for elsewhere") {
  Judged server(at(Stage::headers, Decision::quarantine("odd")), smtp::Protocol::submission);
  server.hello();
  const std::string plain = std::string(1, '\0') + "alice@example.test" + std::string(1, '\0') + "secret of alice";
  server.say("AUTH PLAIN " + codec::encode_base64(plain) + "\r\n");
  server.say("MAIL FROM:<alice@example.test>\r\n");
  server.say("RCPT TO:<someone@elsewhere.test>\r\n");
  server.say("RCPT TO:<bob@example.test>\r\n");
  CHECK(server.deliver_message().starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 1);
  CHECK(server.delivery.delivered[0].local.at(0).mailbox == "Junk");
  CHECK(server.delivery.delivered[0].remote.value().held);
}

TEST_CASE("reception policy: what is discarded gets its 250 and is in no mailbox") {
  Decision away;
  away.verdict = policy::Verdict::discard;
  Judged server(at(Stage::rcpt, away));
  server.begin();
  CHECK(server.deliver_message().starts_with("250"));
  CHECK(server.delivery.delivered.empty());
  CHECK(server.log.text.find("smtp.discarded") != std::string::npos);
}

TEST_CASE("reception policy: fields are added on top and at the bottom, and taken out wherever they stand") {
  Judged server(at(Stage::headers, Decision::proceed()
                                       .with(policy::AddHeader{"X-Top", "a"})
                                       .with(policy::AddHeader{"X-Bottom", "b", policy::Place::bottom})
                                       .with(policy::RemoveHeader{"X-SECRET", 2})));
  server.begin();
  CHECK(server.deliver_message().starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 1);
  const auto& delivered = server.delivery.delivered[0];
  CHECK(delivered.message == "X-Secret: 1\r\nFrom: carol@elsewhere.test\r\nX-Bottom: b\r\n\r\nHello Bob\r\n");
  CHECK(delivered.local[0].prefix.find("\r\nX-Top: a\r\nReceived: ") != std::string::npos);
}

TEST_CASE("reception policy: a header that comes octet by octet is rewritten all the same") {
  Judged server(at(Stage::headers, Decision::proceed().with(policy::RemoveHeader{"X-Secret"})));
  server.begin();
  server.say("DATA\r\n");
  for (const char c : secret_message) server.say({&c, 1});
  CHECK(server.say(".\r\n").starts_with("250"));
  CHECK(server.delivery.delivered.at(0).message == "From: carol@elsewhere.test\r\n\r\nHello Bob\r\n");
}

TEST_CASE("reception policy: a message without an empty line is judged at its end") {
  Judged server([](Stage, const Facts&) { return Decision::proceed(); });
  server.begin();
  server.say("DATA\r\n");
  CHECK(server.say("Subject: no body\r\n.\r\n").starts_with("250"));
  CHECK(server.scripted->asked == "connect helo mail rcpt headers body deliver");
  CHECK(server.delivery.delivered.at(0).message == "Subject: no body\r\n");
}

TEST_CASE("reception policy: sender and recipients are changed") {
  Judged server(at(Stage::body, Decision::proceed()
                                    .with(policy::ReplaceSender{"bounces@example.test"})
                                    .with(policy::RemoveRecipient{"bob@example.test"})
                                    .with(policy::AddRecipient{"alice@example.test"})
                                    .with(policy::AddRecipient{"archive@elsewhere.test"})));
  server.begin();
  CHECK(server.deliver_message().starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 1);
  const auto& delivered = server.delivery.delivered[0];
  REQUIRE(delivered.local.size() == 1);
  CHECK(delivered.local[0].account == mailstore::AccountId{1});
  CHECK(delivered.local[0].prefix.starts_with("Return-Path: <bounces@example.test>\r\n"));
  REQUIRE(delivered.remote);
  CHECK(delivered.remote->recipients.at(0).address == "archive@elsewhere.test");
  CHECK(delivered.remote->envelope.sender == "bounces@example.test");
}

TEST_CASE("reception policy: a recipient that a policy redirects is not delivered to, whatever it is an alias of") {
  Judged server([](Stage stage, const Facts& facts) {
    if (stage != Stage::rcpt || facts.recipients.back().address != "Sales@example.test") return Decision::proceed();
    return Decision::proceed().with(policy::RemoveRecipient{"Sales@example.test"}).with(policy::AddRecipient{"alice@example.test"});
  });
  directory::Mailboxes& sales = server.directory.aliases["sales@example.test"];
  sales.local.push_back({mailstore::AccountId{2}, "bob@example.test", {}});
  sales.remote.push_back({.address = "agency@elsewhere.test"});
  server.begin("carol@elsewhere.test", "Sales@example.test");
  CHECK(server.deliver_message().starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 1);
  REQUIRE(server.delivery.delivered[0].local.size() == 1);
  CHECK(server.delivery.delivered[0].local[0].account == mailstore::AccountId{1});
  CHECK_FALSE(server.delivery.delivered[0].remote);
}

namespace {

// Delays what is refused, and has had enough at the third.
class Slow final : public policy::Rule {
 public:
  std::string_view name() const noexcept override { return "slow"; }
  Task<Result<Decision>> judge(Stage, const Facts&, Context) override { co_return Decision::proceed(); }
  Task<Result<Decision>> refused(Stage stage, const Facts& facts, std::uint16_t code, Context) override {
    told += std::string(policy::to_string(stage)) + " " + (facts.recipients.empty() ? "-" : facts.recipients.back().address) + " " + std::to_string(code) + "; ";
    Decision decision;
    decision.delay = 2s;
    if (++count_ == 3) decision.verdict = policy::Verdict::disconnect;
    co_return decision;
  }
  std::string told;

 private:
  int count_ = 0;
};

}  // namespace

TEST_CASE("reception policy: policies hear of what is refused without them, and may delay the answer or end the connection") {
  const auto slow = std::make_shared<Slow>();
  ReceptionFixture server(smtp::Protocol::smtp, {}, {slow});
  server.begin();
  CHECK(server.say("RCPT TO:<nobody@example.test>\r\n").empty());
  server.executor.advance(2s);
  CHECK(server.heard().starts_with("550 5.1.1"));
  (void)server.say("RCPT TO:<x@elsewhere.test>\r\n");
  server.executor.advance(2s);
  CHECK(server.heard().starts_with("550 5.7.1"));
  (void)server.say("RCPT TO:<other@example.test>\r\n");
  server.executor.advance(2s);
  CHECK(server.heard().starts_with("421 4.7.1"));
  CHECK(server.over());
  CHECK(slow->told == "rcpt nobody@example.test 550; rcpt x@elsewhere.test 550; rcpt other@example.test 550; ");
}

TEST_CASE("A8: who speaks while the greeting waits is an early talker; who listens is greeted, and who leaves is gone") {
  Decision slow;
  slow.delay = 3s;
  Judged hasty(at(Stage::connect, slow));
  CHECK(hasty.heard().empty());
  CHECK(hasty.say("EHLO spam.test\r\nMAIL FROM:<x@spam.test>\r\n").starts_with("554"));
  CHECK(hasty.over());
  Judged patient(at(Stage::connect, slow));
  CHECK(patient.heard().empty());
  patient.executor.advance(3s);
  CHECK(patient.heard().starts_with("220"));
  CHECK(patient.say("EHLO good.test\r\n").starts_with("250"));
  Judged gone(at(Stage::connect, slow));
  CHECK(gone.heard().empty());
  gone.client.reset();
  gone.executor.run_until_idle();
  CHECK(gone.over());
}

TEST_CASE("reception policy: the name that is asked about at HELO is the one just said") {
  std::string asked;
  Judged server([&asked](Stage stage, const Facts& facts) {
    if (stage != Stage::helo) return Decision::proceed();
    asked += std::string(facts.hello) + " ";
    return facts.hello == "bad.test" ? Decision::reject("Not you") : Decision::proceed();
  });
  (void)server.heard();
  CHECK(server.say("EHLO bad.test\r\n").starts_with("550"));
  CHECK(server.say("MAIL FROM:<x@elsewhere.test>\r\n").starts_with("503"));
  CHECK(server.say("EHLO good.test\r\n").starts_with("250"));
  CHECK(asked == "bad.test good.test ");
}

TEST_CASE("reception policy: an answer may be slow on purpose") {
  Decision slow;
  slow.delay = 5s;
  Judged server(at(Stage::helo, slow));
  (void)server.heard();
  const Instant before = server.executor.now();
  CHECK(server.say("EHLO client.elsewhere.test\r\n").empty());
  server.executor.advance(5s);
  CHECK(server.heard().starts_with("250"));
  CHECK(server.executor.now() - before >= 5s);
}

namespace {

std::string body_of(const Facts& facts) {
  std::string out;
  if (facts.body) CHECK(facts.body->read(0, 1'000'000, out));
  return out;
}

// Header and body edits of every kind.
Decision all_edits() {
  return Decision::proceed()
      .with(policy::AddHeader{"X-Top", "a"})
      .with(policy::AddHeader{"X-Bottom", "b", policy::Place::bottom})
      .with(policy::ChangeHeader{"X-Secret", 1, "known"})
      .with(policy::RemoveHeader{"X-Secret", 2})
      .with(policy::InsertHeader{2, "X-Between", "c"})
      .with(policy::ReplaceBody{policy::make_body("Other words\r\n")});
}
constexpr std::string_view all_edited = "X-Secret: known\r\nX-Between: c\r\nFrom: carol@elsewhere.test\r\nX-Bottom: b\r\n\r\nOther words\r\n";

}  // namespace

TEST_CASE("reception policy: header and body may be edited when all of the message is there, and at the last stage") {
  for (const Stage stage : {Stage::body, Stage::deliver}) {
    for (const auto protocol : {smtp::Protocol::smtp, smtp::Protocol::lmtp}) {
      CAPTURE(policy::to_string(stage));
      Judged server(at(stage, all_edits()), protocol);
      server.hello(protocol == smtp::Protocol::lmtp ? "LHLO" : "EHLO");
      server.say("MAIL FROM:<carol@elsewhere.test>\r\n");
      server.say("RCPT TO:<bob@example.test>\r\n");
      CHECK(server.deliver_message().starts_with("250"));
      REQUIRE(server.delivery.delivered.size() == 1);
      CHECK(server.delivery.delivered[0].message == all_edited);
      CHECK(server.delivery.delivered[0].local[0].prefix.find("\r\nX-Top: a\r\nReceived: ") != std::string::npos);
    }
  }
}

TEST_CASE("reception policy: a submission is edited at its last stage") {
  Judged server(at(Stage::submit, all_edits()), smtp::Protocol::submission);
  server.hello();
  const std::string plain = std::string(1, '\0') + "alice@example.test" + std::string(1, '\0') + "secret of alice";
  server.say("AUTH PLAIN " + codec::encode_base64(plain) + "\r\n");
  server.say("MAIL FROM:<alice@example.test>\r\n");
  server.say("RCPT TO:<someone@elsewhere.test>\r\n");
  CHECK(server.deliver_message().starts_with("250"));
  CHECK(server.delivery.delivered.at(0).message.ends_with("X-Bottom: b\r\n\r\nOther words\r\n"));
  CHECK(server.delivery.delivered.at(0).remote.value().prefix.starts_with("X-Top: a\r\nReceived: "));
}

TEST_CASE("reception policy: whoever is asked later sees what was edited before, and its revision") {
  std::string header, body;
  std::uint32_t at_headers = 9, at_body = 9;
  const auto editor = std::make_shared<Scripted>(at(Stage::body, all_edits()));
  const auto reader = std::make_shared<Scripted>([&](Stage stage, const Facts& facts) {
    if (stage == Stage::headers) at_headers = facts.revision;
    if (stage != Stage::body) return Decision::proceed();
    header = facts.header;
    body = body_of(facts);
    at_body = facts.revision;
    return Decision::proceed();
  });
  ReceptionFixture server(smtp::Protocol::smtp, {}, {editor, reader});
  server.begin();
  server.say("DATA\r\n");
  CHECK(server.say(secret_message + ".\r\n").starts_with("250"));
  CHECK(header == "X-Top: a\r\n" + std::string(all_edited.substr(0, all_edited.find("Other"))));
  CHECK(body == "Other words\r\n");
  CHECK(at_headers == 0);
  CHECK(at_body > 0);
}

TEST_CASE("reception policy: the body can be read at the end, as it came") {
  std::string body;
  Judged server([&](Stage stage, const Facts& facts) {
    if (stage == Stage::headers) CHECK_FALSE(facts.body);
    if (stage == Stage::body) body = body_of(facts);
    return Decision::proceed();
  });
  server.begin();
  CHECK(server.deliver_message().starts_with("250"));
  CHECK(body == "Hello Bob\r\n");
}

TEST_CASE("reception policy: recipients changed at the body stage are settled at the last") {
  std::string known;
  Judged server([&](Stage stage, const Facts& facts) {
    if (stage == Stage::body) return Decision::proceed().with(policy::RemoveRecipient{"bob@example.test"}).with(policy::AddRecipient{"alice@example.test"});
    if (stage == Stage::deliver) for (const auto& recipient : facts.recipients) known += recipient.address + " ";
    return Decision::proceed();
  });
  server.begin();
  CHECK(server.deliver_message().starts_with("250"));
  CHECK(known == "alice@example.test ");
}

TEST_CASE("reception policy: more on top than fits in front of each copy goes into the message") {
  Judged server(at(Stage::body, Decision::proceed().with(policy::AddHeader{"X-Long", std::string(40'000, 'x')})));
  server.begin();
  CHECK(server.deliver_message().starts_with("250"));
  CHECK(server.delivery.delivered.at(0).message.starts_with("X-Long: xxx"));
  CHECK(server.delivery.delivered.at(0).local[0].prefix.size() < 1'000);
}

TEST_CASE("reception policy: an edited message that cannot be read or written again is refused for now") {
  for (const bool reading : {true, false}) {
    Judged server(at(Stage::body, Decision::proceed().with(policy::RemoveHeader{"X-Secret"})));
    server.begin();
    server.say("DATA\r\n");
    server.say(secret_message);
    (reading ? server.delivery.fail_read : server.delivery.fail_create) = Error(ErrorKind::unavailable);
    CHECK(server.say(".\r\n").starts_with("452"));
    CHECK(server.delivery.delivered.empty());
  }
}

TEST_CASE("reception policy: a replaced body that is not ASCII is announced as 8BITMIME to where it goes") {
  Judged server(at(Stage::submit, Decision::proceed().with(policy::ReplaceBody{policy::make_body("Gr\xc3\xbc\xc3\x9f\x65\r\n")})), smtp::Protocol::submission);
  server.hello();
  const std::string plain = std::string(1, '\0') + "alice@example.test" + std::string(1, '\0') + "secret of alice";
  server.say("AUTH PLAIN " + codec::encode_base64(plain) + "\r\n");
  server.say("MAIL FROM:<alice@example.test>\r\n");
  server.say("RCPT TO:<someone@elsewhere.test>\r\n");
  CHECK(server.deliver_message().starts_with("250"));
  CHECK(server.delivery.delivered.at(0).remote.value().envelope.eight_bit);
}

TEST_CASE("reception policy: the name of HELO is known when it is asked about, and a HELO refused leaves the transaction") {
  std::string names;
  Judged server([&](Stage stage, const Facts& facts) {
    if (stage == Stage::helo) names += std::string(facts.hello) + " ";
    return stage == Stage::helo && facts.hello == "bad.test" ? Decision::reject("Not you") : Decision::proceed();
  });
  server.begin();
  CHECK(server.say("EHLO bad.test\r\n").starts_with("550"));
  CHECK(server.say("RCPT TO:<alice@example.test>\r\n").starts_with("250"));
  CHECK(server.deliver_message().starts_with("250"));
  CHECK(server.delivery.delivered.at(0).local.size() == 2);
  CHECK(names == "client.elsewhere.test bad.test ");
}
