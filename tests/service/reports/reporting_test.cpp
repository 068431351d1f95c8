// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Two whole servers in virtual time, on pipes and a zone: mail that says it is of one comes to the other, which reports, and the
// report comes home.
#include "keystonemail/service/reports/reporting.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <utility>

#include "keystonemail/backends/memory/blob_store.hpp"
#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/backends/zone/resolver.hpp"
#include "keystonemail/codec/archive.hpp"
#include "keystonemail/codec/base64.hpp"
#include "keystonemail/mailauth/dkim/key_record.hpp"
#include "keystonemail/mailauth/dkim/signer.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/reports/report_reader.hpp"
#include "keystonemail/resolver/faulty.hpp"
#include "keystonemail/service/authentication/checks.hpp"
#include "keystonemail/service/relay/relay.hpp"
#include "keystonemail/service/server/server.hpp"
#include "keystonemail/transport/pipe.hpp"
#include "reports/samples.hpp"
#include "support/sanitized.hpp"
#include "support/sim_executor.hpp"

using namespace keystonemail;
using namespace keystonemail::reporting;
using namespace keystonemail::test;
using namespace std::chrono_literals;
namespace dkim = keystonemail::mailauth::dkim;

namespace {

// The network as one host sees it.
class NetworkOf final : public transport::Connector {
 public:
  NetworkOf(transport::PipeNetwork& network, IpAddress own) : network_(network), own_(own) {}
  Task<Result<std::unique_ptr<transport::ByteStream>>> connect(Endpoint to, Context) override { co_return network_.connect_from({own_, 40'000}, to); }

 private:
  transport::PipeNetwork& network_;
  IpAddress own_;
};

// Takes reports over HTTPS, or does not.
class FakeFetcher final : public web::Fetcher {
 public:
  Task<web::FetchResult> fetch(web::FetchRequest request, Context) override {
    requests.push_back(std::move(request));
    if (status == 0) co_return std::unexpected(web::FetchError(web::FetchFault::connect));
    co_return web::FetchResponse{.status = status, .headers = {}, .body = {}};
  }
  std::vector<web::FetchRequest> requests;
  unsigned status = 201;
};

// A server with its relay and its reports.
struct Host {
  Host(SimExecutor& executor, transport::PipeNetwork& pipes, resolver::Resolver& dns, const std::string& domain, const std::string& address,
       std::shared_ptr<const dkim::SignerOptions> key)
      : loop(executor), resolver(dns), network(pipes, *IpAddress::parse(address)), signing_key(std::move(key)) {
    auto names = Server::tables();
    const auto blob_table = kv::Table{static_cast<std::uint8_t>(names.size())};
    names.emplace_back("blobs");
    store = memory::make_kv_store({.tables = names});
    blobs = memory::make_blob_store({.table = blob_table});
    options.hostname = "mx." + domain;
    options.organization = "The people of " + domain;
    options.contact = "postmaster@" + domain;
    options.flush_interval = 20s;  // days pass here
    ServerOptions server_options{.hostname = options.hostname, .primary_domain = domain};
    ServerPorts ports{*store, *blobs, random, log};
    ports.policies = [this] { return chain; };
    server = *loop.run(Server::open(std::move(server_options), std::move(ports), Context{&loop}));
    REQUIRE(loop.run(server->accounts().add_account({.login = "postmaster"}, Context{&loop})).has_value());
    listener = pipes.listen({*IpAddress::parse(address), 25}, server->handler({.protocol = Protocol::smtp}), Context{&loop, all_stop.get_token()}).value();
  }
  ~Host() {
    stop();
    all_stop.request_stop();
    listener.reset();
    loop.advance(1h);
  }
  void start() {
    Services services{server->delivery(), server->directory(), resolver, random, log, [this](std::string_view) { return signing_key; }, &fetcher};
    reporting.emplace(options, std::move(services), server->reports());
    authentication::CheckOptions checks;
    checks.observer = &*reporting;
    std::vector<std::shared_ptr<policy::Policy>> policies{std::make_shared<authentication::Checks>(resolver, random, checks), reporting->intake()};
    chain = std::make_shared<const policy::Chain>(std::move(policies));
    relay::Options relay_options;
    RelayPorts ports{resolver, network};
    ports.tls_observer = &*reporting;
    relay = server->make_relay(std::move(relay_options), std::move(ports));
    relaying.emplace(relay->run(Context{&loop, run_stop.get_token()}));
    running.emplace(reporting->run(Context{&loop, run_stop.get_token()}));
  }
  void stop() {
    run_stop.request_stop();
    if (running) loop.run(*std::exchange(running, std::nullopt));
    if (relaying) loop.run(*std::exchange(relaying, std::nullopt));
    chain = nullptr;
    relay.reset();
    loop.advance(1min);  // sessions with the old policies end
    reporting.reset();
    run_stop = {};
  }
  void restart() {
    stop();
    start();
  }
  std::vector<Received> received() { return loop.run(server->reports().list({}, Context{&loop})).value(); }
  Report report(const std::string& id) { return loop.run(server->reports().read(id, Context{&loop})).value().report; }
  std::vector<std::string> mailbox() {
    std::vector<std::string> all;
    const auto account = loop.run(server->directory().find_account(options.contact, Context{&loop})).value().id;
    const auto rows = loop.run(server->mail().messages(account, mailstore::MailboxId{1}, {}, 0, Context{&loop})).value();
    for (const auto& row : rows) {
      auto reader = loop.run(server->mail().open(account, row.email, Context{&loop})).value();
      all.emplace_back(loop.run(reader->read(0, SIZE_MAX, Context{&loop})).value());
    }
    return all;
  }
  std::size_t queued() { return loop.run(server->queue().list({}, 1'000, Context{&loop}))->size(); }

  SimExecutor& loop;
  resolver::Resolver& resolver;
  NetworkOf network;
  std::shared_ptr<const dkim::SignerOptions> signing_key;
  SeededRandom random{1};
  NullLog log;
  FakeFetcher fetcher;
  std::unique_ptr<kv::Store> store;
  std::unique_ptr<blob::Store> blobs;
  Options options;
  std::shared_ptr<const policy::Chain> chain;
  std::unique_ptr<Server> server;
  std::stop_source all_stop, run_stop;
  std::unique_ptr<transport::Listener> listener;
  std::optional<Reporting> reporting;
  std::unique_ptr<relay::Relay> relay;
  std::optional<Task<void>> relaying, running;
};

struct World {
  explicit World(std::string records = {}) {
    auto key = crypto::PrivateKey::generate(crypto::KeyType::ed25519).value();
    const std::string record = dkim::key_record_text(key.public_key());
    auto signing = std::make_shared<dkim::SignerOptions>();
    signing->keys.push_back({.domain = "receiver.test", .selector = "r", .key = std::move(key)});
    if (records.empty()) records = "_dmarc.sender 60 TXT \"v=DMARC1; p=reject; rua=mailto:postmaster@sender.test\"\n";
    zone.emplace(dns::Zone(dns::parse_zone("$TTL 60\nsender MX 10 mx.sender\nmx.sender A 192.0.2.2\nsender TXT \"v=spf1 ip4:198.51.100.1 -all\"\n"
                                           "receiver MX 10 mx.receiver\nmx.receiver A 192.0.2.1\nr._domainkey.receiver TXT \"" + record + "\"\n" + records,
                                           *dns::Name::parse("test")).value()));
    faulty.emplace(*zone);
    sender.emplace(loop, pipes, *faulty, "sender.test", "192.0.2.2", nullptr);
    receiver.emplace(loop, pipes, *faulty, "receiver.test", "192.0.2.1", signing);
  }
  // The reply to a message that says it is from the sender's domain, or another.
  std::string deliver(const std::string& from_address, const std::string& author = "someone@sender.test", const std::string& to = "postmaster@receiver.test") {
    auto stream = pipes.connect_from({*IpAddress::parse(from_address), 4'000}, {*IpAddress::parse("192.0.2.1"), 25}).value();
    std::string reply = hear(*stream);
    for (const std::string& line : {std::string("EHLO client.test\r\n"), "MAIL FROM:<" + author + ">\r\n", "RCPT TO:<" + to + ">\r\n", std::string("DATA\r\n"),
                                    "From: " + author + "\r\nSubject: hello\r\n\r\nHello.\r\n.\r\n"}) {
      (void)loop.run(transport::write_all(*stream, line, Context{&loop}));
      reply = hear(*stream);
    }
    return reply;
  }
  // Mail of a stranger to the receiver's report address, which is a file; signed, if they have a key.
  void attach(const std::string& type, const std::string& file, const dkim::SignerOptions* signing = nullptr) {
    std::string message = "From: a@stranger.test\r\nMIME-Version: 1.0\r\nContent-Type: " + type + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
                          codec::encode_base64(file, {76, codec::Base64Layout::LineEnd::crlf, 1}) + "\r\n";
    if (signing != nullptr) {
      dkim::Signer signer(*signing);
      signer.receive(message);
      message = signer.receive_end(loop.wall_now()).value() + message;
    }
    auto stream = pipes.connect_from({*IpAddress::parse("203.0.113.9"), 4'000}, {*IpAddress::parse("192.0.2.1"), 25}).value();
    (void)hear(*stream);
    for (const std::string& line :
         {std::string("EHLO client.test\r\n"), std::string("MAIL FROM:<a@stranger.test>\r\n"), std::string("RCPT TO:<postmaster@receiver.test>\r\n"), std::string("DATA\r\n"),
          message + ".\r\n"}) {
      (void)loop.run(transport::write_all(*stream, line, Context{&loop}));
      (void)hear(*stream);
    }
  }
  std::string hear(transport::ByteStream& stream) {
    const auto heard = loop.run(stream.read(Context{&loop}));
    if (!heard) return {};
    std::string out(*heard);
    stream.consume(heard->size());
    return out;
  }
  // To noon of the day so many days from the first.
  void go_to_day(int days) { loop.advance(std::chrono::sys_days(std::chrono::year{2026} / 1 / 1) + days * 24h + 12h - loop.wall_now()); }

  SimExecutor loop;
  transport::PipeNetwork pipes;
  std::optional<zone::ZoneResolver> zone;
  std::optional<resolver::Faulty> faulty;
  std::optional<Host> sender, receiver;
};

}  // namespace

TEST_CASE("reporting: what one server saw in a day comes to the other the day after, once, and is read there") {
  World w;
  w.sender->start();
  w.receiver->start();
  CHECK(w.deliver("198.51.100.1").starts_with("250"));
  CHECK(w.deliver("198.51.100.1").starts_with("250"));
  CHECK(w.deliver("203.0.113.66").starts_with("550"));
  w.loop.advance(1min);
  CHECK(w.sender->received().empty());
  w.go_to_day(1);
  const auto received = w.sender->received();
  REQUIRE(received.size() == 1);
  CHECK(received[0].kind == Kind::dmarc);
  CHECK(received[0].verified);
  CHECK(received[0].organization == "The people of receiver.test");
  CHECK(received[0].passed == 2);
  CHECK(received[0].failed == 1);
  const auto report = std::get<reports::AggregateReport>(w.sender->report(received[0].id));
  CHECK(report.begin == std::chrono::sys_days(std::chrono::year{2026} / 1 / 1));
  CHECK(report.end == report.begin + 24h - 1s);
  CHECK(report.published.domain == "sender.test");
  CHECK(report.published.policy == "reject");
  CHECK(report.published.discovery_method == "treewalk");
  REQUIRE(report.records.size() == 2);
  for (const auto& record : report.records) {
    CHECK(record.header_from == "sender.test");
    CHECK(record.envelope_from == "sender.test");
    CHECK(record.spf.at(0).scope == "mfrom");
    const bool good = record.source == *IpAddress::parse("198.51.100.1");
    CHECK(record.count == (good ? 2 : 1));
    CHECK(record.spf_aligned == good);
    CHECK(record.disposition == (good ? "pass" : "reject"));
    CHECK(record.spf.at(0).result == (good ? "pass" : "fail"));
  }
  // The mail itself is delivered too.
  const auto mail = w.sender->mailbox();
  REQUIRE(mail.size() == 1);
  CHECK(has(mail[0], "DKIM-Signature: v=1; a=ed25519-sha256"));
  CHECK(has(mail[0], "Report Domain: sender.test Submitter: receiver.test"));
  w.go_to_day(5);
  CHECK(w.sender->received().size() == 1);
  CHECK(w.sender->mailbox().size() == 1);
  CHECK(w.receiver->queued() == 0);
}

TEST_CASE("reporting: there are no reports about reports, on and on") {
  // Both ask for reports.
  World w("_dmarc.sender 60 TXT \"v=DMARC1; p=reject; rua=mailto:postmaster@sender.test\"\n"
          "_dmarc.receiver 60 TXT \"v=DMARC1; p=reject; rua=mailto:postmaster@receiver.test\"\n");
  w.sender->start();
  w.receiver->start();
  CHECK(w.deliver("198.51.100.1", "someone@sender.test", "postmaster@receiver.test").starts_with("250"));
  w.go_to_day(test::sanitized ? 3 : 10);
  CHECK(w.sender->mailbox().size() == 1);
  CHECK(w.receiver->mailbox().size() == 1);  // that message, and no report on the report
  CHECK(w.receiver->received().empty());
}

TEST_CASE("reporting: a restart neither loses nor repeats a day's report") {
  World w("_dmarc.sender 60 TXT \"v=DMARC1; p=reject; rua=mailto:postmaster@sender.test,mailto:other@sender.test\"\n");
  REQUIRE(w.loop.run(w.sender->server->accounts().add_account({.login = "other"}, Context{&w.loop})).has_value());
  w.sender->start();
  w.receiver->start();
  CHECK(w.deliver("198.51.100.1", "someone@sender.test", "postmaster@receiver.test").starts_with("250"));
  w.receiver->restart();  // before anything was sent: what was counted is in the store
  w.go_to_day(1);
  CHECK(w.sender->received().size() == 1);  // to two addresses, and it is the same report
  CHECK(w.sender->mailbox().size() == 1);
  w.receiver->restart();
  w.go_to_day(3);
  CHECK(w.sender->mailbox().size() == 1);
  CHECK(w.loop.run(w.receiver->server->reports().waiting(Context{&w.loop}))->empty());
}

TEST_CASE("reporting: whoever is not of the domain has to have asked for its reports") {
  World w("_dmarc.sender 60 TXT \"v=DMARC1; p=reject; rua=mailto:postmaster@other.example,mailto:postmaster@sender.test\"\n");
  w.sender->start();
  w.receiver->start();
  (void)w.deliver("198.51.100.1");
  w.go_to_day(1);
  CHECK(w.sender->mailbox().size() == 1);
  CHECK(w.receiver->queued() == 0);  // nothing for other.example
}

TEST_CASE("reporting: an address elsewhere gets reports once its domain says so, and may name another of its own") {
  World w("_dmarc.sender 60 TXT \"v=DMARC1; p=reject; rua=mailto:a@reports.other.test\"\n"
          "sender.test._report._dmarc.reports.other 60 TXT \"v=DMARC1; rua=mailto:b@reports.other.test,mailto:c@elsewhere.test\"\n"
          "reports.other MX 10 mx.other\nmx.other A 192.0.2.77\n");
  w.receiver->start();
  (void)w.deliver("198.51.100.1");
  w.loop.advance(24h + 5h);
  REQUIRE(w.receiver->queued() == 1);
  const auto entries = w.loop.run(w.receiver->server->queue().list({}, 10, Context{&w.loop})).value();
  REQUIRE(entries[0].recipients.size() == 1);
  CHECK(entries[0].recipients[0].address == "b@reports.other.test");
  CHECK(entries[0].envelope.sender.empty());
}

TEST_CASE("reporting: while the DNS cannot say who may have it, a report waits; after a day it is given up") {
  World w("_dmarc.sender 60 TXT \"v=DMARC1; p=reject; rua=mailto:a@other.example\"\n");
  w.faulty->answer(*dns::Name::parse("sender.test._report._dmarc.other.example"), dns::AnswerStatus::server_failure);
  w.receiver->start();
  (void)w.deliver("198.51.100.1");
  w.loop.advance(24h + 6h);
  CHECK(w.loop.run(w.receiver->server->reports().waiting(Context{&w.loop}))->size() == 1);
  w.go_to_day(4);
  CHECK(w.loop.run(w.receiver->server->reports().waiting(Context{&w.loop}))->empty());
  CHECK(w.receiver->queued() == 0);
}

TEST_CASE("reporting: a report larger than an address takes is told of, not sent") {
  World w("_dmarc.sender 60 TXT \"v=DMARC1; p=reject; rua=mailto:postmaster@sender.test!1k\"\n");
  w.sender->start();
  w.receiver->start();
  (void)w.deliver("198.51.100.1");
  w.go_to_day(1);
  const auto mail = w.sender->mailbox();
  REQUIRE(mail.size() == 1);
  CHECK(has(mail[0], "\r\nReport-Size: "));
  CHECK(w.sender->received().empty());
}

TEST_CASE("reporting: send now sends what there is of today, and the rest of the day makes a report of its own") {
  World w;
  w.sender->start();
  w.receiver->start();
  (void)w.deliver("198.51.100.1");
  const auto sent = w.loop.run(w.receiver->reporting->send_now(Context{&w.loop}));
  REQUIRE(sent.has_value());
  REQUIRE(sent->size() == 1);
  CHECK(sent->at(0).sent == 1);
  w.loop.advance(1min);
  REQUIRE(w.sender->received().size() == 1);
  (void)w.deliver("198.51.100.1");
  w.go_to_day(1);
  const auto all = w.sender->received();
  REQUIRE(all.size() == 2);
  CHECK(all[1].begin == all[0].end);
  CHECK(all[0].passed + all[1].passed == 2);
}

TEST_CASE("reporting: forwarders and policies that are not applied are given as the reason") {
  World w("_dmarc.sender 60 TXT \"v=DMARC1; p=reject; t=y; rua=mailto:postmaster@sender.test\"\n");
  w.sender->start();
  w.receiver->start();
  CHECK(w.deliver("203.0.113.66").starts_with("250"));  // into Junk: one step milder
  w.go_to_day(1);
  const auto received = w.sender->received();
  REQUIRE(received.size() == 1);
  const auto report = std::get<reports::AggregateReport>(w.sender->report(received[0].id));
  CHECK(report.published.testing == "y");
  REQUIRE(report.records.size() == 1);
  CHECK(report.records[0].disposition == "quarantine");
  REQUIRE(report.records[0].reasons.size() == 1);
  CHECK(report.records[0].reasons[0].type == "policy_test_mode");
}

TEST_CASE("reporting: TLS reports go by mail, signed, to those who ask") {
  World w("_smtp._tls.sender 60 TXT \"v=TLSRPTv1; rua=mailto:postmaster@sender.test\"\n");
  w.sender->start();
  w.receiver->start();
  relay::TlsSession session{.when = w.loop.wall_now(), .policy_domain = "sender.test", .policy_type = relay::TlsPolicyType::sts,
                            .policy_strings = {"version: STSv1", "mode: testing"}, .mx_patterns = {"mx.sender.test"}, .mx_host = "mx.sender.test"};
  for (int i = 0; i < 3; ++i) w.receiver->reporting->observed(session);
  session.result = relay::TlsResult::certificate_expired;
  session.receiving_ip = IpAddress::parse("192.0.2.2");
  session.detail = "expired yesterday";
  w.receiver->reporting->observed(session);
  session.policy_domain = "nobody.test";  // asks for none
  w.receiver->reporting->observed(session);
  w.go_to_day(1);
  const auto received = w.sender->received();
  REQUIRE(received.size() == 1);
  CHECK(received[0].kind == Kind::tls);
  CHECK(received[0].passed == 3);
  CHECK(received[0].failed == 1);
  const auto report = std::get<reports::TlsReport>(w.sender->report(received[0].id));
  REQUIRE(report.policies.size() == 1);
  CHECK(report.policies[0].type == "sts");
  CHECK(report.policies[0].hosts == std::vector<std::string>{"mx.sender.test"});
  REQUIRE(report.policies[0].failures.size() == 1);
  CHECK(report.policies[0].failures[0].result_type == "certificate-expired");
  CHECK(report.policies[0].failures[0].receiving_ip == "192.0.2.2");
  CHECK(report.policies[0].failures[0].reason == "expired yesterday");
  const auto mail = w.sender->mailbox();
  REQUIRE(mail.size() == 1);
  const auto signature = mime::find_field(mail[0], "DKIM-Signature");
  REQUIRE(signature.has_value());
  CHECK(has(mime::unfold(signature->value), "TLS-Report-Domain"));
  CHECK(w.loop.run(w.receiver->server->reports().waiting(Context{&w.loop}))->empty());
}

TEST_CASE("reporting: without a key TLS reports do not go by mail") {
  World w("_smtp._tls.sender 60 TXT \"v=TLSRPTv1; rua=mailto:postmaster@sender.test\"\n");
  w.receiver->signing_key = nullptr;
  w.receiver->start();
  w.receiver->reporting->observed(relay::TlsSession{.when = w.loop.wall_now(), .policy_domain = "sender.test"});
  w.go_to_day(1);
  CHECK(w.sender->mailbox().empty());
  CHECK(w.receiver->queued() == 0);
}

TEST_CASE("reporting: TLS reports go by HTTPS, and again until they are taken") {
  World w("_smtp._tls.sender 60 TXT \"v=TLSRPTv1; rua=https://sender.test/tlsrpt\"\n");
  w.receiver->fetcher.status = 503;
  w.receiver->start();
  w.receiver->reporting->observed(relay::TlsSession{.when = w.loop.wall_now(), .policy_domain = "sender.test"});
  w.loop.advance(24h + 5h);
  const std::size_t tried = w.receiver->fetcher.requests.size();
  REQUIRE(tried >= 1);
  w.receiver->fetcher.status = 200;
  w.receiver->restart();
  w.go_to_day(3);
  REQUIRE(w.receiver->fetcher.requests.size() == tried + 1);
  const auto& request = w.receiver->fetcher.requests.back();
  CHECK(request.method == "POST");
  CHECK(request.url == "https://sender.test/tlsrpt");
  CHECK(request.reach == web::Reach::public_only);
  CHECK(*http::find(request.headers, "content-type") == "application/tlsrpt+gzip");
  CHECK(reports::read_file(request.body).tls.size() == 1);
}

TEST_CASE("reporting: TLS reports go into private networks where an administrator says so") {
  World w("_smtp._tls.sender 60 TXT \"v=TLSRPTv1; rua=https://sender.test/tlsrpt\"\n");
  w.receiver->options.posts_to_private = true;
  w.receiver->start();
  w.receiver->reporting->observed(relay::TlsSession{.when = w.loop.wall_now(), .policy_domain = "sender.test"});
  w.go_to_day(1);
  REQUIRE(w.receiver->fetcher.requests.size() == 1);
  CHECK(w.receiver->fetcher.requests[0].reach == web::Reach::any);
  CHECK(w.receiver->fetcher.requests[0].scheme == web::Scheme::https_only);
}

TEST_CASE("reporting: failure reports go at once, and only when we are asked and allow it") {
  World w("_dmarc.sender 60 TXT \"v=DMARC1; p=reject; ruf=mailto:postmaster@sender.test\"\n");
  w.sender->start();
  w.receiver->options.failures = FailureUse::redacted;
  w.receiver->start();
  CHECK(w.deliver("203.0.113.66").starts_with("550"));
  w.loop.advance(2min);
  const auto received = w.sender->received();
  REQUIRE(received.size() == 1);
  CHECK(received[0].kind == Kind::failure);
  const auto report = std::get<reports::FailureReport>(w.sender->report(received[0].id));
  CHECK(report.domain == "sender.test");
  CHECK(report.source == IpAddress::parse("203.0.113.66"));
  CHECK(report.delivery == "reject");
  CHECK(report.spf_dns == "txt : sender.test : \"v=spf1 ip4:198.51.100.1 -all\"");
  CHECK(has(report.header, "Subject: redacted"));
}

TEST_CASE("E3: while the DNS cannot say whether mail is genuine, nobody gets a failure report of it") {
  World w("_dmarc.sender 60 TXT \"v=DMARC1; p=none; fo=1:d:s; ruf=mailto:postmaster@sender.test\"\n");
  const auto told = [&w] {
    w.sender->start();
    w.receiver->options.failures = FailureUse::redacted;
    w.receiver->start();
    const std::string reply = w.deliver("203.0.113.66");
    w.loop.advance(2min);
    return std::pair(reply.substr(0, 1), w.sender->received().size());
  };
  SUBCASE("it cannot") {
    w.faulty->answer(*dns::Name::parse("sender.test"), dns::AnswerStatus::server_failure, dns::RecordType::txt);
    CHECK(told() == std::pair(std::string("2"), std::size_t{0}));  // p=none asks for nothing, whatever it is
  }
  SUBCASE("it can") { CHECK(told() == std::pair(std::string("2"), std::size_t{1})); }
}

TEST_CASE("reporting: garbage at the report address is delivered like other mail, and harmless") {
  World w;
  w.receiver->start();
  w.attach("application/gzip", codec::gzip(std::string(30'000'000, '<')));
  w.loop.advance(1min);
  CHECK(w.receiver->mailbox().size() == 1);
  CHECK(w.receiver->received().empty());
}

TEST_CASE("reporting: a TLS report that its domain has not signed is ignored, a DMARC report is marked") {
  World w;
  w.receiver->start();
  w.attach("application/tlsrpt+json", reports::write_tls_report(sample_tls()));
  w.attach("application/xml", reports::write_aggregate(sample_aggregate(), reports::AggregateSchema::rfc7489));
  w.loop.advance(1min);
  const auto received = w.receiver->received();
  REQUIRE(received.size() == 1);
  CHECK(received[0].kind == Kind::dmarc);
  CHECK(!received[0].verified);
}

TEST_CASE("reporting: a TLS report that is signed by a key for such alone counts; a DMARC report so signed does not (RFC 8460 §3)") {
  auto key = crypto::PrivateKey::generate(crypto::KeyType::ed25519).value();
  const std::string record = dkim::key_record_text(key.public_key());
  World w("t._domainkey.stranger TXT \"v=DKIM1; k=ed25519; s=tlsrpt; " + record.substr(record.find("p=")) + "\"\nstranger MX 10 mx.stranger\n");
  dkim::SignerOptions signing;
  signing.keys.push_back({.domain = "stranger.test", .selector = "t", .key = std::move(key)});
  w.receiver->start();
  w.attach("application/tlsrpt+json", reports::write_tls_report(sample_tls()), &signing);
  w.attach("application/xml", reports::write_aggregate(sample_aggregate(), reports::AggregateSchema::rfc7489), &signing);
  w.loop.advance(1min);
  const auto received = w.receiver->received();
  REQUIRE(received.size() == 2);
  for (const auto& one : received) CHECK(one.verified == (one.kind == Kind::tls));
}
