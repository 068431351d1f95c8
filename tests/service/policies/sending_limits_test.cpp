// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/policies/sending_limits.hpp"

#include "fixture.hpp"
#include "keystonemail/codec/base64.hpp"
#include "keystonemail/service/reception/reception.hpp"
#include "keystonemail/transport/pipe.hpp"
#include "support/fake_delivery.hpp"
#include "support/fake_directory.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace keystonemail::policies;
using namespace std::chrono_literals;

namespace {

const std::string alice = "alice@example.test";

struct Sending : Scene {
  explicit Sending(SendingOptions options = {}) : options_(options) { open(); }
  void open() {
    policies.clear();
    limits = executor.run(SendingLimits::open(*store, kv::Table{0}, log, options_, {&executor})).value();
    policies.push_back(limits);
  }
  void keep() { REQUIRE(executor.run(limits->keep({&executor}))); }
  void restart() {
    keep();
    open();
  }
  SendingLimits::Standing standing(const std::string& login = alice) { return limits->standing(login, executor.wall_now()); }

  // Sends messages to `recipients` new people each, until `messages` are sent or one recipient is refused: how many were taken.
  int send(int messages, int recipients, const std::string& login = alice) {
    Peer peer(*this);
    peer.login(login);
    int taken = 0;
    for (int i = 0; i < messages; ++i) {
      last = words(peer.mail(login));
      if (last != "proceed") return taken;
      for (int j = 0; j < recipients; ++j) {
        last = words(peer.rcpt("r" + std::to_string(next_++) + "@elsewhere.test"));
        if (last != "proceed" && last != "quarantine") return peer.end(), taken;
        ++taken;
      }
      last = words(peer.end());
    }
    return taken;
  }
  std::shared_ptr<SendingLimits> limits;
  std::string last;

 private:
  SendingOptions options_;
  int next_ = 0;
};

}  // namespace

TEST_CASE("sending limits: 50 recipients a minute, 200 an hour, 1,000 a day unless said otherwise") {
  Sending sending({.usual = {.new_recipients_per_day = 0}});
  CHECK(sending.send(1, 100) == 50);
  CHECK(sending.last == "450 4.7.1 You may send 50 recipients a minute: try the rest later");
  int taken = 50;
  for (int minute = 0; minute < 10; ++minute) {
    sending.executor.advance(61s);
    taken += sending.send(1, 100);
  }
  CHECK(taken == 200);
  CHECK(sending.last == "450 4.7.1 You may send 200 recipients an hour: try the rest later");
  for (int minute = 0; minute < 12 * 60; ++minute) {
    sending.executor.advance(61s);
    taken += sending.send(1, 50);
  }
  CHECK(taken == 1'000);
  CHECK(sending.last == "450 4.7.1 You may send 1000 recipients a day: try the rest later");
  sending.executor.advance(24h);
  CHECK(sending.send(1, 1) == 1);
}

TEST_CASE("sending limits: messages have ceilings of their own where that is wanted") {
  Sending sending({.usual = {.messages_per_hour = 2, .messages_per_day = 3}});
  CHECK(sending.send(5, 1) == 2);
  CHECK(sending.last == "450 4.7.1 You may send 2 messages an hour: try the rest later");
  sending.executor.advance(61min);
  CHECK(sending.send(5, 1) == 1);
  CHECK(sending.last.find("3 messages a day") != std::string::npos);
}

TEST_CASE("sending limits: whom one has written to before is no new recipient") {
  Sending sending({.usual = {.new_recipients_per_day = 2}});
  CHECK(sending.send(1, 2) == 2);
  CHECK(sending.send(1, 1) == 0);
  CHECK(sending.last == "450 4.7.1 You may send 2 new recipients a day: try the rest later");
  Peer peer(sending);
  peer.login(alice);
  (void)peer.mail(alice);
  CHECK(words(peer.rcpt("R0@elsewhere.test")) == "proceed");
  sending.restart();
  Peer again(sending);
  again.login(alice);
  (void)again.mail(alice);
  CHECK(words(again.rcpt("r1@elsewhere.test")) == "proceed");
  CHECK(words(again.rcpt("r9@elsewhere.test")).starts_with("450"));
}

TEST_CASE("sending limits: what came to nothing is not counted, accounts do not share, and strangers have none") {
  Sending sending({.usual = {.recipients_per_minute = 2}});
  Peer peer(sending);
  peer.login(alice);
  for (int i = 0; i < 5; ++i) {
    (void)peer.mail(alice);
    for (int j = 0; j < 2; ++j) CHECK(words(peer.rcpt(std::to_string(j) + "@elsewhere.test")) == "proceed");
    peer.reset();
  }
  CHECK(sending.standing().recipients_this_hour == 0);
  {
    Peer hasty(sending);
    hasty.login(alice);
    (void)hasty.mail(alice);
    (void)hasty.rcpt("0@elsewhere.test");
  }
  CHECK(sending.standing().recipients_this_hour == 0);
  CHECK(sending.send(1, 5) == 2);
  CHECK(sending.send(1, 5, "bob@example.test") == 2);
  Peer stranger(sending);
  (void)stranger.mail("x@elsewhere.test");
  for (int j = 0; j < 9; ++j) CHECK(words(stranger.rcpt("bob@example.test")) == "proceed");
  Peer trusted(sending, "203.0.113.9", "submission", true);
  trusted.login(alice);
  (void)trusted.mail(alice);
  for (int j = 0; j < 9; ++j) CHECK(words(trusted.rcpt("bob@example.test")) == "proceed");
}

TEST_CASE("sending limits: an account may have its own, over a restart, until they are taken back") {
  Sending sending({.usual = {.recipients_per_minute = 2}});
  const SendingCeilings many{.recipients_per_minute = 5, .recipients_per_hour = 7};
  REQUIRE(sending.executor.run(sending.limits->set_ceilings("Alice@example.test", many, {&sending.executor})));
  sending.open();  // written at once
  CHECK(sending.send(1, 9) == 5);
  CHECK(sending.standing().has_own_ceilings);
  CHECK(sending.standing("bob@example.test").ceilings.recipients_per_minute == 2);
  REQUIRE(sending.limits->notable(sending.executor.wall_now()).size() == 1);
  REQUIRE(sending.executor.run(sending.limits->set_ceilings(alice, std::nullopt, {&sending.executor})));
  CHECK(sending.limits->notable(sending.executor.wall_now()).empty());
  sending.open();
  CHECK(sending.standing().ceilings.recipients_per_minute == 2);
}

TEST_CASE("sending limits: counts outlive a restart") {
  Sending sending({.usual = {.recipients_per_minute = 0, .recipients_per_hour = 10}});
  CHECK(sending.send(1, 6) == 6);
  sending.restart();
  CHECK(sending.standing().recipients_this_hour == 6);
  CHECK(sending.standing().messages_today == 1);
  CHECK(sending.send(1, 9) == 4);
}

TEST_CASE("E6: an account that tries 1,000 recipients in an hour is suspended: what it sends is held, and somebody is told") {
  Sending sending;
  for (int i = 0; i < 949; ++i) (void)sending.send(1, 1);
  CHECK(sending.last.starts_with("450"));
  CHECK_FALSE(sending.standing().suspended);
  for (int i = 0; i < 60; ++i) (void)sending.send(1, 1);
  CHECK(sending.standing().suspended);
  CHECK(sending.last == "quarantine");
  CHECK(sending.log.count("sending.suspended") == 1);
  CHECK(sending.log.has("level=error event=sending.suspended login=alice@example.test recipients=1000"));
  CHECK(sending.standing("bob@example.test").suspended == false);

  sending.executor.advance(25h);  // nobody has looked yet
  sending.restart();
  CHECK(sending.send(1, 1) == 1);
  CHECK(sending.last == "quarantine");
  REQUIRE(sending.executor.run(sending.limits->release(alice, {&sending.executor})));
  CHECK(sending.send(1, 1) == 1);
  CHECK(sending.last == "proceed");
}

TEST_CASE("E6: a suspension is on disk before the command is answered that caused it, and whoever is to be told is told in that commit") {
  Sending sending({.usual = {.recipients_per_minute = 1, .recipients_per_hour = 1}, .suspend_at = 5});
  std::vector<Suspension> told;
  sending.limits->set_suspension_writer([&](kv::Transaction&, const Suspension& one) { told.push_back(one); });
  for (int i = 0; i < 4; ++i) (void)sending.send(1, 1);
  CHECK(told.empty());
  (void)sending.send(1, 1);
  CHECK(sending.last == "quarantine");
  REQUIRE(told.size() == 1);
  CHECK(told[0].login == alice);
  CHECK(told[0].recipients == 5);
  CHECK_FALSE(told[0].peer.empty());
  sending.open();                        // as after a crash: nothing was kept
  CHECK(sending.standing().suspended);
  CHECK(sending.standing().recipients_this_hour == 0);  // counts are written now and then
  REQUIRE(sending.executor.run(sending.limits->release(alice, {&sending.executor})));
  sending.open();
  CHECK_FALSE(sending.standing().suspended);
}

TEST_CASE("E6: a release stays, though the suspension before it is written after it") {
  class LateStore final : public kv::Store {
   public:
    explicit LateStore(std::unique_ptr<kv::Store> inner) : inner_(std::move(inner)) {}
    bool holds_next = false;
    Task<Result<std::unique_ptr<kv::Snapshot>>> snapshot(Context context) override { return inner_->snapshot(std::move(context)); }
    Task<Result<void>> transact(kv::Operation operation, kv::TransactOptions options, Context context) override {
      if (std::exchange(holds_next, false)) co_await sleep_until(context.executor->now() + 1s, context);
      co_return co_await inner_->transact(std::move(operation), options, context);
    }
    std::string_view format_id() const noexcept override { return inner_->format_id(); }

   private:
    std::unique_ptr<kv::Store> inner_;
  };
  Sending sending({.usual = {.recipients_per_minute = 1, .recipients_per_hour = 1}, .suspend_at = 5});
  auto late = std::make_unique<LateStore>(std::move(sending.store));
  LateStore& store = *late;
  sending.store = std::move(late);
  sending.open();
  for (int i = 0; i < 4; ++i) (void)sending.send(1, 1);
  store.holds_next = true;
  std::optional<Task<Result<void>>> release;
  (void)sending.executor.start_timer(sending.executor.now() + 10ms, [&] {
    release.emplace(sending.limits->release(alice, {&sending.executor}));
  });
  (void)sending.send(1, 1);
  REQUIRE(release);
  CHECK(sending.executor.run(*std::move(release)).has_value());
  CHECK_FALSE(sending.standing().suspended);
  sending.open();                        // as after a crash
  CHECK_FALSE(sending.standing().suspended);
}

TEST_CASE("E6: what is held of one account has a ceiling too") {
  Sending sending({.usual = {.recipients_per_minute = 1, .recipients_per_hour = 1}, .suspend_at = 5, .held_messages_per_day_max = 3});
  for (int i = 0; i < 10; ++i) (void)sending.send(1, 1);
  CHECK(sending.last == "450 4.7.1 Sending is suspended for your account: ask your administrator");
  sending.executor.advance(25h);
  CHECK(sending.send(1, 1) == 1);
}

TEST_CASE("E6: somebody who may send a thousand is not suspended for it") {
  Sending sending({.usual = {.recipients_per_minute = 0, .recipients_per_hour = 3'000, .recipients_per_day = 0, .new_recipients_per_day = 0}});
  CHECK(sending.send(100, 15) == 1'500);
  CHECK_FALSE(sending.standing().suspended);
}

// The same by a whole reception.
TEST_CASE("E6: by submission the sender must be the login's, too much is put off at RCPT, and much too much waits in the queue") {
  Sending sending({.usual = {.recipients_per_minute = 10, .recipients_per_hour = 10}, .suspend_at = 20});
  FakeDirectory directory;
  directory.add(1, alice, "secret of alice");
  directory.add(2, "bob@example.test", "secret of bob");
  FakeDelivery delivery;
  SeededRandom random{1};
  access::LoginGate gate{{}};
  access::LoginServices logins{directory, gate, random, "0123456789abcdef"};
  access::ConnectionLimits limits{{}};
  const auto chain = std::make_shared<const policy::Chain>(sending.policies);
  reception::Reception reception({.engine = {.protocol = smtp::Protocol::submission, .hostname = "mail.example.test", .allow_plaintext_auth = true},
                                  .offer_auth = true, .primary_domain = "example.test"},
                                 {directory, delivery, logins, limits, random, sending.log, {}, [chain] { return chain; }});
  auto pipe = transport::make_pipe({.client = *Endpoint::parse("203.0.113.9:4000"), .server = *Endpoint::parse("192.0.2.25:587")});
  auto session = reception.serve(std::move(pipe.server), {&sending.executor});
  const auto say = [&](const std::string& text) {
    (void)sending.executor.run(transport::write_all(*pipe.client, text, {&sending.executor}));
    sending.executor.run_until_idle();
    std::string out;
    for (;;) {
      auto task = pipe.client->read({&sending.executor, {}, sending.executor.now()});
      const auto view = sending.executor.run(std::move(task));
      if (!view || view->empty()) return out;
      out += *view;
      pipe.client->consume(view->size());
      sending.executor.run_until_idle();
    }
  };
  sending.executor.run_until_idle();
  {
    auto task = pipe.client->read({&sending.executor, {}, sending.executor.now()});
    const auto greeting = sending.executor.run(std::move(task));
    REQUIRE(greeting);
    pipe.client->consume(greeting->size());
  }
  (void)say("EHLO laptop.test\r\n");
  REQUIRE(say("AUTH PLAIN " + codec::encode_base64(std::string(1, '\0') + alice + std::string(1, '\0') + "secret of alice") + "\r\n").starts_with("235"));
  CHECK(say("MAIL FROM:<bob@example.test>\r\n").starts_with("550 5.7.1 Sender address does not belong to alice"));
  CHECK(say("MAIL FROM:<x@elsewhere.test>\r\n").starts_with("550 5.7.1"));
  REQUIRE(say("MAIL FROM:<alice@example.test>\r\n").starts_with("250"));
  std::string replies;
  for (int i = 0; i < 30; ++i) replies += say("RCPT TO:<r" + std::to_string(i) + "@elsewhere.test>\r\n").substr(0, 3) + " ";
  std::string expected;
  for (int i = 0; i < 30; ++i) expected += i < 10 || i >= 19 ? "250 " : "450 ";
  CHECK(replies == expected);
  (void)say("DATA\r\n");
  CHECK(say("Subject: cheap\r\n\r\nBuy.\r\n.\r\n").starts_with("250"));
  REQUIRE(delivery.delivered.size() == 1);
  REQUIRE(delivery.delivered[0].remote);
  CHECK(delivery.delivered[0].remote->held);
  CHECK(delivery.delivered[0].remote->hold_reason == "sending-limits: alice@example.test is suspended: held until somebody looks");
  CHECK(sending.log.count("sending.suspended") == 1);
  pipe.client.reset();
  sending.executor.run(std::move(session));
}
