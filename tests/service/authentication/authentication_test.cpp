// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A message signed by one reception and judged by another; the engines' own rules are tested in tests/mailauth.
#include "service/reception/fixture.hpp"

#include "keystonemail/backends/zone/resolver.hpp"
#include "keystonemail/codec/base64.hpp"
#include "keystonemail/mailauth/arc/sealer.hpp"
#include "keystonemail/mailauth/dkim/key_record.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/resolver/faulty.hpp"
#include "keystonemail/service/authentication/checks.hpp"
#include "keystonemail/service/authentication/signing.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
namespace dkim = keystonemail::mailauth::dkim;

namespace {

const std::string message =
    "From: Alice <alice@example.test>\r\nTo: someone@elsewhere.test\r\nSubject: hello\r\n\r\nHello there\r\n";

// Keys of example.test, and a DNS that has them.
struct World {
  std::shared_ptr<dkim::SignerOptions> keys = std::make_shared<dkim::SignerOptions>();
  std::unique_ptr<zone::ZoneResolver> dns;
  std::string zone_text;

  World() {
    auto key = crypto::PrivateKey::generate(crypto::KeyType::ed25519).value();
    const std::string record = dkim::key_record_text(key.public_key());
    keys->keys.push_back({.domain = "example.test", .selector = "s1", .key = std::move(key)});
    zone_text = "$TTL 300\ns1._domainkey.example.test. TXT \"" + record + "\"\nexample.test. TXT \"v=spf1 ip4:192.0.2.1 -all\"\n" +
                             "client.elsewhere.test. TXT \"v=spf1 a -all\"\nclient.elsewhere.test. A 192.0.2.1\n";
    dns = std::make_unique<zone::ZoneResolver>(dns::Zone(dns::parse_zone(zone_text).value()));
  }
  [[nodiscard]] std::shared_ptr<policy::Policy> signing() const {
    return std::make_shared<authentication::Signing>([keys = keys](std::string_view domain) {
      return domain == "example.test" ? keys : std::shared_ptr<dkim::SignerOptions>();
    });
  }
  [[nodiscard]] static std::shared_ptr<policy::Policy> checks(resolver::Resolver& resolver,
                                                              authentication::CheckOptions options = {}) {
    static SeededRandom random(7);
    return std::make_shared<authentication::Checks>(resolver, random, std::move(options));
  }

  // What goes out when Alice submits it.
  [[nodiscard]] std::string submitted(const std::string& text, std::vector<std::shared_ptr<policy::Policy>> before = {}) const {
    before.push_back(signing());
    ReceptionFixture server(smtp::Protocol::submission, {}, std::move(before));
    server.hello();
    const std::string plain = std::string(1, '\0') + "alice@example.test" + std::string(1, '\0') + "secret of alice";
    REQUIRE(server.say("AUTH PLAIN " + codec::encode_base64(plain) + "\r\n").starts_with("235"));
    server.say("MAIL FROM:<alice@example.test>\r\n");
    server.say("RCPT TO:<someone@elsewhere.test>\r\n");
    server.say("DATA\r\n");
    REQUIRE(server.say(text + ".\r\n").starts_with("250"));
    const auto& delivered = server.delivery.delivered.at(0);
    return delivered.remote.value().prefix + delivered.message;
  }
  // The reply to it, sent by a stranger, where example.test has this DMARC record.
  [[nodiscard]] std::string reply_with_policy(const std::string& record, const std::string& text, resolver::Faulty* faulty = nullptr) {
    const std::string dmarc = "_dmarc.example.test. 300 TXT \"" + record + "\"\n";
    zone::ZoneResolver with_policy(dns::Zone(dns::parse_zone(zone_text + dmarc).value()));
    resolver::Resolver& resolver = faulty ? static_cast<resolver::Resolver&>(*faulty) : with_policy;
    ReceptionFixture server(smtp::Protocol::smtp, {}, {checks(resolver)});
    server.begin("mallory@unknown.test");
    server.say("DATA\r\n");
    std::string reply = server.say(text + ".\r\n");
    if (!server.delivery.delivered.empty()) reply = server.delivery.delivered.at(0).local.at(0).mailbox + " " + reply;
    return reply;
  }
  // What Bob gets when it comes in.
  [[nodiscard]] static std::string received(resolver::Resolver& resolver, const std::string& text,
                                            const std::string& from = "alice@example.test") {
    ReceptionFixture server(smtp::Protocol::smtp, {}, {checks(resolver)});
    server.begin(from);
    server.say("DATA\r\n");
    REQUIRE(server.say(text + ".\r\n").starts_with("250"));
    const auto& delivered = server.delivery.delivered.at(0);
    return delivered.local.at(0).prefix + delivered.message;
  }
  [[nodiscard]] std::string received(const std::string& text, const std::string& from = "alice@example.test") const {
    return received(*dns, text, from);
  }
};

std::string results_of(const std::string& text) {
  const auto field = mime::find_field(text, "Authentication-Results");
  return field ? mime::unfold(field->value) : std::string();
}
std::string without_comments(std::string text) {
  std::ranges::replace(text, '\t', ' ');
  for (auto begin = text.find(" ("); begin != std::string::npos; begin = text.find(" (", begin)) {
    text.erase(begin, text.find(')', begin) + 1 - begin);
  }
  return text;
}
bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("authentication: what one signs the other verifies, Date and Message-ID that were added included") {
  const World world;
  const std::string sent = world.submitted(message);
  CHECK(sent.starts_with("DKIM-Signature: v=1;"));
  CHECK(has(sent, "\r\nDate: "));
  const std::string results = without_comments(results_of(world.received(sent)));
  CHECK(results.starts_with("mail.example.test;"));
  CHECK(has(results, "dkim=pass"));
  CHECK(has(results, "header.d=example.test"));
  CHECK(has(results, "header.s=s1"));
  CHECK(has(results, "spf=pass smtp.helo=client.elsewhere.test"));
  CHECK(has(results, "spf=pass smtp.mailfrom=alice@example.test"));
}

TEST_CASE("authentication: a body that was changed on the way fails") {
  const World world;
  std::string sent = world.submitted(message);
  sent.replace(sent.find("Hello there"), 5, "Adieu");
  CHECK(has(results_of(world.received(sent)), "dkim=fail"));
}

TEST_CASE("authentication: a message without a signature says so") {
  const World world;
  const std::string results = results_of(world.received(message, "mallory@unknown.test"));
  CHECK(has(results, "dkim=none"));
  CHECK(has(without_comments(results), "spf=none smtp.mailfrom=mallory@unknown.test"));
}

TEST_CASE("D3: Authentication-Results in our name are taken out, those of others stay") {
  const World world;
  const std::string forged = "Authentication-Results: other.test; dkim=pass\r\n"
                             "authentication-results: (x) Mail.Example.TEST; dmarc=pass\r\n" + message;
  const std::string text = world.received(forged);
  CHECK(!has(text, "dmarc=pass"));
  CHECK(has(text, "Authentication-Results: other.test; dkim=pass\r\n"));
}

TEST_CASE("D3: an exempt network keeps such fields, and not so who logs in from there") {
  const World world;
  authentication::CheckOptions options;
  options.exempt = {*IpNetwork::parse("192.0.2.0/24")};
  const std::string forged = "Authentication-Results: mail.example.test; dmarc=pass\r\n" + message;
  for (const auto protocol : {smtp::Protocol::smtp, smtp::Protocol::submission}) {
    const bool logs_in = protocol == smtp::Protocol::submission;
    ReceptionFixture server(protocol, {}, {World::checks(*world.dns, options)});
    server.hello();
    if (logs_in) server.say("AUTH PLAIN " + codec::encode_base64(std::string(1, '\0') + "alice@example.test" + std::string(1, '\0') + "secret of alice") + "\r\n");
    server.say("MAIL FROM:<alice@example.test>\r\n");
    server.say("RCPT TO:<bob@example.test>\r\n");
    server.say("DATA\r\n");
    REQUIRE(server.say(forged + ".\r\n").starts_with("250"));
    const auto& delivered = server.delivery.delivered.at(0);
    const std::string text = delivered.local.at(0).prefix + delivered.message;
    CHECK(has(text, "dmarc=pass") == !logs_in);
    CHECK(!has(text, "iprev="));
  }
}

TEST_CASE("T10: a DNS that does not answer is a temporary result, and the message is taken") {
  const World world;
  const std::string sent = world.submitted(message);
  for (const auto status : {dns::AnswerStatus::server_failure, dns::AnswerStatus::timeout, dns::AnswerStatus::refused,
                            dns::AnswerStatus::bogus, dns::AnswerStatus::malformed}) {
    CAPTURE(dns::to_string(status));
    resolver::Faulty faulty(*world.dns);
    for (const char* name : {"example.test", "s1._domainkey.example.test", "client.elsewhere.test"}) {
      faulty.answer(*dns::Name::parse(name), status);
    }
    const std::string results = results_of(World::received(faulty, sent));
    CAPTURE(results);
    CHECK(has(results, "dkim=temperror"));
    CHECK(has(without_comments(results), "spf=temperror smtp.mailfrom="));
  }
}

TEST_CASE("authentication: a message with two authors is not signed") {
  const World world;
  CHECK(world.submitted("From: alice@example.test, bob@example.test\r\n\r\nx\r\n").starts_with("Received:"));
  CHECK(world.submitted("From: alice@example.test\r\nFrom: bob@example.test\r\n\r\nx\r\n").starts_with("Received:"));
  CHECK(world.submitted("From: alice@other.test\r\n\r\nx\r\n").starts_with("Received:"));
}

TEST_CASE("authentication: what nobody vouches for is done with as its domain's DMARC policy says") {
  World world;
  CHECK(world.reply_with_policy("v=DMARC1; p=reject", message).starts_with("550 5.7.26"));
  CHECK(world.reply_with_policy("v=DMARC1; p=quarantine", message).starts_with("Junk 250"));
  CHECK(world.reply_with_policy("v=DMARC1; p=none", message).starts_with("INBOX 250"));
  CHECK(world.reply_with_policy("v=DMARC1; p=reject", world.submitted(message)).starts_with("INBOX 250"));
}

TEST_CASE("D1: a message with several authors, or none, is refused") {
  World world;
  for (const std::string text : {"From: a@example.test\r\nFrom: b@other.test\r\n\r\nx\r\n", "From: a@example.test, b@other.test\r\n\r\nx\r\n",
                                 "Subject: nobody\r\n\r\nx\r\n"}) {
    CAPTURE(text);
    CHECK(world.reply_with_policy("v=DMARC1; p=none", text).starts_with("550 5.7.1"));
  }
}

TEST_CASE("T10: a DMARC policy that cannot be looked up defers, and never rejects") {
  World world;
  for (const auto status : {dns::AnswerStatus::server_failure, dns::AnswerStatus::timeout, dns::AnswerStatus::bogus}) {
    CAPTURE(dns::to_string(status));
    resolver::Faulty faulty(*world.dns);
    faulty.answer(*dns::Name::parse("_dmarc.example.test"), status);
    CHECK(world.reply_with_policy("", message, &faulty).starts_with("451 4.7.0"));
  }
}

TEST_CASE("T10: DMARC: an answer that is missing defers nothing when the policy asks for nothing") {
  World world;
  for (const auto& [tags, reply] : {std::pair("p=none", "INBOX 250"), std::pair("p=quarantine; t=y", "INBOX 250"), std::pair("p=none; sp=reject", "INBOX 250"),
                                    std::pair("p=quarantine", "451 4.7.0"), std::pair("p=reject; t=y", "451 4.7.0")}) {
    CAPTURE(tags);
    const std::string dmarc = "_dmarc.example.test. 300 TXT \"v=DMARC1; " + std::string(tags) + "\"\n";
    zone::ZoneResolver with_policy(dns::Zone(dns::parse_zone(world.zone_text + dmarc).value()));
    resolver::Faulty faulty(with_policy);
    faulty.answer(*dns::Name::parse("s1._domainkey.example.test"), dns::AnswerStatus::server_failure);
    CHECK(world.reply_with_policy("", world.submitted(message), &faulty).starts_with(reply));
  }
}

TEST_CASE("authentication: a slow DNS holds back the reply, and the answers are what they are") {
  const World world;
  const std::string sent = world.submitted(message);
  resolver::Faulty slow(*world.dns);
  slow.delay(std::chrono::milliseconds(20));
  ReceptionFixture server(smtp::Protocol::smtp, {}, {World::checks(slow)});
  server.begin("alice@example.test");
  server.say("DATA\r\n");
  CHECK(server.say(sent + ".\r\n").empty());
  server.executor.advance(std::chrono::seconds(5));
  CHECK(server.heard().starts_with("250"));
  const auto& delivered = server.delivery.delivered.at(0);
  const std::string results = without_comments(results_of(delivered.local.at(0).prefix + delivered.message));
  CAPTURE(results);
  for (const char* part : {"dkim=pass", "spf=pass smtp.mailfrom=alice@example.test", "dmarc=none", "iprev="}) {
    CAPTURE(part);
    CHECK(has(results, part));
  }
}

namespace {

// Changes header and body when all of the message is there, or at the last stage.
class Editor final : public policy::Rule {
 public:
  explicit Editor(policy::Stage when) : when_(when) {}
  std::string_view name() const noexcept override { return "editor"; }
  Task<Result<policy::Decision>> judge(policy::Stage stage, const policy::Facts&, Context) override {
    policy::Decision decision;
    if (stage == when_) {
      decision.edits = {policy::ChangeHeader{"Subject", 1, "other words"}, policy::AddHeader{"Reply-To", "desk@example.test", policy::Place::bottom},
                        policy::ReplaceBody{policy::make_body(std::string(100'000, 'x') + "\r\n")}};
    }
    co_return decision;
  }

 private:
  policy::Stage when_;
};

}  // namespace

TEST_CASE("authentication: what policies change at the end of a message is what is signed") {
  const World world;
  for (const auto stage : {policy::Stage::headers, policy::Stage::body, policy::Stage::submit}) {
    CAPTURE(policy::to_string(stage));
    const std::string sent = world.submitted(message, {std::make_shared<Editor>(stage)});
    CHECK(has(sent, "Subject: other words\r\n"));
    CHECK(has(sent, "Reply-To: desk@example.test\r\n"));
    CHECK(has(sent, "xxxx") == (stage != policy::Stage::headers));
    CHECK(has(results_of(world.received(sent)), "dkim=pass"));
  }
}

namespace {

// A forwarder between an author whose SPF alone vouches for it and somebody who takes DMARC seriously.
struct Passed {
  crypto::PrivateKey key = crypto::PrivateKey::generate(crypto::KeyType::rsa).value();
  std::string zone_text = "$TTL 300\nauthor.test. TXT \"v=spf1 ip4:192.0.2.1 -all\"\n_dmarc.author.test. TXT \"v=DMARC1; p=reject\"\n"
                          "example.test. TXT \"v=spf1 ip4:192.0.2.1 -all\"\n";
  std::unique_ptr<zone::ZoneResolver> dns;
  queue::NewEntry entry;
  std::string text;

  explicit Passed(const std::string& sent) {
    const std::string record = dkim::key_record_text(key.public_key());
    zone_text += "s1._domainkey.example.test. TXT";
    for (std::size_t at = 0; at < record.size(); at += 200) zone_text += " \"" + record.substr(at, 200) + "\"";
    dns = std::make_unique<zone::ZoneResolver>(dns::Zone(dns::parse_zone(zone_text + "\n").value()));
    auto keys = std::make_shared<dkim::SignerOptions>();
    keys->keys.push_back({.domain = "example.test", .selector = "s1", .key = key});
    forwarding::Options options;
    options.srs = mailauth::srs::Options{.domain = "example.test", .secrets = {"0123456789abcdef0123456789abcdef"}};
    options.keys = [keys](std::string_view domain) { return domain == "example.test" ? keys : std::shared_ptr<dkim::SignerOptions>(); };
    ReceptionFixture server(smtp::Protocol::smtp, {}, {World::checks(*dns)}, forwarding::Forwarder::create(std::move(options)).value());
    server.directory.aliases["away@example.test"] = {{}, {{"far@remote.test", "away@example.test"}}};
    server.begin("writer@author.test", "away@example.test");
    server.say("DATA\r\n");
    REQUIRE(server.say(sent + ".\r\n").starts_with("250"));
    entry = server.delivery.delivered.at(1).remote.value();
    text = entry.prefix + server.delivery.delivered.at(1).message;
  }
  // What the next server makes of it.
  [[nodiscard]] std::string reply(std::vector<std::string> trusted) const {
    authentication::CheckOptions options;
    options.trusted_sealers = std::move(trusted);
    ReceptionFixture next(smtp::Protocol::smtp, {}, {World::checks(*dns, std::move(options))});
    next.begin(entry.envelope.sender);
    next.say("DATA\r\n");
    std::string said = next.say(text + ".\r\n");
    if (!next.delivery.delivered.empty()) said += results_of(next.delivery.delivered[0].local.at(0).prefix);
    return said;
  }
};

}  // namespace

TEST_CASE("forward: what is passed on has SPF of its own, and a seal by which whoever trusts us takes it in spite of DMARC") {
  const Passed passed("From: writer@author.test\r\nSubject: x\r\n\r\nHello\r\n");
  CHECK(passed.entry.envelope.sender.ends_with("=author.test=writer@example.test"));
  CHECK(!passed.entry.envelope.unproven);
  CHECK(has(passed.entry.prefix, "ARC-Seal: i=1;"));
  CHECK(has(passed.entry.prefix, "ARC-Authentication-Results: i=1; mail.example.test;"));
  const std::string strict = passed.reply({});
  CHECK(strict.starts_with("550 5.7.26"));
  const std::string trusting = passed.reply({"example.test"});
  CAPTURE(trusting);
  CHECK(trusting.starts_with("250"));
  CHECK(has(without_comments(trusting), "spf=pass smtp.mailfrom="));
  CHECK(has(trusting, "arc=pass"));
  CHECK(has(trusting, "dmarc=fail"));
}

TEST_CASE("forward: what was changed behind the seal is believed by nobody") {
  Passed passed("From: writer@author.test\r\nSubject: x\r\n\r\nHello\r\n");
  passed.text.replace(passed.text.find("Hello\r\n"), 5, "Adieu");
  CHECK(passed.reply({"example.test"}).starts_with("550 5.7.26"));
}

TEST_CASE("forward: a trusted seal speaks for the author that it saw, and for no other") {
  using mailauth::arc::ChainStatus;
  Passed passed("From: writer@author.test\r\nSubject: x\r\n\r\nHello\r\n");
  const std::string plain = "From: writer@author.test\r\nSubject: x\r\n\r\nHello\r\n";
  const mailauth::arc::SealerOptions sealing{.key = {.domain = "example.test", .selector = "s1", .key = passed.key}};
  const auto reply = [&](const std::string& from, const char* result = "pass") {
    mailauth::AuthenticationResults results{.authserv_id = "lists.test"};
    mailauth::MethodResult dmarc{.method = "dmarc", .result = result};
    if (!from.empty()) dmarc.properties.push_back({"header", "from", from});
    results.results.push_back(std::move(dmarc));
    mailauth::arc::Sealer sealer(sealing);
    sealer.receive(plain);
    passed.text = sealer.receive_end(ChainStatus::none, results, WallTime{}).value() + plain;
    passed.entry.envelope.sender = "bounces@unknown.test";
    return passed.reply({"example.test"}).substr(0, 3);
  };
  CHECK(reply("author.test") == "250");
  CHECK(reply("AUTHOR.test") == "250");
  CHECK(reply("") == "250");
  CHECK(reply("elsewhere.test") == "550");
  CHECK(reply("author.test", "fail") == "550");
}
