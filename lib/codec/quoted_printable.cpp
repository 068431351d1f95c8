// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/codec/quoted_printable.hpp"

#include <utility>

#include "keystonemail/codec/hex.hpp"

namespace keystonemail::codec {
namespace {

constexpr std::size_t line_octets_max = 76;  // RFC 2045 §6.7 rule 5
constexpr std::string_view upper_digits = "0123456789ABCDEF";

bool is_literal(char c) { return c >= '!' && c <= '~' && c != '='; }

class Encoder {
 public:
  explicit Encoder(std::size_t octets) { out_.reserve(octets + octets / 8); }

  void literal(char c) {
    make_room(1);
    out_.push_back(c);
  }
  void escape(char c) {
    make_room(3);
    const auto octet = static_cast<unsigned char>(c);
    out_ += {'=', upper_digits[octet >> 4], upper_digits[octet & 15]};
  }
  // A blank may not end a line (rule 3).
  void break_line() {
    if (out_.size() > line_begin_ && (out_.back() == ' ' || out_.back() == '\t')) {
      const char blank = out_.back();
      out_.pop_back();
      escape(blank);
    }
    out_ += "\r\n";
    line_begin_ = out_.size();
  }
  [[nodiscard]] std::string finish() {
    if (!out_.empty() && (out_.back() == ' ' || out_.back() == '\t')) {
      const char blank = out_.back();
      out_.pop_back();
      escape(blank);
    }
    return std::move(out_);
  }

 private:
  void make_room(std::size_t octets) {
    if (out_.size() - line_begin_ + octets < line_octets_max) return;  // one column is left for the soft break
    out_ += "=\r\n";
    line_begin_ = out_.size();
  }

  std::string out_;
  std::size_t line_begin_ = 0;
};

}  // namespace

std::string encode_quoted_printable(std::string_view octets, QuotedPrintableMode mode) {
  Encoder encoder(octets.size());
  for (std::size_t i = 0; i < octets.size(); ++i) {
    const char c = octets[i];
    if (mode == QuotedPrintableMode::text && (c == '\n' || octets.substr(i).starts_with("\r\n"))) {
      encoder.break_line();
      if (c == '\r') ++i;
    } else if (is_literal(c) || c == ' ' || c == '\t') {
      encoder.literal(c);
    } else {
      encoder.escape(c);
    }
  }
  return encoder.finish();
}

std::string decode_quoted_printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  QuotedPrintableDecoder decoder;
  decoder.append(out, text);
  decoder.finish(out);
  return out;
}

// held_ is one of: blanks (perhaps with a CR), or '=' with what followed it: blanks, a CR, or one digit.
void QuotedPrintableDecoder::append(std::string& out, std::string_view piece) {
  while (!piece.empty()) {
    if (held_.empty()) {
      const std::size_t plain = piece.find_first_of("= \t\r");
      out += piece.substr(0, plain);
      if (plain == std::string_view::npos) return;
      piece.remove_prefix(plain);
    }
    append_octet(out, piece.front());
    piece.remove_prefix(1);
  }
}

void QuotedPrintableDecoder::append_octet(std::string& out, char c) {
  const bool blank = c == ' ' || c == '\t';
  if (held_.starts_with('=')) {
    const char last = held_.back();
    if (c == '\n' && (last == '\r' || last == '=' || last == ' ' || last == '\t')) {
      held_.clear();  // soft line break, blanks after the '=' included
    } else if (last != '\r' && hex_digit(last) < 0 && (c == '\r' || blank)) {
      held_.push_back(c);
    } else if (held_.size() == 1 && hex_digit(c) >= 0) {
      held_.push_back(c);
    } else if (held_.size() == 2 && hex_digit(last) >= 0 && hex_digit(c) >= 0) {
      out.push_back(static_cast<char>(hex_digit(last) << 4 | hex_digit(c)));
      held_.clear();
    } else {
      give_up_escape(out);
      append_octet(out, c);
    }
  } else if (blank && !held_.ends_with('\r')) {
    held_.push_back(c);
  } else if (c == '\r' && !held_.ends_with('\r')) {
    held_.push_back(c);
  } else if (c == '\n') {
    out += held_.ends_with('\r') ? "\r\n" : "\n";
    held_.clear();
  } else if (!held_.empty()) {
    out += held_;  // the blanks, or the CR, were inside the line
    held_.clear();
    append_octet(out, c);
  } else if (c == '=') {
    held_.push_back(c);
  } else {
    out.push_back(c);
  }
}

// LENIENT: an '=' that begins nothing valid stays, with what follows it (RFC 2045 §6.7 note 1 on rule 8).
void QuotedPrintableDecoder::give_up_escape(std::string& out) {
  irregular_ = true;
  out += held_;
  held_.clear();
}

void QuotedPrintableDecoder::finish(std::string& out) {
  const bool blanks_only = held_.find_first_not_of(" \t") == std::string::npos;
  if (held_.starts_with('=')) {
    if (held_.size() == 2 && hex_digit(held_[1]) >= 0) give_up_escape(out);  // else: a soft break at the very end
  } else if (!blanks_only) {
    out += held_;
  }
  held_.clear();
}

}  // namespace keystonemail::codec
