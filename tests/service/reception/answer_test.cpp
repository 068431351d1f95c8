// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Attack E4: automatic answers of people here who are absent: when there is one, that it is part of the commit, and that nothing about
// it keeps a message out.
#include "fixture.hpp"

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/header.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using autoreply::Silence;

namespace {

bool holds(std::string_view all, std::string_view part) { return all.find(part) != std::string_view::npos; }

struct Answering : ReceptionFixture {
  explicit Answering(std::vector<std::shared_ptr<policy::Policy>> policies = {}, smtp::Protocol protocol = smtp::Protocol::smtp)
      : ReceptionFixture(protocol, {}, std::move(policies)), is_lmtp(protocol == smtp::Protocol::lmtp) {
    leave(1, "alice@example.test");
  }
  void leave(std::uint32_t id, const std::string& login) {
    directory.absences[directory::AccountId{id}] = {{.id = directory::AccountId{id}, .login = login, .display_name = "A"}, {.enabled = true, .text = "I am away."}};
  }
  // The reply to a message.
  std::string send(const std::vector<std::string>& to = {"alice@example.test"}, const std::string& from = "carol@elsewhere.test", const std::string& author = "carol@elsewhere.test") {
    if (!greeted) hello(is_lmtp ? "LHLO" : "EHLO");
    greeted = true;
    (void)say("MAIL FROM:<" + from + ">\r\n");
    std::string named;
    for (const auto& one : to) {
      (void)say("RCPT TO:<" + one + ">\r\n");
      named += (named.empty() ? "" : ", ") + one;
    }
    if (before_data) before_data();
    (void)say("DATA\r\n");
    ++sent;
    return say("From: " + author + "\r\nTo: " + named + "\r\nSubject: x\r\nMessage-ID: <" + std::to_string(sent) + "@elsewhere.test>\r\n\r\nHello\r\n.\r\n");
  }
  std::vector<FakeDelivery::Delivered> answers() const {
    std::vector<FakeDelivery::Delivered> out;
    for (const auto& one : delivery.delivered)
      if (holds(one.message, "Auto-Submitted: auto-replied")) out.push_back(one);
    return out;
  }
  // Why the last message was not answered, as its trace tells.
  std::string reason() const {
    std::string found;
    for (const auto& one : delivery.delivered)
      for (const auto& step : one.history.steps)
        if (step.what == "not answered") found = step.text;
    return found;
  }
  bool is_lmtp, greeted = false;
  int sent = 0;
  std::function<void()> before_data;
};

std::string words(Silence silence) { return std::string(autoreply::to_string(silence)); }

}  // namespace

TEST_CASE("E4 answers: an answer goes out in the commit that delivers the message, from the null sender, and nobody hears what becomes of it") {
  Answering server;
  CHECK(server.send().starts_with("250"));
  CHECK(server.delivery.commits == 1);
  const auto answers = server.answers();
  REQUIRE(answers.size() == 1);
  REQUIRE(answers[0].remote);
  CHECK(answers[0].remote->envelope.sender.empty());
  CHECK(!answers[0].remote->envelope.smtputf8);
  REQUIRE(answers[0].remote->recipients.size() == 1);
  CHECK(answers[0].remote->recipients[0].address == "carol@elsewhere.test");
  CHECK(answers[0].remote->recipients[0].notify.never);
  CHECK(answers[0].remote->login.empty());
  CHECK(answers[0].history.message_id == "<1@elsewhere.test>");
  CHECK(answers[0].history.steps.at(0).what == "answered");
  CHECK(holds(answers[0].message, "From: A <alice@example.test>\r\nTo: carol@elsewhere.test\r\n"));
  CHECK(holds(answers[0].message, "In-Reply-To: <1@elsewhere.test>\r\n"));
  CHECK(holds(server.log.text, "smtp.answered"));
}

TEST_CASE("E4 answers: a second message gets none, and its trace says why") {
  Answering server;
  (void)server.send();
  CHECK(server.send().starts_with("250"));
  CHECK(server.answers().size() == 1);
  CHECK(server.reason() == words(Silence::answered_lately));
}

TEST_CASE("E4 answers: a delivery that failed and is tried again is answered once") {
  Answering server;
  server.delivery.fail_deliver = Error(ErrorKind::unavailable);
  CHECK(server.send().starts_with("4"));
  CHECK(server.answers().empty());
  CHECK(!holds(server.log.text, "smtp.answered"));
  server.delivery.fail_deliver.reset();
  CHECK(server.send().starts_with("250"));
  CHECK(server.send().starts_with("250"));
  CHECK(server.answers().size() == 1);
}

TEST_CASE("answers: what goes wrong with an answer keeps no message waiting") {
  Answering server;
  server.before_data = [&server] { server.directory.failure = Error(ErrorKind::unavailable); };
  CHECK(server.send().starts_with("250"));
  CHECK(server.answers().empty());
  CHECK(server.reason() == words(Silence::failed));
}

TEST_CASE("E4 answers: by what SPF and DMARC found, nobody is answered whose address may have been used by another") {
  struct Row {
    const char *spf, *dmarc, *sender, *author;
    bool is_answered;
  };
  const Row rows[] = {{"pass", "pass", "carol@elsewhere.test", "carol@elsewhere.test", true},
                      {"pass", "none", "carol@elsewhere.test", "other@author.test", true},
                      {"pass", "fail", "carol@elsewhere.test", "forged@author.test", false},
                      {"fail", "pass", "carol@elsewhere.test", "carol@elsewhere.test", true},   // passed on, with a signature
                      {"none", "pass", "carol@mx.elsewhere.test", "carol@elsewhere.test", true},
                      {"none", "pass", "carol@elsewhere.test", "carol@mx.elsewhere.test", false},
                      {"none", "pass", "victim@victim.test", "carol@elsewhere.test", false},    // an honest author, a forged reverse-path
                      {"none", "pass", "victim@notelsewhere.test", "carol@elsewhere.test", false},
                      {"none", "none", "carol@elsewhere.test", "carol@elsewhere.test", false},
                      {"softfail", "none", "carol@elsewhere.test", "carol@elsewhere.test", false},
                      {"temperror", "temperror", "carol@elsewhere.test", "carol@elsewhere.test", false},
                      {"", "", "carol@elsewhere.test", "carol@elsewhere.test", true}};          // nobody looks here
  for (const Row& row : rows) {
    CAPTURE(row.spf);
    CAPTURE(row.dmarc);
    CAPTURE(row.sender);
    Answering server({std::make_shared<Found>(row.spf, row.dmarc)});
    CHECK(server.send({"alice@example.test"}, row.sender, row.author).starts_with("250"));
    CHECK(server.answers().size() == (row.is_answered ? 1 : 0));
  }
  Answering spam({std::make_shared<Found>("pass", "quarantine")});
  CHECK(spam.send().starts_with("250"));
  CHECK(spam.reason() == words(Silence::spam));
}

TEST_CASE("E4 answers: members of a list do not answer, nor is a list here answered that mail is from") {
  Answering server;
  server.directory.aliases["list@example.test"] = {{{directory::AccountId{1}, "alice@example.test", {}, "list@example.test"}}, {}, {{"list@example.test", "owner-list@example.test"}}};
  CHECK(server.send({"list@example.test", "bob@example.test"}).starts_with("250"));
  CHECK(server.reason() == words(Silence::list));
  CHECK(server.send({"alice@example.test"}, "list@example.test").starts_with("250"));
  CHECK(server.reason() == words(Silence::list));
  CHECK(server.answers().empty());
}

TEST_CASE("answers: somebody here is answered in his mailbox; one that is full, or gone, is not, and the message is taken all the same") {
  Answering server;
  CHECK(server.send({"alice@example.test"}, "bob@example.test").starts_with("250"));
  REQUIRE(server.answers().size() == 1);
  CHECK(!server.answers()[0].remote);
  CHECK(server.answers()[0].local.at(0).account == directory::AccountId{2});
  CHECK(server.answers()[0].local[0].prefix.starts_with("Return-Path: <>\r\n"));
  server.directory.add(3, "dora@example.test", "secret");
  server.delivery.full.insert(directory::AccountId{3});
  for (const char* sender : {"dora@example.test", "gone@example.test"}) {
    CHECK(server.send({"alice@example.test"}, sender).starts_with("250"));
    CHECK(server.reason() == words(Silence::nobody_there));
  }
  CHECK(server.answers().size() == 1);
}

TEST_CASE("E4 answers: of many who are absent so many answer one message, and no more") {
  Answering server;
  std::vector<std::string> to;
  for (std::uint32_t i = 10; i < 40; ++i) {
    to.push_back("p" + std::to_string(i) + "@example.test");
    server.directory.add(i, to.back(), "secret");
    server.leave(i, to.back());
  }
  CHECK(server.send(to).starts_with("250"));
  CHECK(server.answers().size() == autoreply::limits::answers_per_message_max);
  CHECK(server.reason() == words(Silence::many_absent));
}

TEST_CASE("E4 answers: by LMTP, where one mailbox is full, the others are delivered to each alone and answer once") {
  Answering server({}, smtp::Protocol::lmtp);
  server.leave(2, "bob@example.test");
  server.directory.add(3, "dora@example.test", "secret");
  server.delivery.refuse_early = false;
  server.delivery.full.insert(directory::AccountId{3});
  const std::string said = server.send({"alice@example.test", "dora@example.test", "bob@example.test"});
  CHECK(said.starts_with("250"));
  CHECK(holds(said, "\r\n452"));
  const auto answers = server.answers();
  REQUIRE(answers.size() == 2);
  CHECK(holds(answers[0].message, "alice@example.test"));
  CHECK(holds(answers[1].message, "bob@example.test"));
}

TEST_CASE("answers: an address that several people have answers for none of them; one that leads to one person does") {
  Answering server;
  server.leave(2, "bob@example.test");
  server.directory.aliases["both@example.test"] = {{{directory::AccountId{1}, "alice@example.test", {}}, {directory::AccountId{2}, "bob@example.test", {}}}};
  server.directory.aliases["one@example.test"] = {{{directory::AccountId{1}, "alice@example.test", {}}}};
  CHECK(server.send({"both@example.test"}).starts_with("250"));
  CHECK(server.answers().empty());
  CHECK(server.reason() == words(Silence::not_addressed));
  CHECK(server.send({"one@example.test"}).starts_with("250"));
  REQUIRE(server.answers().size() == 1);
  CHECK(holds(server.answers()[0].message, "From: A <one@example.test>\r\n"));
}
