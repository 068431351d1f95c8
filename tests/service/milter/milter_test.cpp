// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A filter with a script, asked by a whole reception in virtual time.
#include "scripted_filter.hpp"

#include "keystonemail/backends/zone/resolver.hpp"
#include "keystonemail/codec/base64.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace std::chrono_literals;
namespace actions = milter::actions;
namespace steps = milter::steps;

namespace {

constexpr std::string_view stages = "CHMRTLNBE";

milter::Options reusing() {
  milter::Options options;
  options.reuse = true;
  return options;
}

bool is_taken(const std::string& said) { return said.find("250 2.0.0 Ok: ") != std::string::npos; }

milter::Options failing(milter::FailureAction action) {
  milter::Options options;
  options.failure = action;
  return options;
}

}  // namespace

TEST_CASE("milter address: every form is read, others are none") {
  const auto read = [](std::string_view text) { return milter::Address::parse(text).value_or(milter::Address{}).to_string(); };
  CHECK(read("inet:127.0.0.1:11332") == "inet:127.0.0.1:11332");
  CHECK(read("inet:11332@127.0.0.1") == "inet:127.0.0.1:11332");
  CHECK(read("inet:localhost:8891") == "inet:127.0.0.1:8891");
  CHECK(read("inet6:[::1]:8891") == "inet6:[::1]:8891");
  CHECK(read("inet6:8891@::1") == "inet6:[::1]:8891");
  CHECK(read("unix:/run/rspamd/milter.sock") == "unix:/run/rspamd/milter.sock");
  CHECK(read("local:/run/x") == "unix:/run/x");
  CHECK(read("inet:rspamd:11332") == "inet:rspamd:11332");
  CHECK(read("inet6:filter_1.example.org:11332") == "inet6:filter_1.example.org:11332");
  CHECK(read("inet:11332@rspamd") == "inet:rspamd:11332");
  for (const char* bad : {"", "inet:", "inet:127.0.0.1", "inet:127.0.0.1:0", "inet:1.2.3:11332", "inet:rspamd", "inet:rspamd:0", "inet:rs pamd:1", "inet:-x:1", "inet:a..b:1", "unix:relative", "unix:", "tcp:127.0.0.1:1", "127.0.0.1:1"}) {
    CAPTURE(bad);
    CHECK_FALSE(milter::Address::parse(bad));
  }
}

TEST_CASE("milter: a filter without objections hears everything in its order, and the message goes as it came") {
  Filtered server;
  CHECK(is_taken(server.send()));
  CHECK(server.filter().told == "OCHMRTLLLNBEQ");
  CHECK(server.delivered_text() == "Subject: hello\r\nX-A: 1\r\nX-A: 2\r\n\r\nHello Bob\r\n");
  CHECK(server.filter().headers == std::vector<std::string>{strings({"Subject", "hello"}), strings({"X-A", "1"}), strings({"X-A", "2"})});
  CHECK(server.filter().bodies == std::vector<std::string>{"Hello Bob\r\n"});
  const auto& commands = server.filter().commands;
  CHECK(commands[1] == "C" + strings({"[192.0.2.1]"}) + "4" + std::string("\x0f\xa0", 2) + strings({"192.0.2.1"}));
  CHECK(commands[2] == "H" + strings({"client.test"}));
  CHECK(commands[3] == "M" + strings({"<carol@elsewhere.test>", "SIZE=100"}));
  CHECK(commands[4] == "R" + strings({"<bob@example.test>"}));
  CHECK(server.filter().macros[0].find(strings({"j", "mail.example.test"})) == 1);
}

TEST_CASE("milter: SMTP, submission and LMTP are filtered alike, and each can be left out") {
  for (const auto protocol : {smtp::Protocol::smtp, smtp::Protocol::lmtp}) {
    Filtered server({}, protocol);
    server.filter().answers['E'] = packet('h', strings({"X-Seen", "yes"})) + packet('c');
    (void)server.send();
    CHECK(server.delivered_text() == "Subject: hello\r\nX-A: 1\r\nX-A: 2\r\nX-Seen: yes\r\n\r\nHello Bob\r\n");
  }
  milter::Options options;
  options.services = {"submission"};
  Filtered other(options);
  CHECK(is_taken(other.send()));
  CHECK(other.filter().connections == 0);
}

TEST_CASE("milter: a refusal at each stage is the reply there, and nothing is delivered") {
  const std::pair<std::string, const char*> refusals[] = {{packet('r'), "550 5.7.1 Refused by a filter"},
                                                          {packet('t'), "451 4.7.1 Not now"},
                                                          {packet('y', strings({"571 5.7.9 Spam"})), "571 5.7.9 Spam"},
                                                          {packet('y', strings({"450 4.7.9 Greylisted"})), "450 4.7.9 Greylisted"},
                                                          {packet('4'), "421 "},
                                                          {packet('f'), "421 "}};
  for (const auto& [answer, reply] : refusals) {
    for (const char stage : stages) {
      CAPTURE(reply);
      CAPTURE(stage);
      Filtered server;
      server.filter().answers[stage] = answer;
      const std::string said = server.send();
      const bool greeting = stage == 'C';
      CHECK(said.find(!greeting ? reply : *reply == '5' ? (said.find("554") == 0 ? "554" : "571") : "421") != std::string::npos);
      CHECK_FALSE(is_taken(said));
      CHECK(server.delivery.delivered.empty());
      CHECK(server.log.text.find("milter.failed") == std::string::npos);
    }
  }
}

TEST_CASE("milter: a recipient that it refuses is refused alone") {
  Filtered server;
  server.connect();
  server.hello();
  server.say("MAIL FROM:<carol@elsewhere.test>\r\n");
  server.filter().answers['R'] = packet('r');
  CHECK(server.say("RCPT TO:<bob@example.test>\r\n").starts_with("550"));
  server.filter().answers.clear();
  CHECK(server.say("RCPT TO:<alice@example.test>\r\n").starts_with("250"));
  server.say("DATA\r\n");
  CHECK(server.say("Subject: x\r\n\r\nx\r\n.\r\n").starts_with("250"));
  REQUIRE(server.delivery.delivered.size() == 1);
  CHECK(server.delivery.delivered[0].local.at(0).account == mailstore::AccountId{1});
}

TEST_CASE("milter: accept at each stage is heard as enough, and discard as a 250 for nothing") {
  for (const char stage : stages) {
    CAPTURE(stage);
    Filtered server;
    server.filter().answers[stage] = packet('a');
    CHECK(is_taken(server.send()));
    CHECK(server.delivery.delivered.size() == 1);
    CHECK(server.filter().told.find(stage) != std::string::npos);
    if (stage != 'L') CHECK(server.filter().told.substr(server.filter().told.find(stage) + 1).find_first_of("CHMRTLNBE") == std::string::npos);
  }
  for (const char stage : stages.substr(2)) {
    CAPTURE(stage);
    Filtered server;
    server.filter().answers[stage] = packet('d');
    const std::string said = server.send();
    CHECK(said.substr(said.rfind('\n', said.size() - 3)).find("250") != std::string::npos);
    CHECK(server.delivery.delivered.empty());
  }
}

TEST_CASE("milter: a filter that fails at any stage, in any way, is not taken for one without objections") {
  const std::pair<const char*, std::string> ways[] = {{"hangs up", hang_up},
                                                      {"stalls", stall},
                                                      {"garbage", "GET / HTTP/1.0\r\n\r\n"},
                                                      {"no such answer", packet('z')},
                                                      {"half an answer", packet('c').substr(0, 4)},
                                                      {"an edit too early", packet('h', strings({"X", "y"}))},
                                                      {"a reply that is none", packet('y', strings({"250 fine"}))},
                                                      {"too long", number(200'000) + "c"},
                                                      {"empty", number(0)}};
  for (const auto& [way, answer] : ways) {
    for (const char stage : std::string("O") + std::string(stages)) {
      if (stage == 'E' && std::string_view(way) == "an edit too early") continue;
      CAPTURE(way);
      CAPTURE(stage);
      Filtered server(failing(milter::FailureAction::tempfail));
      if (stage == 'O') server.filter().offer = answer;
      else server.filter().answers[stage] = answer;
      const std::string said = server.send();
      CHECK(said.find("451 4.7.1 A check of this message could not be made") != std::string::npos);
      CHECK_FALSE(is_taken(said));
      CHECK(server.delivery.delivered.empty());
      CHECK(server.network.log.text.find("milter.failed") != std::string::npos);
    }
  }
}

TEST_CASE("milter: the failure action says what becomes of the message") {
  for (const char stage : std::string("O") + std::string(stages)) {
    CAPTURE(stage);
    const auto send = [&](milter::FailureAction action) {
      auto server = std::make_unique<Filtered>(failing(action));
      if (stage == 'O') server->filter().offer = hang_up;
      else server->filter().answers[stage] = hang_up;
      return std::pair(server->send(), std::move(server));
    };
    auto accepted = send(milter::FailureAction::accept);
    CHECK(is_taken(accepted.first));
    CHECK(accepted.second->delivery.delivered.at(0).local.at(0).mailbox == "INBOX");
    auto quarantined = send(milter::FailureAction::quarantine);
    CHECK(is_taken(quarantined.first));
    CHECK(quarantined.second->delivery.delivered.at(0).local.at(0).mailbox == "Junk");
    auto rejected = send(milter::FailureAction::reject);
    CHECK(rejected.first.find("550 5.7.1 A check of this message could not be made") != std::string::npos);
    CHECK(rejected.second->delivery.delivered.empty());
  }
}

TEST_CASE("milter: a filter that is not there defers the sender, not the greeting; and is asked again") {
  Filtered server;
  server.network.close();
  server.connect();
  CHECK(server.heard().starts_with("220"));
  CHECK(server.say("EHLO client.test\r\n").starts_with("250"));
  CHECK(server.say("MAIL FROM:<carol@elsewhere.test>\r\n").starts_with("451 4.7.1"));
  server.network.open();
  CHECK(server.say("MAIL FROM:<carol@elsewhere.test>\r\n").starts_with("250"));
  CHECK(server.filter().told == "OCHM");
}

TEST_CASE("milter: edits at the end are made to what is stored") {
  Filtered server;
  server.filter().answers['E'] = packet('h', strings({"X-Add", "a\n b"})) + packet('i', number(0) + strings({"X-Top", "t"})) +
                                 packet('i', number(2) + strings({"X-Ins", "i"})) + packet('m', number(2) + strings({"x-a", "new"})) +
                                 packet('m', number(1) + strings({"X-A", ""})) + packet('m', number(9) + strings({"X-New", "n"})) +
                                 packet('b', "Other\nwords") + packet('b', " here\r\n") + packet('c');
  CHECK(is_taken(server.send()));
  CHECK(server.delivered_text() == "Subject: hello\r\nX-Ins: i\r\nx-a: new\r\nX-Add: a\r\n b\r\nX-New: n\r\n\r\nOther\r\nwords here\r\n");
  CHECK(server.delivery.delivered[0].local[0].prefix.find("\r\nX-Top: t\r\nReceived: ") != std::string::npos);
}

TEST_CASE("milter: folded fields and the blank behind the colon come and go as they are") {
  Filtered server;
  server.filter().offer = negotiation(actions::all, steps::leading_space);
  server.filter().answers['E'] = packet('h', strings({"X-Two", "  two"})) + packet('h', strings({"X-None", "none"})) + packet('c');
  CHECK(is_taken(server.send("Subject:  a\r\n\tb\r\nX:y\r\n\r\nz\r\n")));
  CHECK(server.filter().headers == std::vector<std::string>{strings({"Subject", "  a\n\tb"}), strings({"X", "y"})});
  CHECK(server.delivered_text() == "Subject:  a\r\n\tb\r\nX:y\r\nX-Two:  two\r\nX-None:none\r\n\r\nz\r\n");
}

TEST_CASE("A2: what a filter writes cannot end a field, a header or a reply") {
  Filtered server;
  server.filter().answers['E'] = packet('h', strings({"X-A", "1\r\nBcc: all@x.test\r\n\r\nbody"})) + packet('b', std::string("a\rb\n.\r\nc\r")) + packet('c');
  CHECK(is_taken(server.send("Subject: x\r\n\r\nz\r\n")));
  CHECK(server.delivered_text() == "Subject: x\r\nX-A: 1\r\n\tBcc: all@x.test\r\n\tbody\r\n\r\na\r\nb\r\n.\r\nc\r\n");
  Filtered other;
  other.filter().answers['E'] = packet('y', strings({"550 5.7.1 one\r\n250 two"}));
  const std::string said = other.send();
  CHECK(said.find("250 two") == std::string::npos);
  CHECK_FALSE(is_taken(said));
}

TEST_CASE("milter: sender and recipients are changed, an alias by the name it was given") {
  Filtered server;
  server.filter().answers['E'] = packet('e', strings({"<bounces@example.test>"})) + packet('-', strings({"<bob@example.test>"})) +
                                 packet('+', strings({"<alice@example.test>"})) + packet('2', strings({"<x@elsewhere.test>", "NOTIFY=NEVER"})) + packet('c');
  CHECK(is_taken(server.send()));
  REQUIRE(server.delivery.delivered.size() == 1);
  const auto& delivered = server.delivery.delivered[0];
  REQUIRE(delivered.local.size() == 1);
  CHECK(delivered.local[0].account == mailstore::AccountId{1});
  CHECK(delivered.local[0].prefix.starts_with("Return-Path: <bounces@example.test>\r\n"));
  CHECK(delivered.remote.value().recipients.at(0).address == "x@elsewhere.test");
}

TEST_CASE("milter: quarantine goes to Junk with the edits made") {
  Filtered server;
  server.filter().answers['E'] = packet('q', strings({"odd"})) + packet('h', strings({"X-Odd", "yes"})) + packet('c');
  CHECK(is_taken(server.send()));
  CHECK(server.delivery.delivered.at(0).local.at(0).mailbox == "Junk");
  CHECK(server.delivered_text().find("X-Odd: yes") != std::string::npos);
}

TEST_CASE("milter: edits of a message that is refused after them are not missed") {
  Filtered server;
  server.filter().answers['E'] = packet('h', strings({"X", "y"})) + packet('r');
  CHECK(server.send().find("550 5.7.1") != std::string::npos);
  CHECK(server.delivery.delivered.empty());
}

TEST_CASE("milter: a second filter sees what the first has changed") {
  SimExecutor unused;
  Filtered server;
  FilterNetwork second(server.executor);
  server.chain = std::make_shared<policy::Chain>(std::vector<std::shared_ptr<policy::Policy>>{server.network.policy(), second.policy()});
  server.filter().answers['E'] = packet('m', number(1) + strings({"Subject", "changed"})) + packet('b', "New\r\n") + packet('c');
  CHECK(is_taken(server.send("Subject: hello\r\n\r\nOld\r\n")));
  CHECK(second.filter.headers == std::vector<std::string>{strings({"Subject", "changed"})});
  CHECK(second.filter.bodies == std::vector<std::string>{"New\r\n"});
  server.finish();
}

TEST_CASE("milter: a long body goes in pieces of 65,535 octets, until the filter has enough") {
  std::string message = "Subject: long\r\n\r\n";
  for (int i = 0; i < 3'000; ++i) message += std::string(78, 'x') + "\r\n";
  Filtered server;
  CHECK(is_taken(server.send(message)));
  REQUIRE(server.filter().bodies.size() == 4);
  CHECK(server.filter().bodies[0].size() == 65'535);
  Filtered other;
  other.filter().offer = negotiation(actions::all, steps::skip);
  other.filter().answers['B'] = packet('s');
  CHECK(is_taken(other.send(message)));
  CHECK(other.filter().bodies.size() == 1);
}

TEST_CASE("milter: a long new body is laid aside, and is stored whole") {
  Filtered server;
  std::string answer, expected;
  for (int i = 0; i < 20; ++i) {
    answer += packet('b', std::string(50'000, static_cast<char>('a' + i)));
    expected += std::string(50'000, static_cast<char>('a' + i));
  }
  server.filter().answers['E'] = answer + packet('c');
  CHECK(is_taken(server.send("Subject: x\r\n\r\nz\r\n")));
  CHECK(server.network.spools == 1);
  CHECK(server.delivered_text() == "Subject: x\r\n\r\n" + expected);
}

TEST_CASE("milter: what a filter does not want or answer is not waited for") {
  Filtered server;
  server.filter().offer = negotiation(actions::all, steps::no_connect | steps::no_helo | steps::no_data | steps::quiet_header | steps::quiet_end_of_header | steps::no_body);
  server.filter().answers['L'] = server.filter().answers['N'] = "";
  CHECK(is_taken(server.send()));
  CHECK(server.filter().told == "OMRLLLNEQ");
}

TEST_CASE("milter: a message given up is aborted before the next, and another HELO is told") {
  Filtered server;
  server.connect();
  server.hello();
  server.say("MAIL FROM:<carol@elsewhere.test>\r\n");
  server.say("RSET\r\n");
  server.say("EHLO other.test\r\n");
  server.say("MAIL FROM:<carol@elsewhere.test>\r\n");
  server.say("RCPT TO:<bob@example.test>\r\n");
  server.say("DATA\r\n");
  server.say("Subject: x\r\n\r\nx\r\n.\r\n");
  server.say("MAIL FROM:<dave@elsewhere.test>\r\n");
  server.say("QUIT\r\n");
  CHECK(server.filter().told == "OCHMAHMRTLNBEMAQ");
}

TEST_CASE("milter: a HELO that was refused is asked about again") {
  Filtered server;
  server.connect();
  server.filter().answers['H'] = packet('r');
  (void)server.heard();
  CHECK(server.say("EHLO client.test\r\n").starts_with("550"));
  CHECK(server.say("EHLO client.test\r\n").starts_with("550"));
}

TEST_CASE("milter: a connection serves one SMTP session after the other, and a new one takes its place when it has gone") {
  Filtered server(reusing());
  for (int i = 0; i < 3; ++i) CHECK(is_taken(server.send()));
  CHECK(server.filter().connections == 1);
  CHECK(server.filter().sessions == 3);
  CHECK(server.network.connections.waiting() == 1);
  server.executor.advance(11s);
  CHECK(server.network.connections.waiting() == 0);
  CHECK(is_taken(server.send()));
  CHECK(server.filter().connections == 2);
  // One that the filter closes while it waits is replaced without a word.
  server.filter().answers['C'] = hang_up;
  server.connect();
  server.filter().answers.clear();
  CHECK(server.heard().starts_with("220"));
}

TEST_CASE("milter: a waiting connection that was closed meanwhile is replaced, and the message is taken") {
  Filtered server(reusing());
  CHECK(is_taken(server.send()));
  server.filter().answers['C'] = hang_up;
  server.connect();
  server.executor.run_until_idle();
  CHECK(server.filter().connections == 2);  // it tried again, once
  server.filter().answers.clear();
  CHECK(server.heard().starts_with("220"));
  CHECK(server.say("EHLO client.test\r\n").starts_with("250"));
  CHECK(server.say("MAIL FROM:<carol@elsewhere.test>\r\n").starts_with("250"));
}

TEST_CASE("milter: an older filter, or one that may not be reused, is told QUIT") {
  Filtered old(reusing());
  old.filter().offer = negotiation(0x3f, 0, 2);
  CHECK(is_taken(old.send()));
  CHECK(old.filter().told == "OCHMRLLLNBEQ");
  Filtered other;
  CHECK(is_taken(other.send()));
  CHECK(other.filter().told.ends_with("EQ"));
}

TEST_CASE("milter: who logged in can be passed over") {
  for (const bool skip : {false, true}) {
    milter::Options options;
    options.skip_authenticated = skip;
    Filtered server(options, smtp::Protocol::submission);
    server.connect();
    server.hello();
    const std::string plain = std::string(1, '\0') + "alice@example.test" + std::string(1, '\0') + "secret of alice";
    REQUIRE(server.say("AUTH PLAIN " + codec::encode_base64(plain) + "\r\n").starts_with("235"));
    server.say("MAIL FROM:<alice@example.test>\r\n");
    server.say("RCPT TO:<someone@elsewhere.test>\r\n");
    server.say("DATA\r\n");
    CHECK(server.say("Subject: x\r\n\r\nx\r\n.\r\n").starts_with("250"));
    CHECK((server.filter().told.find('M') == std::string::npos) == skip);
    if (!skip) {
      std::string all;
      for (const auto& macros : server.filter().macros) all += macros;
      CHECK(all.find(strings({"{auth_type}", "PLAIN"})) != std::string::npos);
      CHECK(all.find(strings({"{auth_authen}", "alice@example.test"})) != std::string::npos);
    }
  }
}

TEST_CASE("milter: progress keeps a slow filter alive, but not for ever") {
  milter::Options options;
  options.end_timeout = 10s;
  options.time_max = 60s;
  Filtered server(options);
  server.filter().answers['E'] = packet('p');  // and no more
  const Instant before = server.executor.now();
  CHECK_FALSE(is_taken(server.send()));
  CHECK(server.executor.now() - before >= 10s);
  CHECK(server.executor.now() - before <= 61s);
}

TEST_CASE("milter: a filter hears the name of who connects when it leads back, else the address in brackets; by macros too") {
  struct Case { const char* zone; const char* name; const char* pointer; const char* resolve; };
  for (const auto& [zone_text, name, pointer, resolve] :
       {Case{"1.2.0.192.in-addr.arpa. PTR client.elsewhere.test.\nclient.elsewhere.test. A 192.0.2.1\n", "client.elsewhere.test", "client.elsewhere.test", "OK"},
        Case{"1.2.0.192.in-addr.arpa. PTR bank.test.\nbank.test. A 198.51.100.1\n", "[192.0.2.1]", "bank.test", "FORGED"},
        Case{"", "[192.0.2.1]", "unknown", "FAIL"}}) {
    CAPTURE(resolve);
    zone::ZoneResolver dns(dns::Zone(dns::parse_zone(std::string("$TTL 300\n") + zone_text).value()));
    Filtered server({}, smtp::Protocol::smtp, {}, &dns);
    server.filter().offer = negotiation(milter::actions::all, 0) ;
    server.filter().offer = packet('O', number(6) + number(milter::actions::all) + number(0) + number(0) + strings({"{client_name} {client_ptr} {client_resolve}"}));
    CHECK(is_taken(server.send()));
    CHECK(server.filter().commands.at(1) == "C" + strings({name}) + "4" + std::string("\x0f\xa0", 2) + strings({"192.0.2.1"}));
    CHECK(server.filter().macros.at(0) == "C" + strings({"{client_name}", name, "{client_ptr}", pointer, "{client_resolve}", resolve}));
  }
}

TEST_CASE("milter: the name is asked for once a connection, however many filters there are, and a DNS that is silent is not waited for long") {
  class Silent final : public resolver::Resolver {
   public:
    std::size_t asked = 0;
    Task<Result<dns::Answer>> resolve(dns::Question, Context context) override {
      ++asked;
      co_await sleep_until(context.deadline, Context(context.executor));
      co_return fail(ErrorKind::timeout);
    }
  } dns;
  Filtered server({}, smtp::Protocol::smtp, {}, &dns);
  milter::Options second;
  second.name = "milter-2";
  server.chain = std::make_shared<policy::Chain>(std::vector<std::shared_ptr<policy::Policy>>{server.network.policy(), server.network.policy(second)});
  const Instant before = server.executor.now();
  server.connect();
  CHECK(server.transact("").starts_with("220"));
  CHECK(server.executor.now() - before <= 6s);
  CHECK(dns.asked == 1);
  CHECK(server.filter().told == "OCOC");
  CHECK(server.filter().commands.at(1).starts_with("C[192.0.2.1]"));
}

TEST_CASE("milter: a filter is found by its name, at the first of its addresses that answers") {
  milter::Options options;
  options.address = *milter::Address::parse("inet:rspamd:8891");
  Filtered server(options);
  CHECK(server.send().find("451 4.7.1") != std::string::npos);  // nobody knows the name
  server.network.hosts["rspamd"] = {*IpAddress::parse("::1"), *IpAddress::parse("127.0.0.9"), *IpAddress::parse("127.0.0.1")};
  CHECK(is_taken(server.send()));
  CHECK(server.filter().sessions == 1);
  milter::Options six;
  six.address = *milter::Address::parse("inet6:rspamd:8891");
  Filtered other(six);
  other.network.hosts["rspamd"] = {*IpAddress::parse("127.0.0.1")};
  CHECK(other.send().find("451 4.7.1") != std::string::npos);
}

TEST_CASE("milter: parameters that come with a new sender or recipient count; others are left out, and the log tells") {
  Filtered server;
  server.filter().answers['E'] = packet('e', strings({"<new@elsewhere.test>", "ENVID=abc+2B1 RET=HDRS MT-PRIORITY=3"})) +
                                 packet('2', strings({"<far@remote.test>", "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;old@remote.test"})) + packet('c');
  CHECK(is_taken(server.send()));
  const queue::NewEntry& entry = server.delivery.delivered.at(0).remote.value();
  CHECK(entry.envelope.sender == "new@elsewhere.test");
  CHECK(entry.envelope.envelope_id == "abc+1");
  CHECK(entry.envelope.dsn_return == queue::DsnReturn::headers);
  CHECK(entry.envelope.priority == 3);
  CHECK(entry.recipients.at(0).address == "far@remote.test");
  CHECK(entry.recipients.at(0).original_recipient == "rfc822;old@remote.test");
  CHECK(entry.recipients.at(0).notify.success);
  CHECK(entry.recipients.at(0).notify.delay);
  CHECK_FALSE(entry.recipients.at(0).notify.failure);

  Filtered other;
  other.filter().answers['E'] = packet('e', strings({"<new@elsewhere.test>", "RET=NONSENSE"})) +
                                packet('2', strings({"<far@remote.test>", "NOTIFY=NEVER,SUCCESS"})) + packet('c');
  CHECK(is_taken(other.send()));
  CHECK(other.delivery.delivered.at(0).remote->envelope.sender == "new@elsewhere.test");
  CHECK(other.delivery.delivered.at(0).remote->envelope.dsn_return == queue::DsnReturn::unspecified);
  CHECK_FALSE(other.delivery.delivered.at(0).remote->recipients.at(0).notify.specified);
  CHECK(other.log.text.find("smtp.bad_parameters") != std::string::npos);
}

TEST_CASE("milter: a line that is no command is told, and a filter may word its refusal") {
  Filtered server;
  server.connect();
  server.hello();
  CHECK(server.transact("XYZZY now\r\n").starts_with("500 5.5.1 Command not recognized"));
  CHECK(server.filter().commands.back() == "U" + strings({"XYZZY now"}));
  server.filter().answers['U'] = packet('y', strings({"502 5.5.1 No magic here"}));
  CHECK(server.transact("XYZZY\r\n") == "502 5.5.1 No magic here\r\n");
  server.filter().answers['U'] = packet('r');
  CHECK(server.transact("XYZZY\r\n").starts_with("550 5.7.1 Refused by a filter"));
  server.filter().answers.erase('U');
  server.transact("MAIL FROM:<carol@elsewhere.test>\r\n");
  server.transact("RCPT TO:<bob@example.test>\r\n");
  CHECK(server.transact("XYZZY\r\n").starts_with("500"));
  server.transact("DATA\r\n");
  CHECK(is_taken(server.transact("Subject: x\r\n\r\nx\r\n.\r\n")));
  CHECK(server.filter().told == "OCHUUUMRUTLNBE");

  Filtered other;
  other.filter().offer = negotiation(milter::actions::all, milter::steps::no_unknown);
  other.connect();
  other.hello();
  CHECK(other.transact("XYZZY\r\n").starts_with("500"));
  CHECK(other.filter().told == "OCH");
}

TEST_CASE("milter: recipients that were refused without it are told to a filter that asks for them, and its answer is not theirs") {
  for (const bool asks : {true, false}) {
    CAPTURE(asks);
    Filtered server;
    server.filter().offer = negotiation(milter::actions::all, asks ? milter::steps::rejected_recipients : 0);
    server.connect();
    server.hello();
    server.transact("MAIL FROM:<carol@elsewhere.test>\r\n");
    CHECK(server.transact("RCPT TO:<nobody@example.test>\r\n").starts_with("550 5.1.1"));
    CHECK(server.filter().told == (asks ? "OCHMR" : "OCHM"));
    if (asks) {
      CHECK(server.filter().commands.back() == "R" + strings({"<nobody@example.test>"}));
      CHECK(server.filter().macros.back().find(strings({"{rcpt_addr}", "No such user here", "{rcpt_host}", "5.1.1", "{rcpt_mailer}", "error"})) != std::string::npos);
    }
    server.filter().answers['R'] = packet('r');
    CHECK(server.transact("RCPT TO:<alice@example.test>\r\n").starts_with("550 5.7.1"));  // its own refusal is not told again
    CHECK(server.filter().told == (asks ? "OCHMRR" : "OCHMR"));
    server.filter().answers['R'] = packet('t');
    CHECK(server.transact("RCPT TO:<nobody@example.test>\r\n").starts_with("550 5.1.1"));
    server.filter().answers.erase('R');
    CHECK(server.transact("RCPT TO:<bob@example.test>\r\n").starts_with("250"));
    server.transact("DATA\r\n");
    CHECK(is_taken(server.transact("Subject: x\r\n\r\nx\r\n.\r\n")));
  }
}

TEST_CASE("milter: of a host's addresses each has its share of the time, so that one that says nothing does not cost the filter") {
  SimExecutor executor;
  struct Network final : transport::Connector {
    explicit Network(SimExecutor& on) : listener(pipes.listen(filter_at, [](auto stream, auto context) -> Task<void> { co_await stream->close(context); }, {&on}).value()) {}
    Task<Result<std::unique_ptr<transport::ByteStream>>> connect(Endpoint to, Context context) override {
      tried.push_back(context.executor->now());
      if (to == filter_at) co_return co_await pipes.connect(to, context);
      co_await sleep_until(context.deadline, context);
      co_return fail(ErrorKind::timeout);
    }
    transport::PipeNetwork pipes;
    std::unique_ptr<transport::Listener> listener;
    std::vector<Instant> tried;
  } network(executor);
  std::vector<IpAddress> hosts{*IpAddress::parse("127.0.0.9"), *IpAddress::parse("127.0.0.8"), *IpAddress::parse("127.0.0.1")};
  milter::Connections connections([&](Executor&) { return &network; },
                                  [&](std::string, Context) -> Task<Result<std::vector<IpAddress>>> { co_return hosts; });
  const Instant begin = executor.now();
  const milter::Address address = *milter::Address::parse("inet:rspamd:8891");
  CHECK(executor.run(connections.open(address, {}, Context(&executor).until(begin + 9s))).has_value());
  CHECK(network.tried == std::vector<Instant>{begin, begin + 3s, begin + 6s});
  SUBCASE("all of them together have no more than what there is") {
    hosts.pop_back();
    const Instant again = executor.now();
    CHECK(!executor.run(connections.open(address, {}, Context(&executor).until(again + 9s))).has_value());
    CHECK(executor.now() - again == 9s);
  }
  SUBCASE("without an end of its own the first is waited for as long as it takes") {
    hosts = {filter_at.address};
    CHECK(executor.run(connections.open(address, {}, Context(&executor))).has_value());
  }
}
