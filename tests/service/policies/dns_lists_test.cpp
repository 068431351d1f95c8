// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/policies/dns_lists.hpp"

#include "fixture.hpp"
#include "keystonemail/service/policies/access_rules.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace keystonemail::policies;
using namespace std::chrono_literals;

namespace {

// 203.0.113.9 and 2001:db8::1 are listed in all of them that are sound, spam.test in names.test.
constexpr std::string_view lists_zone = R"(
2.0.0.127.bl.test.       A 127.0.0.2
9.113.0.203.bl.test.     A 127.0.0.4
9.113.0.203.bl.test.     TXT "see https://bl.test/203.0.113.9"
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.test. A 127.0.0.2
2.0.0.127.soft.test.     A 127.0.0.2
9.113.0.203.soft.test.   A 127.0.0.3
2.0.0.127.wl.test.       A 127.0.0.2
9.113.0.203.wl.test.     A 127.0.5.1
test.names.test.         A 127.0.1.2
spam.test.names.test.    A 127.0.1.2
mx.bad.test.names.test.  A 127.0.1.4
2.0.0.127.blocked.test.  A 127.255.255.254
9.113.0.203.blocked.test. A 127.255.255.254
*.parked.test.           A 198.51.100.80
*.world.test.            A 127.0.0.2
untested.test.           TXT "x"
9.113.0.203.untested.test. A 127.0.0.2
9.113.0.203.outside.test. A 198.51.100.80
2.0.0.127.outside.test.  A 127.0.0.2
)";

DnsList list(std::string zone, int weight = 10, ListedThing of = ListedThing::address) { return {.zone = std::move(zone), .of = of, .weight = weight}; }

struct Lists : Scene {
  explicit Lists(DnsListOptions options) : Scene(lists_zone), lists(std::make_shared<DnsLists>(resolver, log, std::move(options))) { policies.push_back(lists); }
  explicit Lists(std::vector<DnsList> of) : Lists(DnsListOptions{.lists = std::move(of)}) {}

  // What the first recipient is told.
  std::string said(const std::string& address = "203.0.113.9", const std::string& sender = "x@good.test", const std::string& helo = "mx.good.test") {
    Peer peer(*this, address);
    (void)peer.helo(helo);
    (void)peer.mail(sender);
    return words(peer.rcpt("bob@example.test"));
  }
  std::string why_off(std::size_t at = 0) { return lists->standings().at(at).why_off; }
  std::shared_ptr<DnsLists> lists;
};

std::optional<std::string> field(const policy::Outcome& outcome) {
  for (const auto& edit : outcome.edits)
    if (const auto* added = std::get_if<policy::AddHeader>(&edit); added && added->name == "X-Listed") return added->value;
  return std::nullopt;
}

bool covers(std::string_view codes, std::string_view answer) {
  const auto parsed = ListCodes::parse(codes);
  REQUIRE(parsed);
  return parsed->cover(*IpAddress::parse(answer));
}

}  // namespace

TEST_CASE("dns list codes: an address, a range, a network, bits of the last octet") {
  CHECK(covers("127.0.0.2", "127.0.0.2"));
  CHECK_FALSE(covers("127.0.0.2", "127.0.0.3"));
  CHECK(covers("127.0.0.4-127.0.0.7", "127.0.0.7"));
  CHECK_FALSE(covers("127.0.0.4-127.0.0.7", "127.0.0.8"));
  CHECK(covers("127.0.2.0/24", "127.0.2.255"));
  CHECK_FALSE(covers("127.0.2.0/24", "127.0.3.0"));
  CHECK(covers("127.0.0.0&12", "127.0.0.5"));
  CHECK_FALSE(covers("127.0.0.0&12", "127.0.0.3"));
  CHECK_FALSE(covers("127.0.0.0&12", "127.0.1.4"));
  for (const char* bad : {"", "127.0.0", "192.0.2.1", "127.0.0.7-127.0.0.4", "127.0.0.0&0", "127.0.0.0&256", "::1", "127.0.0.1-192.0.2.1"}) {
    CAPTURE(bad);
    CHECK_FALSE(ListCodes::parse(bad));
  }
}

TEST_CASE("dns lists: who is listed is refused at RCPT, with the list's own words; others are not") {
  Lists lists({list("bl.test")});
  Peer peer(lists);
  CHECK(words(peer.connect()) == "proceed");
  CHECK(words(peer.mail("x@good.test")) == "proceed");
  CHECK(words(peer.rcpt("bob@example.test")) == "550 5.7.1 Your address [203.0.113.9] is listed by bl.test: see https://bl.test/203.0.113.9");
  CHECK(lists.log.has("reason=\"score 10: bl.test 127.0.0.4 (10)\""));
  CHECK(lists.said("198.51.100.1") == "proceed");
  CHECK(lists.said("2001:db8::1").starts_with("550 5.7.1"));
  CHECK(lists.resolver.has_asked("A 9.113.0.203.bl.test"));
}

TEST_CASE("dns lists: weights add up to thresholds, and lists that speak for somebody subtract") {
  CHECK(Lists({list("bl.test", 6), list("soft.test", 4)}).said().starts_with("550"));
  CHECK(Lists({list("bl.test", 6), list("soft.test", 3)}).said() == "proceed");
  CHECK(Lists({list("bl.test"), list("wl.test", -5)}).said() == "proceed");
  Lists lists(DnsListOptions{.lists = {list("bl.test", 6)}, .reject_at = 10, .quarantine_at = 5, .tag_at = 1});
  Peer peer(lists);
  CHECK(words(peer.mail("x@good.test")) == "quarantine");
  CHECK(words(peer.rcpt("bob@example.test")) == "quarantine");
  CHECK(field(peer.headers()) == "score 6; bl.test 127.0.0.4 (6)");
}

TEST_CASE("dns lists: below all other thresholds a message is marked, and a mark that it brought along is taken out") {
  Lists lists(DnsListOptions{.lists = {list("bl.test", 3)}, .tag_at = 3});
  Peer peer(lists), other(lists, "198.51.100.1");
  for (Peer* one : {&peer, &other}) CHECK(words(one->mail("x@good.test")) == "proceed");
  const auto outcome = peer.headers();
  CHECK(field(outcome) == "score 3; bl.test 127.0.0.4 (3)");
  const auto clean = other.headers("X-Listed: score -100\r\n\r\n");
  CHECK_FALSE(field(clean));
  REQUIRE(clean.edits.size() == 1);
  CHECK(std::get<policy::RemoveHeader>(clean.edits[0]).name == "X-Listed");
}

TEST_CASE("dns lists: only the codes that are named count") {
  DnsList some = list("bl.test");
  some.codes = {*ListCodes::parse("127.0.0.2"), *ListCodes::parse("127.0.0.10-127.0.0.11")};
  CHECK(Lists({some}).said() == "proceed");
  some.codes.push_back(*ListCodes::parse("127.0.0.0&4"));
  CHECK(Lists({some}).said().starts_with("550"));
}

TEST_CASE("dns lists: domains are asked about by HELO name and by sender, literals are not") {
  Lists senders({list("names.test", 10, ListedThing::sender)});
  CHECK(senders.said("198.51.100.1", "x@spam.test") == "550 5.7.1 Your sender domain spam.test is listed by names.test");
  CHECK(senders.said("198.51.100.1", "x@good.test") == "proceed");
  CHECK(senders.said("198.51.100.1", "") == "proceed");
  Lists helos({list("names.test", 10, ListedThing::helo)});
  CHECK(helos.said("198.51.100.1", "x@good.test", "mx.bad.test").starts_with("550 5.7.1 Your HELO name mx.bad.test"));
  const std::size_t before = helos.resolver.asked.size();
  CHECK(helos.said("198.51.100.1", "x@[192.0.2.1]", "[198.51.100.1]") == "proceed");
  CHECK(helos.said("198.51.100.1", "x@good.test", "198.51.100.1") == "proceed");
  CHECK(helos.said("198.51.100.1", "x@good.test", "localhost") == "proceed");
  CHECK(helos.resolver.asked.size() == before);
}

TEST_CASE("dns lists: a list that refuses our resolver lists nobody, and is left alone for a while (127.255.255.x)") {
  Lists lists({list("blocked.test"), list("bl.test", 3)});
  CHECK(lists.said() == "proceed");
  CHECK(lists.why_off() == "it refuses our resolver");
  CHECK(lists.why_off(1).empty());
  CHECK(lists.log.has("policy.list.off list=blocked.test why=\"it refuses our resolver\""));
  lists.resolver.asked.clear();
  CHECK(lists.said() == "proceed");
  CHECK_FALSE(lists.resolver.has_asked("A 9.113.0.203.blocked.test"));
  CHECK(lists.log.count("policy.list.off") == 1);
}

TEST_CASE("dns lists: an answer outside 127.0.0.0/8 is that of no list (RFC 5782)") {
  Lists parked({list("parked.test")});
  CHECK(parked.said() == "proceed");
  CHECK(parked.why_off() == "it answers outside 127.0.0.0/8");
  Lists outside({list("outside.test")});  // its test entries are fine
  CHECK(outside.said() == "proceed");
  CHECK(outside.why_off() == "it answers outside 127.0.0.0/8");
}

TEST_CASE("dns lists: a list that lists everybody, or lacks its test entry, is switched off, and on again when it does better") {
  Lists world({list("world.test")});
  CHECK(world.said("198.51.100.1") == "proceed");
  CHECK(world.why_off().starts_with("it lists everybody"));
  Lists untested({list("untested.test")});
  CHECK(untested.said() == "proceed");
  CHECK(untested.why_off() == "its test entry is not there");
  DnsList trusted = list("untested.test");
  trusted.self_test = false;
  CHECK(Lists({trusted}).said().starts_with("550"));

  Lists lists(DnsListOptions{.lists = {list("bl.test")}, .test_every = 3600s, .test_again = 600s});
  CHECK(lists.said().starts_with("550"));
  lists.faulty.answer(*dns::Name::parse("2.0.0.127.bl.test"), dns::AnswerStatus::no_such_name);
  lists.executor.advance(59min);
  CHECK(lists.said().starts_with("550"));
  lists.executor.advance(2min);
  CHECK(lists.said() == "proceed");
  CHECK_FALSE(lists.why_off().empty());
  lists.executor.advance(9min);
  CHECK_FALSE(lists.why_off().empty());
}

TEST_CASE("dns lists: a list of domains is tested by TEST and INVALID (RFC 5782 §5)") {
  Lists lists({list("names.test", 10, ListedThing::sender)});
  (void)lists.said();
  CHECK(lists.resolver.has_asked("A test.names.test"));
  CHECK(lists.resolver.has_asked("A invalid.names.test"));
  CHECK(lists.why_off().empty());
}

TEST_CASE("T10: DNSBL: whatever ails the DNS, nobody is refused or put off for it, and the other lists count") {
  using enum dns::AnswerStatus;
  for (const auto status : {no_such_name, no_data, server_failure, refused, timeout, bogus, malformed}) {
    CAPTURE(dns::to_string(status));
    Lists alone({list("bl.test")});
    alone.faulty.answer(*dns::Name::parse("9.113.0.203.bl.test"), status);
    CHECK(alone.said() == "proceed");
    Lists two({list("soft.test"), list("bl.test")});
    two.faulty.answer(*dns::Name::parse("9.113.0.203.soft.test"), status);
    CHECK(two.said().starts_with("550 5.7.1 Your address [203.0.113.9] is listed by bl.test"));
    Lists wordless({list("bl.test")});
    wordless.faulty.answer(*dns::Name::parse("9.113.0.203.bl.test"), status, dns::RecordType::txt);
    CHECK(wordless.said() == "550 5.7.1 Your address [203.0.113.9] is listed by bl.test");
    if (!dns::is_temporary(status)) continue;
    Lists tests({list("bl.test")});  // the test entries cannot be had: the list is used as before
    for (const char* name : {"2.0.0.127.bl.test", "1.0.0.127.bl.test"}) tests.faulty.answer(*dns::Name::parse(name), status);
    CHECK(tests.said().starts_with("550"));
    CHECK(tests.why_off().empty());
  }
}

TEST_CASE("T10: DNSBL: a CNAME loop, a thousand addresses and 64 KB of text are no listing and no wait") {
  std::string text = "loop.odd.test. CNAME loop.odd.test.\n9.113.0.203.odd.test. CNAME loop.odd.test.\n2.0.0.127.big.test. A 127.0.0.2\n9.113.0.203.long.test. A 127.0.0.2\n"
                     "2.0.0.127.long.test. A 127.0.0.2\n2.0.0.127.odd.test. A 127.0.0.2\n";
  for (int i = 0; i < 1000; ++i) text += "9.113.0.203.big.test. A 127.0." + std::to_string(i / 250) + "." + std::to_string(i % 250) + "\n";
  for (int i = 0; i < 270; ++i) text += "9.113.0.203.long.test. TXT \"" + std::string(250, 'x') + "\"\n";
  Scene scene(text);
  const auto lists = std::make_shared<DnsLists>(scene.resolver, scene.log, DnsListOptions{.lists = {list("odd.test"), list("big.test")}});
  scene.policies.push_back(lists);
  Peer peer(scene);
  (void)peer.mail("x@good.test");
  CHECK(words(peer.rcpt("bob@example.test")) == "proceed");
  Scene other(text);
  other.policies.push_back(std::make_shared<DnsLists>(other.resolver, other.log, DnsListOptions{.lists = {list("long.test")}}));
  Peer listed(other);
  (void)listed.mail("x@good.test");
  CHECK(words(listed.rcpt("bob@example.test")) == "550 5.7.1 Your address [203.0.113.9] is listed by long.test");
}

TEST_CASE("T10: DNSBL: lists that hang are asked all at once, and cost one budget") {
  Lists lists({list("bl.test"), list("soft.test"), list("wl.test", -1)});
  for (const char* name : {"9.113.0.203.bl.test", "9.113.0.203.soft.test", "9.113.0.203.wl.test"}) lists.faulty.hang(*dns::Name::parse(name));
  const Instant before = lists.executor.now();
  CHECK(lists.said() == "proceed");
  CHECK(lists.executor.now() - before <= 10s);
  Lists slow({list("bl.test", 6), list("soft.test", 6)});
  slow.faulty.delay(3s);
  const Instant start = slow.executor.now();
  CHECK(slow.said().starts_with("550"));
  CHECK(slow.executor.now() - start <= 7s);  // the lists, then the words
}

TEST_CASE("dns lists: trusted peers, logins, and whom an access rule lets pass are not asked about") {
  Lists lists({list("bl.test")});
  AccessTable table;
  REQUIRE(table.add(AccessScope::recipient, "postmaster@", {}));
  lists.policies.insert(lists.policies.begin(), std::make_shared<AccessRules>(std::move(table)));
  Peer trusted(lists, "203.0.113.9", "smtp", true), user(lists);
  user.login("alice@example.test");
  for (Peer* peer : {&trusted, &user}) {
    (void)peer->mail("x@good.test");
    CHECK(words(peer->rcpt("bob@example.test")) == "proceed");
  }
  CHECK(lists.resolver.asked.empty());
  Peer stranger(lists);
  (void)stranger.mail("x@good.test");
  CHECK(words(stranger.rcpt("postmaster@example.test")) == "proceed");
  CHECK(words(stranger.rcpt("bob@example.test")).starts_with("550"));
}
