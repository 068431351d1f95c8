// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/codec/base64.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace keystonemail::codec {
namespace {

constexpr std::string_view standard_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view url_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t no_value = 0xff;

constexpr std::array<std::uint8_t, 256> values_of(std::string_view alphabet) {
  std::array<std::uint8_t, 256> values{};
  values.fill(no_value);
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  return values;
}

constexpr auto standard_values = values_of(standard_alphabet);
constexpr auto url_values = values_of(url_alphabet);

// Two characters for every 12 bits: halves the look-ups.
struct CharacterPair {
  char first, second;
};
constexpr std::array<CharacterPair, 4096> pairs_of(std::string_view alphabet) {
  std::array<CharacterPair, 4096> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i] = {alphabet[i >> 6], alphabet[i & 63]};
  return pairs;
}
constexpr auto standard_pairs = pairs_of(standard_alphabet);

// The bits of a character already in its place of a quantum; the top bit says it is none.
constexpr std::uint32_t bad_character = 0x8000'0000;
using QuantumTable = std::array<std::uint32_t, 256>;
constexpr QuantumTable placed(unsigned shift) {
  QuantumTable table{};
  for (std::size_t i = 0; i < 256; ++i)
    table[i] = standard_values[i] == no_value ? bad_character : static_cast<std::uint32_t>(standard_values[i]) << shift;
  return table;
}
constexpr QuantumTable first_bits = placed(18), second_bits = placed(12), third_bits = placed(6), fourth_bits = placed(0);

std::uint32_t octet(const char* p) { return static_cast<unsigned char>(*p); }

#if defined(__x86_64__)
// The octets of a quantum a b c as b a c b: two 16-bit words, in each of which lie two characters' bits.
alignas(16) constexpr std::array<std::int8_t, 16> spread{1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10};
// What makes a value its character: by range a-z (0), each digit (1 to 10), + and /, and A-Z (13).
alignas(16) constexpr std::array<std::int8_t, 16> steps{'a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                                                        '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0};
__m128i load(const void* from) noexcept { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }

// Writes 16 characters for 12 octets as long as 16 are left to look at, and says how many octets that were.
__attribute__((target("ssse3"))) std::size_t encode_twelves(char* to, const char* from, std::size_t octets) noexcept {
  std::size_t done = 0;
  for (; octets - done >= 16; done += 12, to += 16) {
    const __m128i words = _mm_shuffle_epi8(load(from + done), load(spread.data()));
    // First and third character by a multiplication that shifts down, second and fourth by one that shifts up.
    const __m128i odd = _mm_mulhi_epu16(_mm_and_si128(words, _mm_set1_epi32(0x0fc0fc00)), _mm_set1_epi32(0x04000040));
    const __m128i even = _mm_mullo_epi16(_mm_and_si128(words, _mm_set1_epi32(0x003f03f0)), _mm_set1_epi32(0x01000010));
    const __m128i values = _mm_or_si128(odd, even);
    const __m128i capital = _mm_and_si128(_mm_cmpgt_epi8(_mm_set1_epi8(26), values), _mm_set1_epi8(13));
    const __m128i range = _mm_or_si128(_mm_subs_epu8(values, _mm_set1_epi8(51)), capital);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_add_epi8(values, _mm_shuffle_epi8(load(steps.data()), range)));
  }
  return done;
}

// The same, twice as wide and by whole lines with their line ends, of which it gives the number. What is written behind a line is
// written over by the next; up to line_slack characters behind the last.
constexpr std::size_t line_slack = 32;
__attribute__((target("avx2"))) std::size_t encode_lines(char* to, std::string_view octets, std::size_t line_characters,
                                                         std::string_view line_end) noexcept {
  const std::size_t line_octets = line_characters / 4 * 3;
  const std::size_t looked_at = (line_octets + 23) / 24 * 24 + 4;
  const __m256i spread_twice = _mm256_broadcastsi128_si256(load(spread.data())), steps_twice = _mm256_broadcastsi128_si256(load(steps.data()));
  std::size_t done = 0;
  for (; octets.size() - done >= looked_at; done += line_octets, to += line_characters + line_end.size()) {
    const char* from = octets.data() + done;
    for (std::size_t at = 0; at < line_octets; at += 24) {
      const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(load(from + at)), load(from + at + 12), 1);
      const __m256i words = _mm256_shuffle_epi8(both, spread_twice);
      const __m256i odd = _mm256_mulhi_epu16(_mm256_and_si256(words, _mm256_set1_epi32(0x0fc0fc00)), _mm256_set1_epi32(0x04000040));
      const __m256i even = _mm256_mullo_epi16(_mm256_and_si256(words, _mm256_set1_epi32(0x003f03f0)), _mm256_set1_epi32(0x01000010));
      const __m256i values = _mm256_or_si256(odd, even);
      const __m256i capital = _mm256_and_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(26), values), _mm256_set1_epi8(13));
      const __m256i range = _mm256_or_si256(_mm256_subs_epu8(values, _mm256_set1_epi8(51)), capital);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + at / 3 * 4), _mm256_add_epi8(values, _mm256_shuffle_epi8(steps_twice, range)));
    }
    for (std::size_t i = 0; i < line_end.size(); ++i) to[line_characters + i] = line_end[i];
  }
  return done / line_octets;
}
#endif

// Writes 4 characters for every 3 of `octets`. REQUIRES: a multiple of 3.
char* encode_quanta(char* to, const char* from, std::size_t octets) {
  assert(octets % 3 == 0);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("ssse3")) {
    const std::size_t done = encode_twelves(to, from, octets);
    to += done / 3 * 4;
    from += done;
    octets -= done;
  }
#endif
  for (const char* const end = from + octets; from != end; from += 3, to += 4) {
    const std::uint32_t bits = octet(from) << 16 | octet(from + 1) << 8 | octet(from + 2);
    std::memcpy(to, &standard_pairs[bits >> 12], 2);
    std::memcpy(to + 2, &standard_pairs[bits & 0xfff], 2);
  }
  return to;
}

// The last 1 or 2 octets, padded.
char* encode_rest(char* to, const char* from, std::size_t octets) {
  if (octets == 0) return to;
  const std::uint32_t bits = octet(from) << 16 | (octets == 2 ? octet(from + 1) << 8 : 0);
  to[0] = standard_alphabet[bits >> 18];
  to[1] = standard_alphabet[bits >> 12 & 63];
  to[2] = octets == 2 ? standard_alphabet[bits >> 6 & 63] : '=';
  to[3] = '=';
  return to + 4;
}

// Decodes whole quanta without padding until one is not clean; gives the octets consumed.
std::size_t decode_quanta(char*& to, std::string_view text) {
  const char* from = text.data();
  for (const char* const end = from + text.size() / 4 * 4; from != end; from += 4) {
    const std::uint32_t bits =
        first_bits[octet(from)] | second_bits[octet(from + 1)] | third_bits[octet(from + 2)] | fourth_bits[octet(from + 3)];
    if (bits & bad_character) break;
    to[0] = static_cast<char>(bits >> 16);
    to[1] = static_cast<char>(bits >> 8);
    to[2] = static_cast<char>(bits);
    to += 3;
  }
  return static_cast<std::size_t>(from - text.data());
}

std::string_view text_of(Base64Layout::LineEnd line_end) { return line_end == Base64Layout::LineEnd::crlf ? "\r\n" : "\n"; }
void put_line_end(std::string& out, Base64Layout::LineEnd line_end) { out += text_of(line_end); }
std::size_t line_end_octets(Base64Layout::LineEnd line_end) { return text_of(line_end).size(); }

// Appends full lines with their line ends where that can be done fast, as long as more octets follow in `octets`; gives the
// octets encoded.
#if defined(__x86_64__)
std::size_t append_lines(std::string& out, std::string_view octets, const Base64Layout& layout) {
  std::size_t lines = 0;
  if (!__builtin_cpu_supports("avx2")) return 0;
  const std::size_t line = layout.line_octets + line_end_octets(layout.line_end), at = out.size();
  const std::size_t lines_max = octets.size() / (layout.line_octets / 4 * 3);
  out.resize_and_overwrite(at + lines_max * line + line_slack, [&](char* text, std::size_t) {
    lines = encode_lines(text + at, octets, layout.line_octets, text_of(layout.line_end));
    return at + lines * line;
  });
  return lines * (layout.line_octets / 4 * 3);
}
#else
std::size_t append_lines(std::string&, std::string_view, const Base64Layout&) { return 0; }
#endif

}  // namespace

void append_base64(std::string& out, std::string_view octets) {
  const std::size_t at = out.size(), whole = octets.size() / 3 * 3, end = at + (octets.size() + 2) / 3 * 4;
  out.resize_and_overwrite(end, [&](char* text, std::size_t) {
    char* to = encode_quanta(text + at, octets.data(), whole);
    to = encode_rest(to, octets.data() + whole, octets.size() - whole);
    assert(to == text + end);
    return end;
  });
}

std::string encode_base64(std::string_view octets, Base64Alphabet alphabet) {
  std::string out;
  append_base64(out, octets);
  if (alphabet == Base64Alphabet::standard) return out;
  while (out.ends_with('=')) out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

std::optional<std::string> decode_base64(std::string_view text, Base64Alphabet alphabet) {
  if (alphabet == Base64Alphabet::standard) {
    if (text.size() % 4 != 0) return std::nullopt;
    if (text.ends_with("==")) text.remove_suffix(2);
    else if (text.ends_with('=')) text.remove_suffix(1);
  }
  if (text.size() % 4 == 1) return std::nullopt;
  const auto& values = alphabet == Base64Alphabet::standard ? standard_values : url_values;
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const auto value = values[static_cast<unsigned char>(c)];
    if (value == no_value) return std::nullopt;
    bits = bits << 6 | value;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> count));
  }
  if ((bits & ((1U << count) - 1)) != 0) return std::nullopt;  // RFC 4648 §3.5: unused bits are zero
  return out;
}

void Base64Decoder::append(std::string& out, std::string_view piece) {
  std::size_t used = out.size();
  out.resize(used + piece.size() / 4 * 3 + 3);  // once, not for every line
  std::string rest;
  while (!piece.empty()) {
    if (characters_ == 0 && padding_due_ == 0 && !padded_) {
      char* to = out.data() + used;
      piece.remove_prefix(decode_quanta(to, piece));
      used = static_cast<std::size_t>(to - out.data());
    }
    // To the end of the line, by which what stopped the fast path has passed.
    const std::size_t newline = piece.find('\n');
    const std::size_t count = newline == std::string_view::npos ? piece.size() : newline + 1;
    rest.clear();
    append_slowly(rest, piece.substr(0, count));
    assert(used + rest.size() <= out.size());
    rest.copy(out.data() + used, rest.size());
    used += rest.size();
    piece.remove_prefix(count);
  }
  out.resize(used);
}

// LENIENT: everything outside the alphabet is passed over, and data may go on after padding: mailing-list software
// appends footers to encoded bodies, and concatenated encodings occur.
void Base64Decoder::append_slowly(std::string& out, std::string_view piece) {
  for (const char c : piece) {
    const auto value = standard_values[static_cast<unsigned char>(c)];
    if (value != no_value) {
      if (padding_due_ != 0 || padded_) irregular_ = true;
      padding_due_ = 0;
      padded_ = false;
      bits_ = bits_ << 6 | value;
      if (++characters_ < 4) continue;
      out.push_back(static_cast<char>(bits_ >> 16));
      out.push_back(static_cast<char>(bits_ >> 8));
      out.push_back(static_cast<char>(bits_));
      characters_ = 0;
      bits_ = 0;
    } else if (c == '=') {
      if (padding_due_ > 0) {
        --padding_due_;
      } else if (characters_ >= 2) {
        padding_due_ = static_cast<std::uint8_t>(3 - characters_);
        flush(out);
      } else {
        irregular_ = true;
      }
      padded_ = true;
    } else if (c != '\r' && c != '\n' && c != ' ' && c != '\t') {
      irregular_ = true;
    }
  }
}

void Base64Decoder::flush(std::string& out) {
  if (characters_ == 2) {
    out.push_back(static_cast<char>(bits_ >> 4));
  } else if (characters_ == 3) {
    out.push_back(static_cast<char>(bits_ >> 10));
    out.push_back(static_cast<char>(bits_ >> 2));
  }
  characters_ = 0;
  bits_ = 0;
}

void Base64Decoder::finish(std::string& out) {
  if (characters_ != 0 || padding_due_ != 0) irregular_ = true;
  flush(out);
  padding_due_ = 0;
  padded_ = false;
}

std::optional<Base64Body> decode_base64_body(std::string_view body) {
  Base64Body result;
  Base64Layout& layout = result.layout;
  const std::size_t newline = body.find('\n');
  if (newline != std::string_view::npos) {
    const bool crlf = newline > 0 && body[newline - 1] == '\r';
    layout.line_end = crlf ? Base64Layout::LineEnd::crlf : Base64Layout::LineEnd::lf;
  }
  const std::string_view line_end = layout.line_end == Base64Layout::LineEnd::crlf ? "\r\n" : "\n";
  while (body.ends_with(line_end)) {
    if (++layout.trailing_line_ends == 0xff) return std::nullopt;
    body.remove_suffix(line_end.size());
  }
  const std::size_t line_octets = body.find(line_end);
  if (line_octets != std::string_view::npos) {
    if (line_octets == 0 || line_octets % 4 != 0 || line_octets > 0xffff) return std::nullopt;
    layout.line_octets = static_cast<std::uint32_t>(line_octets);
  }
  result.octets.resize(body.size() / 4 * 3);
  char* to = result.octets.data();
  while (layout.line_octets != 0 && body.size() > layout.line_octets) {
    if (decode_quanta(to, body.substr(0, layout.line_octets)) != layout.line_octets) return std::nullopt;
    body.remove_prefix(layout.line_octets);
    if (!body.starts_with(line_end)) return std::nullopt;
    body.remove_prefix(line_end.size());
  }
  if (body.size() % 4 != 0) return std::nullopt;
  body.remove_prefix(decode_quanta(to, body));
  result.octets.resize(static_cast<std::size_t>(to - result.octets.data()));
  if (body.size() > 4) return std::nullopt;
  const auto last = decode_base64(body);
  if (!last) return std::nullopt;
  result.octets += *last;
  return result;
}

std::string encode_base64(std::string_view octets, const Base64Layout& layout) {
  std::string out;
  out.reserve(encoded_base64_octets(octets.size(), layout));
  Base64Encoder encoder(layout);
  encoder.append(out, octets);
  encoder.finish(out);
  return out;
}

std::uint64_t encoded_base64_octets(std::uint64_t octets, const Base64Layout& layout) noexcept {
  const std::uint64_t characters = (octets + 2) / 3 * 4;
  const std::uint64_t inner = layout.line_octets == 0 || characters == 0 ? 0 : (characters - 1) / layout.line_octets;
  return characters + (inner + layout.trailing_line_ends) * line_end_octets(layout.line_end);
}

void Base64Encoder::append(std::string& out, std::string_view octets) {
  if (held_ > 0) {
    while (held_ < 3 && !octets.empty()) {
      hold_[held_++] = octets.front();
      octets.remove_prefix(1);
    }
    if (held_ < 3) return;
    append_quanta(out, {hold_, 3});
    held_ = 0;
  }
  const std::size_t whole = octets.size() / 3 * 3;
  append_quanta(out, octets.substr(0, whole));
  octets.remove_prefix(whole);
  for (const char c : octets) hold_[held_++] = c;
}

void Base64Encoder::append_quanta(std::string& out, std::string_view octets) {
  while (!octets.empty()) {
    std::size_t count = octets.size();
    if (layout_.line_octets != 0) {
      if (column_ == layout_.line_octets) {
        put_line_end(out, layout_.line_end);
        column_ = 0;
      }
      if (column_ == 0) octets.remove_prefix(append_lines(out, octets, layout_));
      count = octets.size();
      count = std::min<std::size_t>(count, (layout_.line_octets - column_) / 4 * 3);
      column_ += static_cast<std::uint32_t>(count / 3 * 4);
    }
    append_base64(out, octets.substr(0, count));
    octets.remove_prefix(count);
  }
}

void Base64Encoder::finish(std::string& out) {
  if (held_ > 0) {
    if (layout_.line_octets != 0 && column_ == layout_.line_octets) put_line_end(out, layout_.line_end);
    append_base64(out, {hold_, held_});
    held_ = 0;
  }
  for (unsigned i = 0; i < layout_.trailing_line_ends; ++i) put_line_end(out, layout_.line_end);
  column_ = 0;
}

}  // namespace keystonemail::codec
