// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "http/body_reader.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/http/limits.hpp"

namespace keystonemail::http {
namespace {

constexpr std::uint64_t length_max = std::uint64_t{1} << 62;
constexpr std::size_t size_digits_max = 15;  // so that no sum can overflow

// RFC 9112 §6.1. The one coding that there is stands alone, or something is wrong.
std::expected<Framing, Fault> coded_framing(const Fields& fields, unsigned minor_version) {
  if (minor_version == 0 || find(fields, "Content-Length") != nullptr) return std::unexpected(Fault::length_conflict);
  const std::string& codings = *find(fields, "Transfer-Encoding");
  if (count(fields, "Transfer-Encoding") == 1 && iequals(codings, "chunked")) return Framing{.kind = Framing::Kind::chunked};
  if (count(fields, "Transfer-Encoding") > 1) return std::unexpected(Fault::bad_transfer_coding);
  const std::size_t comma = codings.rfind(',');
  const bool ends_chunked = comma != std::string::npos && iequals(trim(std::string_view(codings).substr(comma + 1)), "chunked");
  const bool chunked_twice = ends_chunked && to_lower(std::string_view(codings).substr(0, comma)).contains("chunked");
  return std::unexpected(ends_chunked && !chunked_twice ? Fault::unknown_transfer_coding : Fault::bad_transfer_coding);
}

std::expected<Framing, Fault> length_framing(const Fields& fields) {
  const auto octets = parse_decimal(*find(fields, "Content-Length"), length_max);
  if (!octets || count(fields, "Content-Length") > 1) return std::unexpected(Fault::bad_length);
  return Framing{.octets = *octets};
}

void skip_spaces(std::string_view& text) noexcept {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
}

std::string_view take_token(std::string_view& text) noexcept {
  std::size_t size = 0;
  while (size < text.size() && is_token(text.substr(size, 1))) ++size;
  const std::string_view token = text.substr(0, size);
  text.remove_prefix(size);
  return token;
}

// RFC 9110 §5.6.4
bool skip_quoted_string(std::string_view& text) noexcept {
  assert(text.starts_with('"'));
  for (std::size_t i = 1; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
    if (c == '"') {
      text.remove_prefix(i + 1);
      return true;
    }
    if (c == '\\') ++i;
  }
  return false;
}

// RFC 9112 §7.1.1: chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
bool are_extensions(std::string_view text) noexcept {
  while (!text.empty()) {
    skip_spaces(text);
    if (!text.starts_with(';')) return false;
    text.remove_prefix(1);
    skip_spaces(text);
    if (take_token(text).empty()) return false;
    std::string_view value = text;
    skip_spaces(value);
    if (!value.starts_with('=')) continue;
    value.remove_prefix(1);
    skip_spaces(value);
    if (value.starts_with('"') ? !skip_quoted_string(value) : take_token(value).empty()) return false;
    text = value;
  }
  return true;
}

// chunk-size = 1*HEXDIG. No sign, no "0x" (attack G1).
std::optional<std::uint64_t> parse_size(std::string_view digits) noexcept {
  if (digits.empty() || digits.size() > size_digits_max) return std::nullopt;
  std::uint64_t size = 0;
  for (const char c : digits) {
    const char lower = to_lower(c);
    if (is_digit(c)) size = size * 16 + static_cast<unsigned>(c - '0');
    else if (lower >= 'a' && lower <= 'f') size = size * 16 + static_cast<unsigned>(lower - 'a' + 10);
    else return std::nullopt;
  }
  return size;
}

}  // namespace

std::expected<Framing, Fault> request_framing(const Fields& fields, unsigned minor_version) {
  if (find(fields, "Transfer-Encoding") != nullptr) return coded_framing(fields, minor_version);
  if (find(fields, "Content-Length") != nullptr) return length_framing(fields);
  return Framing{};
}

std::expected<Framing, Fault> response_framing(const Fields& fields, unsigned minor_version, unsigned status, std::string_view method) {
  assert(status >= 200);
  if (method == "HEAD" || status == 204 || status == 304) return Framing{};
  if (find(fields, "Transfer-Encoding") != nullptr) return coded_framing(fields, minor_version);
  if (find(fields, "Content-Length") != nullptr) return length_framing(fields);
  return Framing{.kind = Framing::Kind::until_close};
}

std::size_t BodyReader::take(std::string_view octets, std::string& out, std::size_t room, std::uint64_t octets_max) {
  std::size_t taken = 0;
  const auto too_large = [&] { return received_ > octets_max || (framing_.kind != Framing::Kind::until_close && left_ > octets_max - received_); };
  if (too_large()) fault_ = Fault::body_too_large;
  while (taken < octets.size() && !done_ && !fault_) {
    const std::string_view rest = octets.substr(taken);
    if (framing_.kind != Framing::Kind::chunked || state_ == State::content) {
      const std::size_t content = take_content(rest, out, room);
      if (content == 0) break;
      room -= content;
      taken += content;
    } else if (state_ == State::chunk_line) {
      taken += take_chunk_line(rest);
    } else if (state_ == State::content_end) {
      taken += take_content_end(rest[0]);
    } else {
      taken += trailers_.take(rest);
      done_ = trailers_.done();
      fault_ = trailers_.fault();
    }
    if (!fault_ && too_large()) fault_ = Fault::body_too_large;
  }
  return taken;
}

std::size_t BodyReader::take_content(std::string_view octets, std::string& out, std::size_t room) {
  std::size_t size = std::min(octets.size(), room);
  if (framing_.kind != Framing::Kind::until_close) size = std::min<std::uint64_t>(size, left_);
  out += octets.substr(0, size);
  received_ += size;
  if (framing_.kind == Framing::Kind::until_close) return size;
  left_ -= size;
  if (left_ != 0) return size;
  if (framing_.kind == Framing::Kind::length) done_ = true;
  else state_ = State::content_end;
  return size;
}

std::size_t BodyReader::take_chunk_line(std::string_view octets) {
  const std::size_t end = octets.find('\n');
  const std::string_view piece = octets.substr(0, end == std::string_view::npos ? end : end + 1);
  if (line_.size() + piece.size() > limits::chunk_line_octets_max) {
    fault_ = Fault::bad_chunk;
    return piece.size();
  }
  line_ += piece;
  if (end != std::string_view::npos) {
    const std::string line = std::exchange(line_, {});
    begin_chunk(std::string_view(line).substr(0, line.size() - 1));
  }
  return piece.size();
}

// chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
void BodyReader::begin_chunk(std::string_view line) {
  const std::size_t digits = std::min(line.find_first_of("; \t\r"), line.size());
  const auto size = parse_size(line.substr(0, digits));
  const bool ends_well = line.ends_with('\r') && line.find('\r') == line.size() - 1;
  if (!size || !ends_well || !are_extensions(line.substr(digits, line.size() - 1 - digits))) {
    fault_ = Fault::bad_chunk;
    return;
  }
  extension_octets_ += line.size() - 1 - digits;
  if (extension_octets_ > limits::chunk_extensions_octets_max) {
    fault_ = Fault::bad_chunk;
    return;
  }
  left_ = *size;
  state_ = *size == 0 ? State::trailers : State::content;
}

std::size_t BodyReader::take_content_end(char octet) {
  if (octet != (has_cr_ ? '\n' : '\r')) {
    fault_ = Fault::bad_chunk;
    return 1;
  }
  if (has_cr_) state_ = State::chunk_line;
  has_cr_ = !has_cr_;
  return 1;
}

void BodyReader::take_end(bool properly) {
  if (done_ || fault_) return;
  if (framing_.kind == Framing::Kind::until_close && properly) done_ = true;
  else fault_ = Fault::truncated;
}

}  // namespace keystonemail::http
