// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "demo/printer.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/format.hpp"

namespace keystonemail::host::demo {

namespace {

constexpr std::string_view bold = "\x1b[1m", green = "\x1b[32m", red = "\x1b[31m", plain = "\x1b[0m";

void print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace

Printer::Printer() : since_(clock_.now()), coloured_(isatty(STDOUT_FILENO) == 1 && !std::getenv("NO_COLOR")) {}

void Printer::title(std::string_view text) {
  print(coloured_ ? format("\n{}{}{}\n", bold, text, plain) : format("\n{}\n", text));
}

void Printer::step(std::string_view mark, std::string_view colour, std::string_view text) {
  const Instant now = clock_.now();
  const double milliseconds = std::chrono::duration<double, std::milli>(now - since_).count();
  since_ = now;
  const std::string shown = coloured_ ? format("{}{:<4}{}", colour, mark, plain) : format("{:<4}", mark);
  print(format("  {} {:>9.1f} ms  {}\n", shown, milliseconds, text));
}

void Printer::done(std::string_view text) { step("ok", green, text); }

void Printer::failed(std::string_view text, const Error& error) { step("FAIL", red, format("{}: {}", text, error.describe())); }

void Printer::line(std::string_view text) { print(std::string(text) + "\n"); }

void Printer::setting(std::string_view name, std::string_view value) { print(format("  {:<14} {}\n", name, value)); }

}  // namespace keystonemail::host::demo
