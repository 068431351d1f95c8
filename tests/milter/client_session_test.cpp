// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Each command as it goes over the wire, each answer as it comes.
#include "filter.hpp"

#include <array>

using namespace keystonemail;
using namespace keystonemail::milter;
using namespace keystonemail::milter::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::array macros{Macro{"j", "mail.test"}, Macro{"i", "Q1"}, Macro{"{auth_authen}", "alice"}, Macro{"{client_addr}", "192.0.2.1"}, Macro{"_", "x [192.0.2.1]"}};
constexpr Peer peer{.hostname = "client.test", .family = Family::inet, .port = 25, .address = "192.0.2.1"};

// What is said for `act`, after a negotiation with these steps.
template <class Act>
std::string said_for(Act act, std::uint32_t steps = 0, std::uint32_t version = 6) {
  Session f;
  f.negotiate(actions::all, steps, version);
  act(f.session, f.now);
  return f.said();
}
std::string heard_at_end(std::string_view octets) {
  Session f;
  f.reach_end();
  return f.hear(octets);
}

}  // namespace

TEST_CASE("milter: it offers version 6 with all actions and all steps") {
  Session f;
  f.session.begin(f.now);
  CHECK(f.said() == packet('O', number(6) + number(0x1ff) + number(0x1fffff)));
  CHECK(f.hear(negotiation(0x11, steps::no_helo)) == "proceed ");
  CHECK(f.session.version() == 6);
  CHECK(f.session.actions() == 0x11);
}

TEST_CASE("milter: a filter that wants more than was offered, or another version, is not spoken to") {
  for (const auto& bad : {negotiation(0x200), negotiation(0x1ff, 0x20'0000), negotiation(0x1ff, 0x1000'0000), negotiation(0x1ff, 0, 1), negotiation(0x1ff, 0, 7)}) {
    Session f;
    f.session.begin(f.now);
    CHECK(f.hear(bad) == "failed(negotiation failed) ");
  }
  for (const auto& bad : {packet('O', "short"), packet('O', number(6) + number(0) + number(0) + number(9) + "j"), number(0)}) {
    Session f;
    f.session.begin(f.now);
    CHECK(f.hear(bad) == "failed(malformed packet) ");
  }
  Session f;
  f.session.begin(f.now);
  CHECK(f.hear(packet('c')) == "failed(unexpected answer) ");
}

TEST_CASE("milter: commands have the octets that libmilter reads") {
  const auto connect = [](ClientSession& s, Instant now) { s.connect(peer, macros, now); };
  CHECK(said_for(connect) == packet('D', "C" + strings({"j", "mail.test", "_", "x [192.0.2.1]"})) +
                                 packet('C', strings({"client.test"}) + "4" + std::string("\x00\x19", 2) + strings({"192.0.2.1"})));
  CHECK(said_for([](ClientSession& s, Instant now) { s.connect({.hostname = "[local]", .family = Family::unknown}, {}, now); }) ==
        packet('C', strings({"[local]"}) + "U"));
  CHECK(said_for([](ClientSession& s, Instant now) { s.helo("client.test", macros, now); }) == packet('H', strings({"client.test"})));
  const std::array<std::string_view, 2> mail{"<a@x.test>", "SIZE=9"};
  CHECK(said_for([&](ClientSession& s, Instant now) { s.mail(mail, macros, now); }) ==
        packet('D', "M" + strings({"i", "Q1", "{auth_authen}", "alice"})) + packet('M', strings({"<a@x.test>", "SIZE=9"})));
  const std::array<std::string_view, 1> rcpt{"<b@y.test>"};
  CHECK(said_for([&](ClientSession& s, Instant now) { s.rcpt(rcpt, macros, now); }) == packet('D', "R" + strings({"i", "Q1"})) + packet('R', strings({"<b@y.test>"})));
  CHECK(said_for([](ClientSession& s, Instant now) { s.data(macros, now); }) == packet('D', "T" + strings({"i", "Q1"})) + packet('T'));
  CHECK(said_for([](ClientSession& s, Instant now) { s.header("Subject", " hi\r\n there", now); }) == packet('L', strings({"Subject", "hi\n there"})));
  CHECK(said_for([](ClientSession& s, Instant now) { s.end_of_header({}, now); }) == packet('N'));
  CHECK(said_for([](ClientSession& s, Instant now) { s.body("text\r\n", now); }) == packet('B', "text\r\n"));
  CHECK(said_for([](ClientSession& s, Instant now) { s.end_of_message({}, now); }) == packet('E'));
  CHECK(said_for([](ClientSession& s, Instant now) { s.unknown("XYZ 1", {}, now); }) == packet('U', strings({"XYZ 1"})));
  CHECK(said_for([](ClientSession& s, Instant now) { s.abort(now); }) == packet('A'));
  CHECK(said_for([](ClientSession& s, Instant now) { s.quit(now); }) == packet('Q'));
  CHECK(said_for([](ClientSession& s, Instant now) { s.quit_new_connection(now); }) == packet('K'));
}

TEST_CASE("milter: what a filter does not want to hear is not said, and answered at once") {
  struct Step {
    std::uint32_t unwanted;
    void (*act)(ClientSession&, Instant);
  };
  const Step all[] = {{steps::no_connect, [](ClientSession& s, Instant now) { s.connect(peer, macros, now); }},
                      {steps::no_helo, [](ClientSession& s, Instant now) { s.helo("x", macros, now); }},
                      {steps::no_mail, [](ClientSession& s, Instant now) { s.mail({}, macros, now); }},
                      {steps::no_rcpt, [](ClientSession& s, Instant now) { s.rcpt({}, macros, now); }},
                      {steps::no_data, [](ClientSession& s, Instant now) { s.data(macros, now); }},
                      {steps::no_unknown, [](ClientSession& s, Instant now) { s.unknown("x", macros, now); }},
                      {steps::no_headers, [](ClientSession& s, Instant now) { s.header("X", " y", now); }},
                      {steps::no_end_of_header, [](ClientSession& s, Instant now) { s.end_of_header(macros, now); }},
                      {steps::no_body, [](ClientSession& s, Instant now) { s.body("x", now); }}};
  for (const Step& step : all) {
    CAPTURE(step.unwanted);
    Session f;
    f.negotiate(actions::all, step.unwanted);
    step.act(f.session, f.now);
    CHECK(f.said().empty());
    CHECK(f.events() == "proceed ");
    Session other;
    other.negotiate();
    step.act(other.session, other.now);
    CHECK_FALSE(other.said().empty());
    CHECK(other.events().empty());
  }
}

TEST_CASE("milter: what a filter does not answer is said, and answered at once") {
  Session f;
  f.negotiate(actions::all, steps::quiet_header | steps::quiet_body | steps::quiet_end_of_header);
  f.session.header("X", " 1", f.now);
  CHECK(f.events() == "proceed ");
  f.session.end_of_header({}, f.now);
  CHECK(f.events() == "proceed ");
  f.session.body("x", f.now);
  CHECK(f.events() == "proceed ");
  CHECK(f.said() == packet('L', strings({"X", "1"})) + packet('N') + packet('B', "x"));
}

TEST_CASE("milter: values keep the blank behind the colon where both want that") {
  const auto header = [](ClientSession& s, Instant now) { s.header("To", "  two", now); };
  CHECK(said_for(header) == packet('L', strings({"To", "two"})));
  CHECK(said_for(header, steps::leading_space) == packet('L', strings({"To", "  two"})));
}

TEST_CASE("milter: a filter chooses its macros, stage by stage") {
  Session f;
  f.session.begin(f.now);
  (void)f.said();
  const std::string lists = number(0) + strings({"{client_addr}, j"}) + number(2) + strings({""}) + number(5) + strings({"i {unknown}"});
  CHECK(f.hear(packet('O', number(6) + number(actions::all) + number(0) + lists)) == "proceed ");
  f.session.connect(peer, macros, f.now);
  CHECK(f.said().starts_with(packet('D', "C" + strings({"{client_addr}", "192.0.2.1", "j", "mail.test"}))));
  CHECK(f.hear(packet('c')) == "proceed ");
  f.session.mail({}, macros, f.now);
  CHECK(f.said() == packet('M'));  // none at all
  CHECK(f.hear(packet('c')) == "proceed ");
  f.session.end_of_message(macros, f.now);
  CHECK(f.said() == packet('D', "E" + strings({"i", "Q1"})) + packet('E'));
}

TEST_CASE("milter: older filters are not told what they do not know") {
  const auto data = [](ClientSession& s, Instant now) { s.data({}, now); };
  CHECK(said_for(data, 0, 2).empty());
  CHECK(said_for(data, 0, 4) == packet('T'));
  CHECK(said_for([](ClientSession& s, Instant now) { s.unknown("x", {}, now); }, 0, 2).empty());
  Session f;
  f.negotiate(0x3f, 0, 2);
  CHECK_FALSE(f.session.speaks_quit_new_connection());
}

TEST_CASE("milter: each verdict is heard") {
  const std::pair<char, const char*> verdicts[] = {{'c', "proceed "}, {'a', "accept "}, {'r', "reject "}, {'t', "tempfail "},
                                                   {'d', "discard "}, {'4', "shutdown "}, {'f', "fail "}};
  for (const auto& [what, expected] : verdicts) {
    CHECK(heard_at_end(packet(what)) == expected);
    Session f;
    f.negotiate();
    f.session.helo("x", {}, f.now);
    CHECK(f.hear(packet(what)) == expected);
  }
}

TEST_CASE("milter: a reply of its own is a refusal with a code, a status and lines") {
  const auto reply = [](std::string_view text) { return heard_at_end(packet('y', strings({text}))); };
  CHECK(reply("550 5.7.1 No such thing") == "reply(550|5.7.1|No such thing) ");
  CHECK(reply("451 Later") == "reply(451||Later) ");
  CHECK(reply("554") == "reply(554||) ");
  CHECK(reply("550-5.7.1 one\r\n550 5.7.1 two") == "reply(550|5.7.1|one\ntwo) ");
  CHECK(reply("550 100%% sure") == "reply(550||100% sure) ");
  CHECK(reply("550 4.7.1 of another class") == "reply(550||of another class) ");
}

TEST_CASE("A2: a reply that is no refusal, or would be more than one, is none") {
  const auto reply = [](std::string_view text) { return heard_at_end(packet('y', strings({text}))); };
  for (const char* bad : {"250 Ok", "", "55", "5x0 a", "600 a", "354 go", "550x", "550 a\r\n250 b", "550 a\r\nb"}) {
    CAPTURE(bad);
    CHECK(reply(bad) == "failed(an edit that cannot be made) ");
  }
  CHECK(reply("550 a\tb\x1b[31m") == "reply(550||a b [31m) ");
  std::string many;
  for (int i = 0; i < 33; ++i) many += "550 x\r\n";
  CHECK(reply(many) == "failed(an edit that cannot be made) ");
}

TEST_CASE("milter: skip ends the body where it was offered, and has no place elsewhere") {
  Session f;
  f.negotiate(actions::all, steps::skip);
  f.session.body("x", f.now);
  CHECK(f.hear(packet('s')) == "skip ");
  CHECK_FALSE(f.session.wants_body());
  (void)f.said();
  f.session.body("y", f.now);
  CHECK(f.said().empty());
  CHECK(f.events() == "proceed ");
  f.session.helo("x", {}, f.now);
  CHECK(f.hear(packet('s')) == "failed(unexpected answer) ");
  Session other;
  other.negotiate();
  other.session.body("x", other.now);
  CHECK(other.hear(packet('s')) == "failed(unexpected answer) ");
}

TEST_CASE("milter: edits at the end of a message are heard in their order") {
  const std::string all = packet('h', strings({"X-Add", "1"})) + packet('i', number(2) + strings({"X-Ins", "2"})) +
                          packet('m', number(3) + strings({"X-Chg", "3"})) + packet('m', number(0) + strings({"X-Del", ""})) +
                          packet('+', strings({"<a@x.test>"})) + packet('2', strings({"<b@x.test>", "NOTIFY=NEVER"})) +
                          packet('-', strings({"c@x.test"})) + packet('e', strings({"<>"})) + packet('e', strings({"<d@x.test>", "RET=HDRS"})) +
                          packet('q', strings({"looks bad"})) + packet('p') + packet('b', "one\n") + packet('b', "two\r\n") + packet('c');
  CHECK(heard_at_end(all) ==
        "add(X-Add|1) insert(2|X-Ins|2) change(3|X-Chg|3) remove(1|X-Del|) to(a@x.test|) to(b@x.test|NOTIFY=NEVER) not-to(c@x.test) "
        "from(|) from(d@x.test|RET=HDRS) quarantine(looks bad) one\r\ntwo\r\nproceed ");
}

TEST_CASE("milter: an edit that was not announced, or comes before the end, ends the session") {
  const std::pair<std::uint32_t, std::string> edits[] = {
      {actions::add_headers, packet('h', strings({"X", "1"}))},           {actions::add_headers, packet('i', number(0) + strings({"X", "1"}))},
      {actions::change_headers, packet('m', number(1) + strings({"X", "1"}))}, {actions::add_recipients, packet('+', strings({"a@x"}))},
      {actions::add_recipients_with_parameters, packet('2', strings({"a@x"}))}, {actions::remove_recipients, packet('-', strings({"a@x"}))},
      {actions::change_sender, packet('e', strings({"a@x"}))},             {actions::quarantine, packet('q', strings({"x"}))},
      {actions::change_body, packet('b', "x")}};
  for (const auto& [action, edit] : edits) {
    CAPTURE(action);
    Session without;
    without.negotiate(actions::all & ~action);
    without.session.end_of_message({}, without.now);
    CHECK(without.hear(edit) == "failed(an edit that was not announced) ");
    Session early;
    early.negotiate();
    early.session.body("x", early.now);
    CHECK(early.hear(edit) == "failed(unexpected answer) ");
  }
}

TEST_CASE("A2: nothing in a field that a filter writes can end it") {
  const auto added = [](std::string_view value) { return heard_at_end(packet('h', strings({"X", value}))); };
  CHECK(added("one\n two") == "add(X|one\r\n two) ");
  CHECK(added("one\r\n\ttwo") == "add(X|one\r\n\ttwo) ");
  CHECK(added("one\nBcc: two") == "add(X|one\r\n\tBcc: two) ");
  CHECK(added("one\r\n\r\nbody") == "add(X|one\r\n\tbody) ");
  CHECK(added("one\rtwo\n") == "add(X|one\r\n\ttwo) ");
  CHECK(added("one\n \n \n") == "add(X|one) ");
  CHECK(added("a\x01z\x7f") == "add(X|a z) ");
  for (const char* name : {"", "X Y", "X:Y", "X\nBcc", "\xc3\xa4"}) {
    CHECK(heard_at_end(packet('h', strings({name, "v"}))) == "failed(an edit that cannot be made) ");
  }
  CHECK(heard_at_end(packet('h', strings({"X", "v", "more"}))) == "failed(malformed packet) ");
  for (const char* whom : {"", "<>", "a@x\r\nRCPT TO:<b@y>", "a\x01@x"}) {
    CHECK(heard_at_end(packet('+', strings({whom}))) == "failed(an edit that cannot be made) ");
  }
}

TEST_CASE("A2: a body that a filter writes has no bare CR or LF, and no NUL") {
  CHECK(heard_at_end(packet('b', "a\rb\nc\r\nd\r") + packet('b', "\ne\n\n.\r") + packet('c')) == "a\r\nb\r\nc\r\nd\r\ne\r\n\r\n.\r\nproceed ");
  CHECK(heard_at_end(packet('b', std::string_view("a\0b", 3))).ends_with("failed(an edit that cannot be made) "));
}

TEST_CASE("milter: answers beyond the limits end the session") {
  CHECK(heard_at_end(number(limits::packet_octets_max + 1) + "h") == "failed(packet too large) ");
  CHECK(heard_at_end(number(limits::body_packet_octets_max + 1) + "b") == "failed(packet too large) ");
  CHECK(heard_at_end(std::string("\xff\xff\xff\xff\x62", 5)) == "failed(packet too large) ");
  std::string flood;
  for (std::size_t i = 0; i <= limits::edits_max; ++i) flood += packet('q', strings({"x"}));
  CHECK(heard_at_end(flood).ends_with("failed(too many edits) "));
  std::string large;
  for (int i = 0; i < 6; ++i) large += packet('h', strings({"X", std::string(50'000, 'x')}));
  CHECK(heard_at_end(large).ends_with("failed(too many edits) "));
  Session f;
  f.options.body_octets_max = 10;
  f.reach_end();
  CHECK(f.hear(packet('b', "123456") + packet('b', "78901")).ends_with("failed(too many edits) "));
}

TEST_CASE("milter: a long header field is cut off where the filter could not take it") {
  const std::string said = said_for([](ClientSession& s, Instant now) { s.header("X", std::string(100'000, 'v'), now); });
  CHECK(said.size() == 5 + limits::data_octets_max);
}

TEST_CASE("milter: octets that nothing was asked for end the session") {
  Session f;
  f.negotiate();
  CHECK(f.hear(packet('c')) == "failed(unexpected answer) ");
}

TEST_CASE("milter: each wait has its time, and progress begins it anew") {
  Session f;
  f.negotiate();
  f.session.helo("x", {}, f.now);
  CHECK(f.session.deadline() == f.now + 30s);      // to be sent
  f.now += 10s;
  (void)f.said();
  CHECK(f.session.deadline() == f.now + 30s);      // to be answered
  f.now += 29s;
  f.session.expire(f.now);
  CHECK(f.hear(packet('c')) == "proceed ");
  CHECK_FALSE(f.session.deadline());
  f.session.end_of_message({}, f.now);
  (void)f.said();
  CHECK(f.session.deadline() == f.now + 300s);
  f.now += 299s;
  CHECK(f.hear(packet('p')).empty());
  CHECK(f.session.deadline() == f.now + 300s);
  f.now += 300s;
  f.session.expire(f.now);
  CHECK(f.events() == "failed(timed out) ");
}

TEST_CASE("milter: a connection that ends is a failure, whatever was said of the answer") {
  Session f;
  f.reach_end();
  CHECK(f.hear(packet('c').substr(0, 4)).empty());
  f.session.receive_end(f.now);
  CHECK(f.events() == "failed(connection lost) ");
  CHECK_FALSE(f.session.deadline());
}

TEST_CASE("milter: how answers are cut never shows") {
  const std::string wire = packet('h', strings({"X-Add", "1\n 2"})) + packet('b', "one\r") + packet('b', "\ntwo\n") + packet('p') +
                           packet('b') + packet('m', number(1) + strings({"X", ""})) + packet('y', strings({"550 5.7.1 no"}));
  const std::string whole = heard_at_end(wire);
  CHECK(whole.ends_with("reply(550|5.7.1|no) "));
  for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
    CAPTURE(cut);
    Session f;
    f.reach_end();
    std::string trace = f.hear(wire.substr(0, cut));
    CHECK(trace + f.hear(wire.substr(cut)) == whole);
  }
  Session bytewise;
  bytewise.reach_end();
  CHECK(bytewise.hear(wire, 1) == whole);
}
