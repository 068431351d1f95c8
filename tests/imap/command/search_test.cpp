// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "imap/session_driver.hpp"

using namespace keystonemail::imap;

namespace {
// The program as text: "(and deleted (or a b))" by operator numbers is unreadable, so names where tests need them.
std::string shape(const SearchProgram& program) {
  std::string text;
  for (const auto& key : program.keys) {
    switch (key.op) {
      case SearchOperator::all_of: text += "all_of/" + std::to_string(key.operands) + " "; break;
      case SearchOperator::any_of: text += "any_of/" + std::to_string(key.operands) + " "; break;
      case SearchOperator::not_of: text += "not_of/" + std::to_string(key.operands) + " "; break;
      default: text += ". ";
    }
  }
  return text;
}
}  // namespace

TEST_CASE("imap search: the RFC's examples (RFC 9051 §6.4.4)") {
  SessionDriver driver;
  const auto search = driver.parse<Search>("SEARCH RETURN (MIN COUNT) FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"");
  REQUIRE(search);
  CHECK(search->give.min);
  CHECK(search->give.count);
  CHECK_FALSE(search->give.all);
  CHECK(shape(search->program) == "all_of/3 . . not_of/1 . ");
  CHECK(search->program.keys[2].date == std::chrono::sys_days(std::chrono::year(1994) / 2 / 1));
  CHECK(search->program.keys[4].op == SearchOperator::from);
  CHECK(search->program.keys[4].text == "Smith");
  CHECK(driver.parse<Search>("SEARCH RETURN () ALL")->give.all);
  CHECK(driver.parse<Search>("UID SEARCH 1:3,$")== std::nullopt);
  CHECK(driver.parse<Search>("UID SEARCH $ SMALLER 4096")->program.keys[1].set.saved_result);
}

TEST_CASE("imap search: OR chains are flat, parentheses group") {
  SessionDriver driver;
  CHECK(shape(driver.parse<Search>("SEARCH OR SEEN OR FLAGGED OR DRAFT DELETED")->program) == "all_of/1 any_of/4 . . . . ");
  CHECK(shape(driver.parse<Search>("SEARCH OR OR SEEN FLAGGED DRAFT ALL")->program) == "all_of/2 any_of/3 . . . . ");
  CHECK(shape(driver.parse<Search>("SEARCH OR (SEEN DRAFT) NOT (ALL 1:2) UID 5")->program) ==
        "all_of/2 any_of/2 all_of/2 . . not_of/1 all_of/2 . . . ");
}

TEST_CASE("imap search: every key with an argument") {
  SessionDriver driver;
  for (const auto* keys :
       {"BCC a", "BEFORE 1-Jan-2020", "BODY x", "CC a", "FROM a", "HEADER Subject \"\"", "KEYWORD $Junk", "LARGER 5",
        "ON \"1-Jan-2020\"", "SENTBEFORE 01-Jan-2020", "SENTON 1-Jan-2020", "SENTSINCE 1-Jan-2020", "SINCE 1-Jan-2020",
        "SMALLER 0", "SUBJECT {3}\r\nabc", "TEXT \"a \\\"b\\\"\"", "TO a", "UID 1:*", "UNKEYWORD x", "OLDER 60", "YOUNGER 60",
        "MODSEQ 620162338", "MODSEQ \"/flags/\\\\draft\" all 620162338", "EMAILID M1", "THREADID T1",
        "SAVEDBEFORE 1-Jan-2020", "SAVEDON 1-Jan-2020", "SAVEDSINCE 1-Jan-2020", "SAVEDATESUPPORTED", "NEW", "OLD", "RECENT"}) {
    CAPTURE(keys);
    CHECK(driver.parse<Search>("SEARCH " + std::string(keys)));
  }
  CHECK(driver.session->features().condstore);  // MODSEQ made it so
}

TEST_CASE("imap search: charsets become UTF-8, unknown ones are BADCHARSET") {
  SessionDriver driver;
  const auto latin = driver.parse<Search>("SEARCH CHARSET ISO-8859-1 SUBJECT {1}\r\n\xe4");
  REQUIRE(latin);
  CHECK(latin->program.keys[1].text == "\xc3\xa4");
  CHECK(driver.parse<Search>("SEARCH CHARSET UTF-8 TEXT {2+}\r\n\xc3\xa4"));
  CHECK(driver.reply("c SEARCH CHARSET X-NO TEXT a\r\n").starts_with("c NO [BADCHARSET (US-ASCII UTF-8)]"));
  CHECK(driver.refused("SEARCH TEXT {1+}\r\n\xe4"));
  driver.send("e ENABLE UTF8=ACCEPT\r\n");
  CHECK(driver.refused("SEARCH CHARSET UTF-8 TEXT a"));  // RFC 6855 §3
  CHECK(driver.parse<Search>("SEARCH TEXT \"\xc3\xa4\"")->program.keys[1].text == "\xc3\xa4");
}

TEST_CASE("B2: a million parentheses in SEARCH, FETCH, LIST and ID are refused flatly") {
  const std::string deep(60'000, '(');
  SessionDriver driver;
  for (const auto* begin : {"SEARCH ", "FETCH 1 ", "LIST ", "ID ", "SEARCH NOT ", "LIST \"\" % RETURN "}) {
    CAPTURE(begin);
    CHECK(driver.refused(begin + deep));
  }
  std::string nots;
  for (int i = 0; i < 10'000; ++i) nots += "NOT ";
  CHECK(driver.refused("SEARCH " + nots + "ALL"));
  const std::string line = "t SEARCH " + std::string(1'000'000, '(') + "\r\n";
  const auto said = driver.reply(line + "n NOOP\r\n");
  CHECK(said == "t BAD Line too long\r\nn OK done\r\n");
  CHECK(driver.session->memory_octets() < 4096);
}

TEST_CASE("imap search: nesting up to the limit is read") {
  SessionDriver driver;
  CHECK(driver.parse<Search>("SEARCH " + std::string(32, '(') + "ALL" + std::string(32, ')')));
  CHECK(driver.refused("SEARCH " + std::string(33, '(') + "ALL" + std::string(33, ')')));
  CHECK(driver.refused("SEARCH (ALL"));
  CHECK(driver.refused("SEARCH ALL)"));
  CHECK(driver.refused("SEARCH ()"));
  CHECK(driver.refused("SEARCH OR ALL"));
  CHECK(driver.refused("SEARCH RETURN (X) ALL"));
}

TEST_CASE("imap sort and thread: only when offered (RFC 5256)") {
  SessionDriver without;
  CHECK(without.refused("SORT (DATE) UTF-8 ALL"));
  ServerOptions options;
  options.sort = true;
  SessionDriver driver(SessionDriver::Start::selected, options);
  const auto sort = driver.parse<Sort>("UID SORT (SUBJECT REVERSE DATE) UTF-8 ALL");
  REQUIRE(sort);
  CHECK(sort->criteria.size() == 2);
  CHECK(sort->criteria[1].reverse);
  CHECK(driver.parse<Thread>("THREAD REFERENCES US-ASCII SINCE 5-MAR-2000")->algorithm == ThreadAlgorithm::references);
  CHECK(driver.refused("THREAD NOSUCH UTF-8 ALL"));
  CHECK(driver.refused("SORT () UTF-8 ALL"));
}
