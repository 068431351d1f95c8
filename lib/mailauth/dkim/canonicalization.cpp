// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dkim/canonicalization.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "keystonemail/base/text.hpp"

namespace keystonemail::mailauth::dkim {
namespace {

bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

// The position of `c` in `text`, or its size.
std::size_t find_octet(std::string_view text, char c) noexcept {
  const auto* found = text.empty() ? nullptr : static_cast<const char*>(std::memchr(text.data(), c, text.size()));
  return found ? static_cast<std::size_t>(found - text.data()) : text.size();
}

void append_with_crlf(std::string& out, std::string_view lines) {
  while (!lines.empty()) {
    const std::size_t end = find_octet(lines, '\n');
    std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    out += line;
    out += "\r\n";
  }
}

// Unfolded, each run of blanks one space, none at the ends.
void append_relaxed_value(std::string& out, std::string_view value) {
  bool blank_due = false;
  bool started = false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == '\n' || (c == '\r' && i + 1 < value.size() && value[i + 1] == '\n')) continue;
    if (is_blank(c)) {
      blank_due = true;
      continue;
    }
    if (blank_due && started) out += ' ';
    blank_due = false;
    started = true;
    out += c;
  }
}

}  // namespace

std::string_view to_string(Canonicalization canonicalization) noexcept {
  switch (canonicalization) {
    case Canonicalization::simple: return "simple";
    case Canonicalization::relaxed: return "relaxed";
  }
  return {};
}

void append_canonical_field(std::string& out, const mime::Field& field, Canonicalization canonicalization) {
  assert(!field.name.empty());
  if (canonicalization == Canonicalization::simple) {
    append_with_crlf(out, field.raw);
    return;
  }
  for (const char c : field.name) out += to_lower(c);
  out += ':';
  append_relaxed_value(out, field.value);
  out += "\r\n";
}

void BodyCanonicalizer::append(std::string_view piece) {
  while (!piece.empty()) {
    if (after_cr_) {
      after_cr_ = false;
      if (piece.front() != '\n') append_line("\r");  // a bare CR is text
    }
    const std::size_t end = find_octet(piece, '\n');
    std::string_view line = piece.substr(0, end);
    if (line.ends_with('\r')) {
      after_cr_ = end == piece.size();
      line.remove_suffix(1);
    }
    append_line(line);
    if (end == piece.size()) return;
    blank_due_ = false;
    ++line_ends_;
    piece.remove_prefix(end + 1);
  }
}

void BodyCanonicalizer::finish() {
  if (after_cr_) append_line("\r");
  // RFC 6376 §3.4.3: an empty body is one empty line; §3.4.4: it is nothing.
  if (!empty_ || canonicalization_ == Canonicalization::simple) put("\r\n");
  flush();
}

// Text of a line, or a part of it.
void BodyCanonicalizer::append_line(std::string_view text) {
  if (text.empty()) return;
  if (canonicalization_ == Canonicalization::relaxed) return append_relaxed(text);
  release_line_ends();
  put(text);
}

void BodyCanonicalizer::append_relaxed(std::string_view text) {
  const char* in = text.data();
  const char* const in_end = in + text.size();
  while (true) {
    for (; in != in_end && is_blank(*in); ++in) blank_due_ = true;
    if (in == in_end) return;
    if (line_ends_ != 0) release_line_ends();
    if (blank_due_) put(' ');
    blank_due_ = false;
    empty_ = false;
    if (filled_ == buffer_.size()) flush();
    // A word, or as much of it as there is room for; the buffer is where nearly all of the time is spent.
    char* out = buffer_.data() + filled_;
    const char* const stop = in + std::min(static_cast<std::size_t>(in_end - in), buffer_.size() - filled_);
    while (in != stop && !is_blank(*in)) *out++ = *in++;
    filled_ = static_cast<std::size_t>(out - buffer_.data());
  }
}

void BodyCanonicalizer::release_line_ends() {
  for (; line_ends_ != 0; --line_ends_) put("\r\n");
}

void BodyCanonicalizer::put(char c) {
  if (filled_ == buffer_.size()) flush();
  buffer_[filled_++] = c;
}

void BodyCanonicalizer::put(std::string_view octets) {
  empty_ = false;
  if (octets.size() > buffer_.size() - filled_) {
    flush();
    if (octets.size() >= buffer_.size()) return write(octets);
  }
  std::memcpy(buffer_.data() + filled_, octets.data(), octets.size());
  filled_ += octets.size();
}

void BodyCanonicalizer::flush() {
  if (filled_ != 0) write({buffer_.data(), filled_});
  filled_ = 0;
}

}  // namespace keystonemail::mailauth::dkim
