// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The table of legal steps: it is drawn in lib/smtp/README.md, and the server goes by it.
#include "smtp/transitions.hpp"

#include <fstream>
#include <iterator>
#include <map>

#include "smtp/server_fixture.hpp"

using namespace keystonemail::smtp;
using namespace keystonemail::smtp::testing;

namespace {

std::string name(State state) {
  constexpr const char* names[] = {"connected", "refused", "start",         "ready", "sender", "recipients",
                                   "data",      "chunks",  "chunks_failed", "auth",  "tls",    "closed"};
  return names[static_cast<std::size_t>(state)];
}

std::string name(Verb verb) {
  constexpr const char* names[] = {"MAIL", "RCPT",     "DATA", "BDAT", "QUIT", "RSET", "EHLO", "HELO",    "LHLO",
                                   "NOOP", "STARTTLS", "AUTH", "VRFY", "EXPN", "HELP", "ETRN", "unknown", "end of message"};
  return names[static_cast<std::size_t>(verb)];
}

std::string draw() {
  std::map<std::pair<State, State>, std::string> arrows;
  for (const Transition& step : transitions) {
    if (step.verb == Verb::lhlo) continue;
    std::string& label = arrows[{step.from, step.to}];
    label += (label.empty() ? "" : ", ") + name(step.verb);
  }
  std::string text = "stateDiagram-v2\n  [*] --> start: greeting\n";
  for (const auto& [ends, label] : arrows) text += "  " + name(ends.first) + " --> " + name(ends.second) + ": " + label + "\n";
  return text;
}

// A session in this state, with the command that the test says next.
void bring_to(ServerFixture& f, State state) {
  f.options.offer_starttls = true;
  f.options.auth_mechanisms = "PLAIN";
  f.options.allow_plaintext_auth = true;
  f.open();
  if (state == State::start) return;
  f.line("EHLO client.test");
  if (state == State::ready) return;
  f.line("MAIL FROM:<a@client.test>");
  if (state == State::sender) return;
  f.line("RCPT TO:<b@mx.test>");
  if (state == State::chunks) f.say("BDAT 1\r\nx");
}

const char* command(Verb verb) {
  switch (verb) {
    case Verb::mail: return "MAIL FROM:<a@client.test>\r\n";
    case Verb::rcpt: return "RCPT TO:<c@mx.test>\r\n";
    case Verb::data: return "DATA\r\n";
    case Verb::bdat: return "BDAT 1\r\nx";
    case Verb::ehlo: return "EHLO client.test\r\n";
    case Verb::helo: return "HELO client.test\r\n";
    case Verb::starttls: return "STARTTLS\r\n";
    case Verb::auth: return "AUTH PLAIN AHUAcA==\r\n";
    case Verb::quit: return "QUIT\r\n";
    case Verb::rset: return "RSET\r\n";
    case Verb::noop: return "NOOP\r\n";
    case Verb::vrfy: return "VRFY x\r\n";
    case Verb::help: return "HELP\r\n";
    default: return nullptr;
  }
}

bool is_legal_anywhere(Verb verb) {
  return verb == Verb::quit || verb == Verb::rset || verb == Verb::noop || verb == Verb::vrfy || verb == Verb::help;
}

}  // namespace

TEST_CASE("transitions: the README draws the table") {
  std::ifstream file(KEYSTONEMAIL_SOURCE_ROOT "/lib/smtp/README.md");
  const std::string readme(std::istreambuf_iterator<char>(file), {});
  CHECK_MESSAGE(readme.find("```mermaid\n" + draw() + "```\n") != std::string::npos, draw());
}

TEST_CASE("transitions: no step is there twice, and every state is reached and left") {
  for (std::size_t i = 0; i < transitions.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) CHECK(!(transitions[i].from == transitions[k].from && transitions[i].verb == transitions[k].verb));
  }
  CHECK(next_state(State::ready, Verb::mail) == State::sender);
  CHECK(!next_state(State::ready, Verb::rcpt));
  CHECK(!next_state(State::closed, Verb::ehlo));
}

TEST_CASE("transitions: the server takes a command where the table has it, and says 503 where not (RFC 5321 §4.1.4)") {
  for (const State state : {State::start, State::ready, State::sender, State::recipients, State::chunks}) {
    for (int number = 0; number < static_cast<int>(Verb::end_of_message); ++number) {
      const auto verb = static_cast<Verb>(number);
      if (command(verb) == nullptr) continue;
      CAPTURE(name(state));
      CAPTURE(name(verb));
      ServerFixture f;
      bring_to(f, state);
      const std::string said = code_of(f.say(command(verb)));
      if (is_legal_anywhere(verb) || next_state(state, verb)) {
        CHECK((said[0] == '2' || said == "354"));
      } else {
        CHECK(said == "503");
      }
    }
  }
}
