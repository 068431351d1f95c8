// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "http/section_reader.hpp"

#include <cassert>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/http/limits.hpp"

namespace keystonemail::http {
namespace {

constexpr std::string_view spaces = " \t";  // RFC 9110 §5.6.3: OWS

}  // namespace

std::size_t SectionReader::take(std::string_view octets) {
  std::size_t taken = 0;
  while (taken < octets.size() && !done_ && !fault_) {
    const std::string_view rest = octets.substr(taken);
    const std::size_t end = rest.find('\n');
    const std::string_view piece = rest.substr(0, end == std::string_view::npos ? end : end + 1);
    taken += piece.size();
    if (!fits(piece.size())) break;
    line_ += piece;
    if (end == std::string_view::npos) break;
    const std::string line = std::exchange(line_, {});
    take_line(std::string_view(line).substr(0, line.size() - 1));
  }
  return taken;
}

// Whether so many more octets of the present line may be kept.
bool SectionReader::fits(std::size_t octets) {
  octets_ += octets;
  const std::size_t line = line_.size() + octets;
  const bool in_start = section_ != Section::trailers && !has_start_;
  if (section_ == Section::trailers && octets_ > limits::trailer_octets_max) fault_ = Fault::trailers_too_large;
  else if (in_start && line > limits::start_line_octets_max) fault_ = Fault::start_line_too_long;
  else if (line > limits::field_line_octets_max || octets_ > limits::head_octets_max) fault_ = Fault::head_too_large;
  return !fault_;
}

void SectionReader::take_line(std::string_view line) {
  assert(!line.contains('\n'));
  // RFC 9112 §2.2 lets a bare LF pass; whoever does reads other messages than a proxy that does not (attack G1).
  if (!line.ends_with('\r') || line.find('\r') != line.size() - 1) {
    fault_ = Fault::bare_line_end;
    return;
  }
  line.remove_suffix(1);
  if (line.empty()) take_empty_line();
  else if (section_ != Section::trailers && !has_start_) take_start(line);
  else if (spaces.contains(line[0])) unfold(line);
  else take_field(line);
}

// What speaks another protocol is found out at once, not at the end of a header that it never sends.
void SectionReader::take_start(std::string_view line) {
  const bool is_http = section_ == Section::response ? line.starts_with("HTTP/") : line.contains(" HTTP/");
  if (!is_http) fault_ = Fault::bad_start_line;
  start_line_ = line;
  has_start_ = true;
}

void SectionReader::take_empty_line() {
  if (section_ == Section::trailers || has_start_) done_ = true;
  else if (++empty_lines_ > limits::empty_lines_max) fault_ = Fault::bad_start_line;
}

// RFC 9112 §5: field-line = field-name ":" OWS field-value OWS
void SectionReader::take_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  // §5.1: no white space between name and colon, which is_token sees.
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    fault_ = Fault::bad_field;
    return;
  }
  const std::string_view value = trim(line.substr(colon + 1));
  const std::size_t fields_max = section_ == Section::trailers ? limits::trailers_max : limits::fields_max;
  if (!is_field_value(value)) fault_ = Fault::bad_field;
  else if (fields_.size() == fields_max) fault_ = section_ == Section::trailers ? Fault::trailers_too_large : Fault::head_too_large;
  else fields_.push_back({std::string(line.substr(0, colon)), std::string(value)});
}

// RFC 9112 §5.2: a server refuses it, a client makes it spaces.
void SectionReader::unfold(std::string_view line) {
  const std::string_view value = trim(line);
  if (section_ != Section::response || fields_.empty()) fault_ = Fault::folded_line;
  else if (!is_field_value(value)) fault_ = Fault::bad_field;
  else if (!value.empty()) {
    std::string& folded = fields_.back().value;
    if (!folded.empty()) folded += ' ';
    folded += value;
  }
}

}  // namespace keystonemail::http
