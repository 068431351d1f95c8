// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/policies/greylist.hpp"

#include "fixture.hpp"
#include "keystonemail/kv/faulty.hpp"
#include "keystonemail/service/policies/dns_lists.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace keystonemail::policies;
using namespace std::chrono_literals;

namespace {

struct Grey : Scene {
  explicit Grey(GreylistOptions options = {}, std::string_view zone = "") : Scene(zone), options_(std::move(options)) { open(); }
  void open() {
    policies.clear();
    list = executor.run(Greylist::open(*store, kv::Table{0}, options_, {&executor})).value();
    policies.push_back(list);
  }
  void keep() { REQUIRE(executor.run(list->keep({&executor}))); }
  std::string said(const std::string& address = "203.0.113.9", const std::string& sender = "x@good.test", const std::string& recipient = "bob@example.test") {
    Peer peer(*this, address);
    (void)peer.mail(sender);
    return words(peer.rcpt(recipient));
  }
  std::shared_ptr<Greylist> list;

 private:
  GreylistOptions options_;
};

constexpr std::string_view deferred = "451 4.7.1 Greylisted";

}  // namespace

TEST_CASE("greylist: the first time is deferred, too soon again, and in time accepted from then on (RFC 6647)") {
  Grey grey;
  CHECK(grey.said() == "451 4.7.1 Greylisted: please try again in 5 minutes");
  grey.executor.advance(2min);
  CHECK(grey.said() == "451 4.7.1 Greylisted: please try again in 3 minutes");
  grey.executor.advance(3min);
  CHECK(grey.said() == "proceed");
  CHECK(grey.said() == "proceed");
  grey.executor.advance(24h * 30);
  CHECK(grey.said() == "proceed");
  grey.executor.advance(24h * 37);
  CHECK(grey.said().starts_with(deferred));
}

TEST_CASE("greylist: sender and recipient count in any case, another of either is another matter, and the network is a /24 or /64") {
  Grey grey;
  (void)grey.said();
  (void)grey.said("2001:db8::1");
  grey.executor.advance(6min);
  CHECK(grey.said("203.0.113.200", "X@Good.test", "BOB@example.test") == "proceed");
  CHECK(grey.said("2001:db8::ffff") == "proceed");
  CHECK(grey.said("203.0.114.9").starts_with(deferred));
  CHECK(grey.said("2001:db8:0:1::1").starts_with(deferred));
  CHECK(grey.said("203.0.113.9", "y@good.test").starts_with(deferred));
  CHECK(grey.said("203.0.113.9", "x@good.test", "alice@example.test").starts_with(deferred));
  CHECK(grey.said("203.0.113.9", "").starts_with(deferred));
}

TEST_CASE("greylist: whoever comes again after a day comes for the first time") {
  Grey grey;
  (void)grey.said();
  grey.executor.advance(25h);
  CHECK(grey.said().starts_with(deferred));
  grey.executor.advance(5min);
  CHECK(grey.said() == "proceed");
}

TEST_CASE("greylist: a network whose triplets have passed is known, and waits no more") {
  Grey grey({.network_passes = 3});
  const auto sender = [](int i) { return "x" + std::to_string(i) + "@good.test"; };
  for (int i = 0; i < 3; ++i) CHECK(grey.said("203.0.113.9", sender(i)).starts_with(deferred));
  grey.executor.advance(5min);
  for (int i = 0; i < 3; ++i) CHECK(grey.said("203.0.113.9", sender(i)) == "proceed");
  CHECK(grey.said("203.0.113.77", "new@good.test") == "proceed");
  grey.keep();
  grey.open();
  CHECK(grey.said("203.0.113.78", "newer@good.test") == "proceed");
  grey.executor.advance(24h * 37);
  CHECK(grey.said("203.0.113.78", "newest@good.test").starts_with(deferred));
}

TEST_CASE("greylist: logins, trusted peers and those of a DNSWL never wait") {
  Grey grey({}, "2.0.0.127.wl.test. A 127.0.0.2\n9.113.0.203.wl.test. A 127.0.5.1\n");
  grey.policies.insert(grey.policies.begin(),
                       std::make_shared<DnsLists>(grey.resolver, grey.log, DnsListOptions{.lists = {{.zone = "wl.test", .weight = -1}}}));
  CHECK(grey.said() == "proceed");
  CHECK(grey.said("203.0.113.10").starts_with(deferred));
  Peer trusted(grey, "203.0.113.10", "smtp", true), user(grey, "203.0.113.10"), lmtp(grey, "203.0.113.10", "lmtp");
  user.login("alice@example.test");
  for (Peer* peer : {&trusted, &user, &lmtp}) {
    (void)peer->mail("y@good.test");
    CHECK(words(peer->rcpt("bob@example.test")) == "proceed");
  }
}

TEST_CASE("greylist: it is remembered over a restart, and forgotten when it is old") {
  Grey grey;
  (void)grey.said();
  grey.keep();
  grey.executor.advance(6min);
  grey.open();
  CHECK(grey.said() == "proceed");
  grey.keep();
  grey.open();
  CHECK(grey.list->triplets() == 1);
  grey.executor.advance(24h * 37);
  grey.keep();
  CHECK(grey.list->triplets() == 0);
  grey.open();
  CHECK(grey.list->triplets() == 0);
}

TEST_CASE("greylist: what could not be written is written the next time") {
  Grey grey;
  kv::Faults faults;
  const auto faulty = kv::make_faulty(*grey.store, faults);
  auto list = grey.executor.run(Greylist::open(*faulty, kv::Table{0}, {}, {&grey.executor})).value();
  grey.policies = {list};
  (void)grey.said();
  faults.fail_at(1);
  CHECK_FALSE(grey.executor.run(list->keep({&grey.executor})));
  CHECK(grey.executor.run(list->keep({&grey.executor})));
  grey.open();
  CHECK(grey.list->triplets() == 1);
}
