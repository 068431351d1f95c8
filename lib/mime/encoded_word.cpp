// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mime/encoded_word.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/base64.hpp"
#include "keystonemail/codec/charset.hpp"
#include "keystonemail/codec/hex.hpp"
#include "keystonemail/mime/header.hpp"
#include "mime/one_line.hpp"
#include "mime/scanner.hpp"

namespace keystonemail::mime {
namespace {

constexpr std::size_t encoded_word_octets_max = 75;  // RFC 2047 §2
constexpr std::size_t charset_octets_max = 64;       // read: the longest registered name has 45

// RFC 2047 §2  encoded-word = "=?" charset "?" encoding "?" encoded-text "?="
struct EncodedWord {
  std::string_view charset;  // language (RFC 2231 §5) taken off
  char encoding;             // 'b' or 'q'
  std::string_view text;
  std::size_t octets;
};

// The one at the start of `text`. LENIENT: any length, and blanks in the text, since both are sent.
std::optional<EncodedWord> read_encoded_word(std::string_view text) {
  if (!text.starts_with("=?")) return std::nullopt;
  const std::size_t charset_end = text.substr(0, charset_octets_max).find('?', 2);
  if (charset_end == std::string_view::npos || charset_end == 2 || text.size() < charset_end + 5) return std::nullopt;
  EncodedWord word;
  word.charset = text.substr(2, charset_end - 2);
  word.charset = word.charset.substr(0, word.charset.find('*'));
  if (std::ranges::any_of(word.charset, is_blank)) return std::nullopt;
  word.encoding = to_lower(text[charset_end + 1]);
  if ((word.encoding != 'b' && word.encoding != 'q') || text[charset_end + 2] != '?') return std::nullopt;
  const std::size_t begin = charset_end + 3;
  std::size_t end = text.find('?', begin);
  if (end == std::string_view::npos || end + 1 >= text.size() || text[end + 1] != '=') return std::nullopt;
  word.text = text.substr(begin, end - begin);
  word.octets = end + 2;
  return word;
}

// RFC 2047 §4.2: quoted-printable but for '_'.
void append_q_decoded(std::string& out, std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '=' && text.size() - i > 2 && codec::hex_digit(text[i + 1]) >= 0 &&
        codec::hex_digit(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(codec::hex_digit(text[i + 1]) << 4 | codec::hex_digit(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i] == '_' ? ' ' : text[i]);
    }
  }
}

class TextDecoding {
 public:
  explicit TextDecoding(std::size_t octets) { out_.reserve(octets); }

  void add_word(const EncodedWord& word) {
    // Words of one charset and encoding side by side are converted together. LENIENT: §5 forbids to split a
    // character between them, and software does it all the same.
    blanks_ = {};
    if (open_ && !iequals(charset_, word.charset)) flush();
    open_ = true;
    charset_ = word.charset;
    if (word.encoding == 'q') {
      append_q_decoded(octets_, word.text);
    } else {
      codec::Base64Decoder decoder;
      decoder.append(octets_, word.text);
      decoder.finish(octets_);
    }
  }
  // Blanks count only if something else than an encoded word follows (§6.2).
  void add_blanks(std::string_view blanks) {
    if (open_) blanks_ = blanks;
    else out_ += blanks;
  }
  void add_plain(std::string_view text) {
    flush();
    if (is_ascii(text)) out_ += text;
    else codec::append_valid_utf8(out_, text);
  }
  [[nodiscard]] std::string finish() {
    flush();
    return std::move(out_);
  }

 private:
  void flush() {
    if (!open_) return;
    std::string text = codec::to_utf8(octets_, charset_);
    for (char& c : text)
      if (c == '\r' || c == '\n' || c == '\0') c = ' ';
    out_ += text;
    out_ += blanks_;
    octets_.clear();
    blanks_ = {};
    open_ = false;
  }

  std::string out_;
  std::string octets_;  // decoded, not yet converted
  std::string_view charset_, blanks_;
  bool open_ = false;
};

// The end of what is surely no encoded word.
std::size_t plain_end(std::string_view text) {
  std::size_t end = std::min(text.find("=?", 1), text.size());
  while (end > 0 && end < text.size() && is_blank(text[end - 1])) --end;  // those blanks may have to go
  return end;
}

bool is_q_literal(char c) {  // RFC 2047 §5 (3): safe in a phrase, hence everywhere
  return is_alpha(c) || is_digit(c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/';
}

std::size_t q_octets(char c) { return is_q_literal(c) || c == ' ' ? 1 : 3; }

void append_q_encoded(std::string& out, std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (is_q_literal(c)) out.push_back(c);
    else if (c == ' ') out.push_back('_');
    else out += {'=', digits[octet >> 4], digits[octet & 15]};
  }
}

// All of `utf8` in encoded words of whole characters, the shorter of the two encodings.
std::string encode_words(std::string_view utf8) {
  constexpr std::string_view q_begin = "=?UTF-8?Q?", b_begin = "=?UTF-8?B?";
  constexpr std::size_t room = encoded_word_octets_max - q_begin.size() - 2;
  constexpr std::size_t b_room = room / 4 * 3;
  std::size_t q_size = 0;
  for (const char c : utf8) q_size += q_octets(c);
  const bool use_q = q_size <= (utf8.size() + 2) / 3 * 4;
  std::string out;
  while (!utf8.empty()) {
    std::size_t octets = 0, used = 0;
    while (octets < utf8.size()) {
      const auto decoded = decode_utf8(utf8.substr(octets));
      const std::size_t next = decoded ? decoded->octets : 1;
      std::size_t cost = next;
      if (use_q) {
        cost = 0;
        for (const char c : utf8.substr(octets, next)) cost += q_octets(c);
      }
      if (used + cost > (use_q ? room : b_room)) break;
      used += cost;
      octets += next;
    }
    if (!out.empty()) out.push_back(' ');
    out += use_q ? q_begin : b_begin;
    if (use_q) append_q_encoded(out, utf8.substr(0, octets));
    else codec::append_base64(out, utf8.substr(0, octets));
    out += "?=";
    utf8.remove_prefix(octets);
  }
  return out;
}

// Whether folding cannot keep a line within RFC 5322 §2.1.1.
bool has_long_word(std::string_view text) {
  constexpr std::size_t word_octets_max = 900;
  while (text.size() > word_octets_max) {
    const std::size_t blank = text.find(' ');
    if (std::min(blank, text.size()) > word_octets_max) return true;
    text.remove_prefix(blank + 1);
  }
  return false;
}

}  // namespace

std::string decode_text(std::string_view value) {
  const std::string unfolded = unfold(value);
  std::string_view text = unfolded;
  TextDecoding decoding(text.size());
  while (!text.empty()) {
    if (const auto word = read_encoded_word(text)) {
      decoding.add_word(*word);
      text.remove_prefix(word->octets);
    } else if (is_blank(text.front())) {
      const std::size_t end = std::min(text.find_first_not_of(" \t"), text.size());
      decoding.add_blanks(text.substr(0, std::max<std::size_t>(end, 1)));
      text.remove_prefix(std::max<std::size_t>(end, 1));
    } else {
      const std::size_t end = plain_end(text);
      decoding.add_plain(text.substr(0, end));
      text.remove_prefix(end);
    }
  }
  return decoding.finish();
}

std::string encode_text(std::string_view utf8) {
  const std::string text = one_line(utf8);
  if (is_ascii(text) && text.find("=?") == std::string::npos && !has_long_word(text)) return text;
  return encode_words(text);
}

std::string encode_phrase(std::string_view utf8) {
  const std::string text = one_line(utf8);
  if (!is_ascii(text) || text.find("=?") != std::string::npos || has_long_word(text)) return encode_words(text);
  const bool atoms = std::ranges::all_of(text, [](char c) {
    return is_alpha(c) || is_digit(c) || std::string_view("!#$%&'*+-/=?^_`{|}~ ").find(c) != std::string_view::npos;
  });
  if (atoms && trim(text) == text && text.find("  ") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out += '"';
}

}  // namespace keystonemail::mime
