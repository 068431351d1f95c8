// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/base/log.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;

namespace {

std::string line(LogFormat format, std::string_view value) {
  const LogField fields[] = {{"helo", value}};
  return format_log_line(format, WallTime(std::chrono::milliseconds(1'000)), LogLevel::info, "smtp.helo", fields);
}

}  // namespace

TEST_CASE("log: a plain value stands unquoted, in both formats with its time") {
  CHECK(line(LogFormat::logfmt, "mx.example") ==
        "time=1970-01-01T00:00:01.000Z level=info event=smtp.helo helo=mx.example\n");
  CHECK(line(LogFormat::json, "mx.example") ==
        "{\"time\":\"1970-01-01T00:00:01.000Z\",\"level\":\"info\",\"event\":\"smtp.helo\",\"helo\":\"mx.example\"}\n");
}

TEST_CASE("H11: no value can start a line, end its quotes, or drive a terminal") {
  for (const auto format : {LogFormat::logfmt, LogFormat::json}) {
    for (const std::string_view nasty :
         {std::string_view("a\r\nlevel=error"), std::string_view("\x1b[31m"), std::string_view("\0", 1),
          std::string_view("\" x=\"y"), std::string_view("\xe2\x80\xae"), std::string_view("\xff\xfe"), std::string_view("\xc2\x9b")}) {
      const std::string out = line(format, nasty);
      CAPTURE(out);
      CHECK(out.find('\n') == out.size() - 1);
      for (const char c : out.substr(0, out.size() - 1)) CHECK((c >= ' ' && c < 0x7f));
    }
  }
  CHECK(line(LogFormat::logfmt, "\"").ends_with("helo=\"\\\"\"\n"));
}

TEST_CASE("log: numbers and flags keep their type") {
  const LogField fields[] = {{"n", -5}, {"size", 10U}, {"tls", true}};
  const auto out = format_log_line(LogFormat::json, WallTime{}, LogLevel::warning, "e", fields);
  CHECK(out.ends_with("\"n\":-5,\"size\":10,\"tls\":true}\n"));
}
