// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "commands/findings.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/format.hpp"

namespace keystonemail::host {
namespace {

std::string_view word_of(Standing standing) noexcept {
  switch (standing) {
    case Standing::good: return "present";
    case Standing::missing: return "missing";
    case Standing::wrong: return "wrong";
    case Standing::unknown: return "unknown";
  }
  __builtin_unreachable();
}

// Select Graphic Rendition (ECMA-48 §8.3.117).
std::string_view colour_of(const Finding& finding) noexcept {
  switch (finding.standing) {
    case Standing::good: return "\x1b[32m";
    case Standing::missing: return finding.weighty ? "\x1b[31m" : "\x1b[33m";
    case Standing::wrong: return "\x1b[31m";
    case Standing::unknown: return "\x1b[33m";
  }
  __builtin_unreachable();
}

bool is_to_be_mended(const Finding& finding) noexcept {
  return finding.standing == Standing::wrong || (finding.weighty && finding.standing != Standing::good);
}

// A stranger's words must not steer the terminal.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return out;
}

std::string table_of(const std::vector<Finding>& findings, bool colours) {
  std::size_t width = 0;
  for (const Finding& one : findings) width = std::max(width, one.subject.size());
  std::string out;
  for (const Finding& one : findings) {
    format_to(out, "{}{:<8}{} {:<{}}  {}\n", colours ? colour_of(one) : "", word_of(one.standing), colours ? "\x1b[0m" : "", printable(one.subject),
              width, printable(one.found));
    if (!one.advice.empty()) format_to(out, "         -> {}\n", printable(one.advice));
  }
  return out;
}

}  // namespace

int print_findings(const std::vector<Finding>& findings, Output output) {
  const bool mend = std::ranges::any_of(findings, is_to_be_mended);
  if (output == Output::text) {
    const bool colours = ::isatty(STDOUT_FILENO) == 1 && !std::getenv("NO_COLOR");
    std::fputs(table_of(findings, colours).c_str(), stdout);
    return mend ? 1 : 0;
  }
  std::string out = "[";
  for (const Finding& one : findings) {
    format_to(out, "{}{{\"status\":{},\"subject\":{},\"found\":{},\"advice\":{},\"weighty\":{}}}", out.size() > 1 ? ",\n" : "", json_text(word_of(one.standing)),
              json_text(one.subject), json_text(one.found), json_text(one.advice), one.weighty);
  }
  std::fputs((out + "]\n").c_str(), stdout);
  return mend ? 1 : 0;
}

}  // namespace keystonemail::host
