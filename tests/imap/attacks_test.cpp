// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Section B of the attack catalogue, by id.
#include "imap/session_driver.hpp"
#include "support/sanitized.hpp"

using namespace keystonemail::imap;
using namespace std::string_view_literals;
using Start = SessionDriver::Start;

TEST_CASE("B1: huge literals are refused with flat memory, before and after login") {
  SessionDriver early(Start::secure);
  CHECK(early.reply("a LOGIN {4294967295}\r\n") == "a BAD [TOOBIG] Literal too large\r\n");
  CHECK(early.reply("b LOGIN {4097}\r\n") == "b BAD [TOOBIG] Literal too large\r\n");
  CHECK(early.reply("c LOGIN {2147483647+}\r\n") == "c BAD [TOOBIG] Literal too large\r\n");
  const std::string noise(1 << 20, 'x');
  for (int i = 0; i < 64; ++i) early.send(noise);
  CHECK(early.session->memory_octets() < 4096);
  CHECK(early.output().empty());
  SessionDriver late;
  CHECK(late.reply("a SEARCH TEXT {131073}\r\n") == "a BAD [TOOBIG] Literal too large\r\n");
  CHECK(late.reply("b SEARCH TEXT {99999999999999999999}\r\nc NOOP\r\n") == "b BAD Malformed literal\r\nc OK done\r\n");
  CHECK(late.reply("d SEARCH TEXT {99999999999999999999+}\r\n").ends_with("* BYE Cannot follow that literal\r\n"));
}

TEST_CASE("B1: 10^5 literals in one SEARCH stop at the command's ceiling, in linear time") {
  SessionDriver driver;
  std::string wire = "a SEARCH";
  for (int i = 0; i < 100'000; ++i) wire += " TEXT {1+}\r\nx";
  wire += "\r\nb NOOP\r\n";
  const auto said = driver.reply(wire);
  CHECK(said.starts_with("a BAD"));
  CHECK(driver.session->memory_octets() < (1 << 21));
  SessionDriver early(Start::secure);
  std::string list = "a ID (";
  for (int i = 0; i < 100; ++i) list += "{4000+}\r\n" + std::string(4000, 'x') + " ";
  CHECK(early.reply(list).starts_with("a BAD [TOOBIG]"));
  CHECK(early.session->memory_octets() < (1 << 16));
}

TEST_CASE("B1: a literal of a command that will be refused is not asked for") {
  SessionDriver driver(Start::secure);
  CHECK(driver.reply("a NOSUCH {10}\r\n") == "a BAD Unknown command\r\n");
  CHECK(driver.reply("b SELECT {10}\r\n") == "b BAD Command not allowed in this state\r\n");
  CHECK(driver.reply("c APPEND x {10}\r\n") == "c BAD Command not allowed in this state\r\n");
}

TEST_CASE("B3: NUL and 8-bit in quoted strings and literals are BAD") {
  SessionDriver driver;
  for (const auto line : {"SELECT \"a\0b\""sv, "SELECT \"a\x80\""sv, "SELECT \"a\rb\""sv, "SELECT {3+}\r\na\0b"sv, "SELECT a\x80"sv,
                          "SELECT \"a\\b\""sv, "SELECT \"a\\"sv, "SELECT \"a"sv, "SELECT ~{1+}\r\na"sv, "\0"sv, "NOOP\0"sv}) {
    CAPTURE(line);
    CHECK(driver.refused(line));
  }
}

TEST_CASE("B3: every pair of octets in a quoted string is read as RFC 9051 §9 says") {
  SessionDriver driver;
  driver.send("e ENABLE UTF8=ACCEPT\r\n");
  const int step = keystonemail::test::sanitized ? 7 : 1;
  for (int a = 0; a < 256; ++a) {
    for (int b = a % step; b < 256; b += step) {
      if (a == '\n' || b == '\n' || (a == '"' && b == ' ')) continue;
      const std::string pair{static_cast<char>(a), static_cast<char>(b)};
      const bool escaped = a == '\\' && (b == '\\' || b == '"');
      const auto plain = [](int c) { return c != 0 && c != '\r' && c < 128 && c != '"' && c != '\\'; };
      const bool valid = escaped || (plain(a) && plain(b)) || (a >= 0xc2 && a <= 0xdf && b >= 0x80 && b <= 0xbf);
      const auto get = driver.parse<GetQuota>("LIST \"\" \"" + pair + "\"");
      const bool accepted = !driver.commands.empty() && std::holds_alternative<List>(driver.commands.back());
      CHECK(!get);
      if (accepted != valid) FAIL(a << " " << b);
      if (!accepted) driver.forgive();
      if (escaped) CHECK(std::get<List>(driver.commands.empty() ? CommandVariant{List{}} : driver.commands.back()).patterns[0].size() == 1);
    }
  }
}

TEST_CASE("imap literals: LITERAL- refuses large non-synchronizing ones and drains them (RFC 7888 §5)") {
  ServerOptions options;
  options.literals = LiteralPolicy::minus;
  SessionDriver driver(Start::selected, options);
  CHECK(driver.reply("a CAPABILITY\r\n").find(" LITERAL- ") != std::string::npos);
  CHECK(driver.reply("b SELECT {5000+}\r\n" + std::string(5000, 'x') + "\r\nc NOOP\r\n") ==
        "b BAD [TOOBIG] Non-synchronizing literal above 4096 octets\r\nc OK done\r\n");
  CHECK(driver.parse<Select>("SELECT {4096+}\r\n" + std::string(4096, 'x')));
  CHECK(driver.parse<Select>("SELECT {5000}\r\n" + std::string(5000, 'x')));
}

TEST_CASE("imap lines: bare LF, empty and overlong lines are BAD and the next line counts") {
  SessionDriver driver;
  CHECK(driver.reply("a NOOP\nb NOOP\r\n") == "a BAD Lines end in CR LF\r\nb OK done\r\n");
  CHECK(driver.reply("\r\nb NOOP\r\n") == "* BAD Malformed tag\r\nb OK done\r\n");
  CHECK(driver.reply("a " + std::string(70'000, 'x') + " {3+}\r\nabc\r\nb NOOP\r\n") == "a BAD Line too long\r\nb OK done\r\n");
  CHECK(driver.reply("a+b NOOP\r\n").starts_with("* BAD"));
}

TEST_CASE("imap session: an idle session is small") {
  SessionDriver driver;
  driver.send("a IDLE\r\n");
  MESSAGE("octets of an idle session: " << driver.session->memory_octets());
  CHECK(driver.session->memory_octets() < 2048);
}
