// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/policies/access_rules.hpp"

#include "fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace keystonemail::policies;

namespace {

struct Access : Scene {
  explicit Access(std::vector<std::tuple<AccessScope, std::string, std::string>> rules) {
    AccessTable table;
    for (const auto& [scope, pattern, said] : rules) {
      auto rule = AccessRule::parse(said);
      REQUIRE(rule);
      REQUIRE(table.add(scope, pattern, *std::move(rule)));
    }
    policies.push_back(std::make_shared<AccessRules>(std::move(table)));
    policies.push_back(std::make_shared<Witness>(*this));
  }
  // Stands behind the rules, and hears what they say.
  class Witness final : public policy::Rule {
   public:
    explicit Witness(Access& access) : access_(access) {}
    std::string_view name() const noexcept override { return "witness"; }
    Task<Result<policy::Decision>> judge(policy::Stage, const policy::Facts& facts, Context) override {
      access_.tag = facts.tag(AccessRules::tag_name);
      co_return policy::Decision::proceed();
    }

   private:
    Access& access_;
  };
  std::string tag;
};

AccessTable table_of(AccessScope scope, std::vector<std::string> patterns) {
  AccessTable table;
  for (const auto& pattern : patterns) REQUIRE(table.add(scope, pattern, {.action = AccessAction::reject, .status = {}, .text = pattern, .target = {}}));
  return table;
}

std::string found(const AccessTable& table, AccessScope scope, std::string_view what) {
  const AccessRule* rule = table.find(scope, what);
  return rule ? rule->text : "nothing";
}

constexpr auto client = AccessScope::client, sender = AccessScope::sender, recipient = AccessScope::recipient, helo = AccessScope::helo;

}  // namespace

TEST_CASE("access rule: words are read") {
  CHECK(AccessRule::parse("allow")->action == AccessAction::allow);
  const auto moved = AccessRule::parse("reject 5.1.6 This address has moved");
  REQUIRE(moved);
  CHECK(moved->status == "5.1.6");
  CHECK(moved->text == "This address has moved");
  CHECK(AccessRule::parse("Defer come back tomorrow")->text == "come back tomorrow");
  CHECK(AccessRule::parse("redirect other@example.test")->target == "other@example.test");
  for (const char* bad : {"", "refuse", "redirect", "redirect nowhere", "redirect a@b.test c", "allow me", "quarantine 5.7.1", "reject two\nlines", "discard it"}) {
    CAPTURE(bad);
    CHECK_FALSE(AccessRule::parse(bad));
  }
}

TEST_CASE("access rule: the narrowest network counts, whatever the order") {
  const auto table = table_of(client, {"192.0.2.0/24", "192.0.2.7", "0.0.0.0/0", "2001:db8::/32"});
  CHECK(found(table, client, "192.0.2.7") == "192.0.2.7");
  CHECK(found(table, client, "192.0.2.8") == "192.0.2.0/24");
  CHECK(found(table, client, "::ffff:192.0.2.8") == "192.0.2.0/24");
  CHECK(found(table, client, "198.51.100.1") == "0.0.0.0/0");
  CHECK(found(table, client, "2001:db8:1::1") == "2001:db8::/32");
  CHECK(found(table, client, "2001:db9::1") == "nothing");
}

TEST_CASE("access rule: of address, local part, domain and parent domain the first that fits counts") {
  const auto table = table_of(sender, {"bob@shop.test", "noreply@", "shop.test", ".test", "<>", "bücher.example"});
  CHECK(found(table, sender, "Bob@SHOP.test") == "bob@shop.test");
  CHECK(found(table, sender, "bob+news@shop.test") == "bob@shop.test");
  CHECK(found(table, sender, "noreply@shop.test") == "noreply@");
  CHECK(found(table, sender, "carol@shop.test") == "shop.test");
  CHECK(found(table, sender, "carol@deep.shop.test") == ".test");
  CHECK(found(table, sender, "<>") == "<>");
  CHECK(found(table, sender, "x@xn--bcher-kva.example") == "bücher.example");
  CHECK(found(table, sender, "carol@shop.example") == "nothing");
  CHECK(found(table, recipient, "bob@shop.test") == "nothing");
}

TEST_CASE("access rule: what is no pattern is refused, and a pattern is there once") {
  AccessTable table;
  const AccessRule rule{};
  for (const char* bad : {"", "two words", "@example.test", "a@b@c@", ".", "a..b"}) {
    CAPTURE(bad);
    CHECK_FALSE(table.add(recipient, bad, rule));
  }
  CHECK_FALSE(table.add(client, "example.test", rule));
  CHECK(table.add(recipient, "a@example.test", rule));
  CHECK_FALSE(table.add(recipient, "A@Example.test", rule));
}

TEST_CASE("access: each scope refuses where its fact is known") {
  Access access({{client, "203.0.113.9", "reject"}, {client, "203.0.113.10", "defer Too busy"}, {helo, ".dyn.test", "reject"},
                 {sender, "spam.test", "reject 5.7.2 We have had enough"}, {recipient, "old@example.test", "reject 5.1.6 Moved"}});
  CHECK(words(Peer(access).connect()).starts_with("554 5.7.1"));
  CHECK(words(Peer(access, "203.0.113.10").connect()) == "421 4.7.1 Too busy");
  Peer peer(access, "198.51.100.1");
  CHECK(words(peer.connect()) == "proceed");
  CHECK(words(peer.helo("a.dyn.test")).starts_with("550 5.7.1"));
  CHECK(words(peer.helo("good.test")) == "proceed");
  CHECK(words(peer.mail("x@spam.test")) == "550 5.7.2 We have had enough");
  CHECK(words(peer.mail("x@good.test")) == "proceed");
  CHECK(words(peer.rcpt("old@example.test")) == "550 5.1.6 Moved");
  CHECK(words(peer.rcpt("new@example.test")) == "proceed");
  CHECK(access.log.has("reason=\"sender <x@spam.test>\""));
}

TEST_CASE("access: a network's quarantine is said of each message, not of the connection") {
  Access access({{client, "203.0.113.0/24", "quarantine"}, {sender, "bin.test", "discard"}});
  Peer peer(access);
  CHECK(words(peer.connect()) == "proceed");
  for (int i = 0; i < 2; ++i) CHECK(words(peer.mail("x@good.test")) == "quarantine");
  CHECK(words(peer.mail("x@bin.test")) == "discard");
}

TEST_CASE("access: who is allowed bears a tag, for as long as that holds") {
  Access access({{client, "203.0.113.9", "allow"}, {recipient, "postmaster@", "allow"}});
  Peer friendly(access);
  (void)friendly.connect();
  (void)friendly.mail("x@any.test");
  CHECK(access.tag == "allow");
  Peer other(access, "198.51.100.1");
  (void)other.connect();
  (void)other.mail("x@any.test");
  CHECK(access.tag == "none");
  (void)other.rcpt("postmaster@example.test");
  CHECK(access.tag == "allow");
  (void)other.rcpt("bob@example.test");
  CHECK(access.tag == "none");
}

TEST_CASE("access: redirection takes the recipient's place") {
  Access access({{recipient, "sales@example.test", "redirect crm@example.test"}, {sender, "boss.test", "redirect archive@example.test"}});
  Peer peer(access);
  (void)peer.mail("x@any.test");
  const auto outcome = peer.rcpt("sales@example.test");
  REQUIRE(outcome.edits.size() == 2);
  CHECK(std::get<policy::RemoveRecipient>(outcome.edits[0]).address == "sales@example.test");
  CHECK(std::get<policy::AddRecipient>(outcome.edits[1]).address == "crm@example.test");
  (void)peer.mail("x@boss.test");
  CHECK(std::get<policy::AddRecipient>(peer.rcpt("bob@example.test").edits.at(1)).address == "archive@example.test");
}

TEST_CASE("access: what is discarded for one recipient is not discarded for the others") {
  Access access({{recipient, "noreply@", "discard"}});
  Peer peer(access);
  (void)peer.mail("x@any.test");
  CHECK(peer.rcpt("bob@example.test").edits.empty());
  const auto outcome = peer.rcpt("noreply@example.test");
  CHECK(words(outcome) == "proceed");
  REQUIRE(outcome.edits.size() == 1);
  CHECK(std::get<policy::RemoveRecipient>(outcome.edits[0]).address == "noreply@example.test");
  CHECK(access.log.has("recipient <noreply@example.test> is discarded"));
  CHECK(words(peer.headers()) == "proceed");
}

TEST_CASE("access: LMTP is not asked about") {
  Access access({{client, "0.0.0.0/0", "reject"}});
  CHECK(words(Peer(access, "203.0.113.9", "lmtp").connect()) == "proceed");
}
