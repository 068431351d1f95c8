// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// T10: what is done about mail when the DNS goes wrong: each fault in each of the lookups that mail depends on, as one table.
// tests/backends/unbound shows what the resolver makes of each fault on the wire; here it gives that answer, and a relay or a
// reception in virtual time does what it does. Nothing final may follow from an answer that is none.
#include <array>

#include "service/reception/fixture.hpp"
#include "service/relay/fixture.hpp"

#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/codec/base64.hpp"
#include "keystonemail/mailauth/dkim/key_record.hpp"
#include "keystonemail/service/authentication/checks.hpp"
#include "keystonemail/service/authentication/signing.hpp"
#include "keystonemail/service/policies/dns_lists.hpp"
#include "support/fake_fetcher.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace std::chrono_literals;
namespace dkim = keystonemail::mailauth::dkim;

namespace {

enum class Trouble : std::uint8_t {
  nxdomain, nodata, servfail, refused, timeout, truncated, bogus, cname_loop, thousand_mx, long_txt, lame_v6,
};
constexpr std::array<std::string_view, 11> trouble_names{"NXDOMAIN",   "NODATA",   "SERVFAIL",   "REFUSED", "timeout", "TC that TCP does not mend",
                                                         "bogus",      "CNAME loop", "1,000 MX", "64 KB TXT", "lame IPv6"};

enum class Lookup : std::uint8_t { mx, a, tlsa, sts, spf, dkim, dmarc, dnsbl, ptr };

// What becomes of the message.
enum class Fate : std::uint8_t {
  arrives,   // delivered, or accepted
  waits,     // in the queue, or 4yz in session
  returned,  // a bounce, or 5yz in session
};
std::string_view name(Fate fate) {
  constexpr std::string_view names[] = {"arrives", "waits", "returned"};
  return names[static_cast<std::size_t>(fate)];
}

// The table. A denial is an answer: no such domain, no policy, no key. Everything else that is returned must have been found.
struct Row {
  Trouble trouble;
  Fate mx, a, tlsa, sts, spf, dkim, dmarc, dnsbl, ptr;
};
using enum Fate;
constexpr Row table[] = {
    // MX without data: the domain itself (RFC 5321 §5.1). TLSA that cannot be known: not now (RFC 7672 §2.1). An MTA-STS policy that
    // cannot be found: none (RFC 8461 §3.3); it is one that would be in the way here.
    {Trouble::nxdomain, returned, returned, arrives, arrives, returned, returned, arrives, arrives, arrives},
    {Trouble::nodata, arrives, returned, arrives, arrives, returned, returned, arrives, arrives, arrives},
    {Trouble::servfail, waits, waits, waits, arrives, waits, waits, waits, arrives, arrives},
    {Trouble::refused, waits, waits, waits, arrives, waits, waits, waits, arrives, arrives},
    {Trouble::timeout, waits, waits, waits, arrives, waits, waits, waits, arrives, arrives},
    {Trouble::truncated, waits, waits, waits, arrives, waits, waits, waits, arrives, arrives},
    {Trouble::bogus, waits, waits, waits, arrives, waits, waits, waits, arrives, arrives},
    {Trouble::cname_loop, waits, waits, waits, arrives, waits, waits, waits, arrives, arrives},
    // A blocklist that does not answer lists nobody; where the trouble does not hide its answer the client is listed.
    // SPF with more than ten exchangers is in error (RFC 7208 §4.6.4). What these do not hide is found: the policies of MTA-STS and DMARC.
    {Trouble::thousand_mx, arrives, arrives, arrives, waits, returned, arrives, returned, returned, arrives},
    {Trouble::long_txt, arrives, arrives, arrives, arrives, waits, waits, waits, returned, arrives},
    {Trouble::lame_v6, arrives, arrives, arrives, waits, arrives, arrives, returned, returned, arrives},
};

// A DNS with that zone in which the name goes wrong when asked for that type.
class TroubledDns {
 public:
  TroubledDns(std::string zone_text, const std::string& asked, dns::RecordType type, Trouble trouble)
      : zone_(dns::Zone(dns::parse_zone(with_records(std::move(zone_text), asked, trouble)).value()), zone::Trust::as_if_signed) {
    const dns::Name name = dns::Name::parse(asked).value();
    using enum dns::AnswerStatus;
    switch (trouble) {
      case Trouble::nxdomain: faulty.answer(name, no_such_name, type); break;
      case Trouble::nodata: faulty.answer(name, no_data, type); break;
      case Trouble::servfail:
      case Trouble::cname_loop: faulty.answer(name, server_failure, type); break;
      case Trouble::refused: faulty.answer(name, dns::AnswerStatus::refused, type); break;
      case Trouble::timeout: faulty.hang(name); break;
      case Trouble::truncated: faulty.answer(name, dns::AnswerStatus::timeout, type); break;
      case Trouble::bogus: faulty.answer(name, dns::AnswerStatus::bogus, type); break;
      case Trouble::lame_v6: faulty.answer(name, dns::AnswerStatus::timeout, dns::RecordType::aaaa); break;
      case Trouble::thousand_mx:
      case Trouble::long_txt: break;
    }
  }

 private:
  static std::string with_records(std::string zone, const std::string& asked, Trouble trouble) {
    if (trouble == Trouble::thousand_mx) {
      for (int i = 1; i <= 1'000; ++i) zone += asked + ". 60 MX " + std::to_string(100 + i) + " mx" + std::to_string(i) + ".far.test.\n";
    }
    if (trouble == Trouble::long_txt) {
      for (int i = 0; i < 280; ++i) zone += asked + ". 60 TXT \"" + std::to_string(1'000 + i) + std::string(245, 'x') + "\"\n";
    }
    if (trouble == Trouble::lame_v6) zone += asked + ". 60 AAAA 2001:db8::bad\n";
    return zone;
  }
  zone::ZoneResolver zone_;

 public:
  resolver::Faulty faulty{zone_};
};

// --- Mail out ---

constexpr std::string_view out_zone = "dest.test. 60 MX 10 mx.dest.test.\nmx.dest.test. 60 A 192.0.2.1\ndest.test. 60 A 192.0.2.1\n";

// To a host without TLS. Where `has_policy`, its domain has an MTA-STS policy that forbids that.
Fate send(const std::string& asked, dns::RecordType type, Trouble trouble, bool has_policy = false) {
  std::string zone(out_zone);
  if (has_policy) zone += "_mta-sts.dest.test. 60 TXT \"v=STSv1; id=1\"\n";
  TroubledDns dns{std::move(zone), asked, type, trouble};
  RelayFixture f;
  FakeFetcher web;
  web.answer("https://mta-sts.dest.test/.well-known/mta-sts.txt", 200, "version: STSv1\nmode: enforce\nmx: mx.dest.test\nmax_age: 86400\n",
             {{"Content-Type", "text/plain"}});
  const auto kept = memory::make_kv_store({.tables = {std::string(mta_sts::table_name)}});
  mta_sts::Policies policies({}, {*kept, dns.faulty, web, f.log});
  auto& peer = f.peer();
  f.relay.emplace(f.options, relay::Services{f.store.queue_, f.store.delivery_, f.directory, dns.faulty, f.network, f.random, f.log, f.tls,
                                             nullptr, &policies});
  std::stop_source stop;
  auto running = f.relay->run(f.context().with_stop(stop.get_token()));
  const auto id = f.send();
  // Until the first attempt is over, which no lookup may hold up.
  const bool attempted = f.until([&] {
    const auto entry = f.entry(id);
    return !entry || entry->recipients[0].attempts > 0;
  }, 90s);
  CHECK(attempted);
  const bool gone = !f.entry(id).has_value();
  const Fate fate = !gone ? Fate::waits : f.reports().empty() ? Fate::arrives : Fate::returned;
  CHECK(peer.messages.size() == (fate == Fate::arrives ? 1 : 0));
  stop.request_stop();
  f.loop.run(std::move(running));
  f.relay.reset();
  return fate;
}

// --- Mail in ---

const std::string message = "From: Alice <alice@example.test>\r\nTo: someone@elsewhere.test\r\nSubject: hello\r\n\r\nHello there\r\n";

struct Sender {
  std::shared_ptr<dkim::SignerOptions> keys = std::make_shared<dkim::SignerOptions>();
  std::string key_record;

  Sender() {
    auto key = crypto::PrivateKey::generate(crypto::KeyType::ed25519).value();
    key_record = "s1._domainkey.example.test. 60 TXT \"" + dkim::key_record_text(key.public_key()) + "\"\n";
    keys->keys.push_back({.domain = "example.test", .selector = "s1", .key = std::move(key)});
  }
  [[nodiscard]] std::string signed_message() const {
    const auto signing = std::make_shared<authentication::Signing>([keys = keys](std::string_view) { return keys; });
    ReceptionFixture server(smtp::Protocol::submission, {}, {signing});
    server.hello();
    const std::string plain = std::string(1, '\0') + "alice@example.test" + std::string(1, '\0') + "secret of alice";
    server.say("AUTH PLAIN " + codec::encode_base64(plain) + "\r\n");
    server.say("MAIL FROM:<alice@example.test>\r\n");
    server.say("RCPT TO:<someone@elsewhere.test>\r\n");
    server.say("DATA\r\n");
    REQUIRE(server.say(message + ".\r\n").starts_with("250"));
    const auto& delivered = server.delivery.delivered.at(0);
    return delivered.remote.value().prefix + delivered.message;
  }
};

Fate fate_of(const std::string& reply) {
  if (reply.starts_with('2')) return Fate::arrives;
  return reply.starts_with('4') ? Fate::waits : Fate::returned;
}

// What a server with that policy says to the message that somebody at 192.0.2.1 has for Bob.
Fate receive(std::shared_ptr<policy::Policy> policy, const std::string& text) {
  ReceptionFixture server(smtp::Protocol::smtp, {}, {std::move(policy)});
  // The answer, once it comes: no lookup holds a session for longer than 30 s.
  const auto answer = [&](const std::string& line) {
    std::string reply = line.empty() ? server.heard() : server.say(line);
    for (int seconds = 0; seconds <= 30 && reply.empty(); ++seconds) {
      server.executor.advance(1s);
      reply = server.heard();
    }
    CHECK(!reply.empty());
    return reply;
  };
  answer("");
  answer("EHLO client.elsewhere.test\r\n");
  REQUIRE(answer("MAIL FROM:<alice@example.test>\r\n").starts_with("250"));
  const std::string recipient = answer("RCPT TO:<bob@example.test>\r\n");
  if (!recipient.starts_with("250")) return fate_of(recipient);
  REQUIRE(answer("DATA\r\n").starts_with("354"));
  return fate_of(answer(text + ".\r\n"));
}
// With the policy that asks that DNS who vouches for it.
Fate receive(resolver::Resolver& dns, const std::string& text) {
  SeededRandom random(7);
  return receive(std::make_shared<authentication::Checks>(dns, random), text);
}

const std::string reject_policy = "_dmarc.example.test. 60 TXT \"v=DMARC1; p=reject\"\n";

Fate lookup(Lookup what, Trouble trouble) {
  const Sender sender;
  using enum dns::RecordType;
  switch (what) {
    case Lookup::mx: return send("dest.test", mx, trouble);
    case Lookup::a: return send("mx.dest.test", a, trouble);
    case Lookup::tlsa: return send("_25._tcp.mx.dest.test", tlsa, trouble);
    case Lookup::sts: return send("_mta-sts.dest.test", txt, trouble, true);
    case Lookup::spf: {  // all that speaks for the message
      const char* record = trouble == Trouble::thousand_mx ? "\"v=spf1 mx -all\"" : "\"v=spf1 ip4:192.0.2.1 -all\"";
      TroubledDns dns(reject_policy + "example.test. 60 TXT " + record + "\n", "example.test", txt, trouble);
      return receive(dns.faulty, message);
    }
    case Lookup::dkim: {
      TroubledDns dns(reject_policy + sender.key_record, "s1._domainkey.example.test", txt, trouble);
      return receive(dns.faulty, sender.signed_message());
    }
    case Lookup::dmarc: {  // nothing speaks for it
      TroubledDns dns(reject_policy + "example.test. 60 TXT \"none\"\n", "_dmarc.example.test", txt, trouble);
      return receive(dns.faulty, message);
    }
    case Lookup::dnsbl: {  // it is listed
      TroubledDns dns("2.0.0.127.bl.test. 60 A 127.0.0.2\n1.2.0.192.bl.test. 60 A 127.0.0.4\n", "1.2.0.192.bl.test", a, trouble);
      NullLog log;
      policies::DnsListOptions options;
      options.lists.push_back({.zone = "bl.test"});
      return receive(std::make_shared<policies::DnsLists>(dns.faulty, log, std::move(options)), message);
    }
    case Lookup::ptr: {
      TroubledDns dns("example.test. 60 TXT \"none\"\n", "1.2.0.192.in-addr.arpa", ptr, trouble);
      return receive(dns.faulty, message);
    }
  }
  return Fate::returned;
}

void check_column(Lookup what, Fate Row::*column) {
  for (const Row& row : table) {
    CAPTURE(trouble_names[static_cast<std::size_t>(row.trouble)]);
    CHECK(name(lookup(what, row.trouble)) == name(row.*column));
  }
}

}  // namespace

TEST_CASE("T10: a mail exchanger that cannot be looked up is looked up again") { check_column(Lookup::mx, &Row::mx); }
TEST_CASE("T10: a mail host whose address cannot be looked up is looked up again") { check_column(Lookup::a, &Row::a); }
TEST_CASE("T10: TLSA records that cannot be looked up are looked up again") { check_column(Lookup::tlsa, &Row::tlsa); }
TEST_CASE("T10: an MTA-STS policy that cannot be looked up does not hold mail back") { check_column(Lookup::sts, &Row::sts); }
TEST_CASE("T10: SPF that cannot be looked up is no reason to refuse") { check_column(Lookup::spf, &Row::spf); }
TEST_CASE("T10: a DKIM key that cannot be looked up is no reason to refuse") { check_column(Lookup::dkim, &Row::dkim); }
TEST_CASE("T10: a DMARC policy that cannot be looked up is no reason to refuse") { check_column(Lookup::dmarc, &Row::dmarc); }
TEST_CASE("T10: a blocklist that cannot be asked lists nobody") { check_column(Lookup::dnsbl, &Row::dnsbl); }
TEST_CASE("T10: a client without a name, or whose name cannot be looked up, may send") { check_column(Lookup::ptr, &Row::ptr); }

TEST_CASE("T10: without trouble the mail of each column arrives, but for what a policy is against") {
  const Sender sender;
  TroubledDns dns(reject_policy + sender.key_record + "example.test. 60 TXT \"v=spf1 ip4:192.0.2.1 -all\"\n", "none.test", dns::RecordType::a, Trouble::nodata);
  CHECK(receive(dns.faulty, message) == Fate::arrives);
  CHECK(receive(dns.faulty, sender.signed_message()) == Fate::arrives);
  TroubledDns bare(reject_policy, "none.test", dns::RecordType::a, Trouble::nodata);
  CHECK(receive(bare.faulty, message) == Fate::returned);
  CHECK(send("none.test", dns::RecordType::a, Trouble::nodata) == Fate::arrives);
  CHECK(send("none.test", dns::RecordType::a, Trouble::nodata, true) == Fate::waits);  // MTA-STS
}
