// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The table of commands: lib/imap/README.md shows it, and the engine goes by it.
#include "imap/verb_table.hpp"

#include <fstream>
#include <iterator>
#include <set>

#include "imap/session_driver.hpp"

using namespace keystonemail::imap;

namespace {

constexpr SessionState states[] = {SessionState::not_authenticated, SessionState::authenticated, SessionState::selected};

std::string draw() {
  std::string text = "| State | Commands |\n|---|---|\n";
  const auto row = [&](const char* state, std::uint8_t legal_in) {
    text += std::string("| ") + state + " |";
    for (const VerbEntry& entry : verbs) {
      if (entry.states == legal_in) text += " " + std::string(entry.name);
    }
    text += " |\n";
  };
  row("any", in_any);
  row("not authenticated", in_not_authenticated);
  row("authenticated or selected", once_authenticated);
  row("selected", in_selected);
  return text;
}

}  // namespace

TEST_CASE("imap verbs: the README shows the table") {
  std::ifstream file(KEYSTONEMAIL_SOURCE_ROOT "/lib/imap/README.md");
  const std::string readme(std::istreambuf_iterator<char>(file), {});
  CHECK_MESSAGE(readme.find(draw()) != std::string::npos, draw());
}

TEST_CASE("imap verbs: each is there once, legal somewhere, and refused elsewhere (RFC 9051 §6)") {
  std::set<std::string_view> names;
  for (const VerbEntry& entry : verbs) {
    CAPTURE(entry.name);
    CHECK(names.insert(entry.name).second);
    CHECK((entry.states & ~in_any) == 0);
    for (const SessionState state : states) {
      if (is_legal(entry, state) || entry.offer != Offer::always) continue;
      using Start = SessionDriver::Start;
      SessionDriver driver(state == SessionState::selected        ? Start::selected
                           : state == SessionState::authenticated ? Start::authenticated
                                                                  : Start::secure);
      CHECK(driver.reply("x " + std::string(entry.name) + "\r\n").starts_with("x BAD"));
      CHECK(driver.commands.empty());
    }
  }
}
