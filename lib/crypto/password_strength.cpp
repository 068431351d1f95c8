// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// How hard a password is to guess for somebody who knows how people make them: the cheapest way to write it down as common
// words, walks over the keyboard, sequences, repetitions, years, the owner's own names, and single characters.
#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "crypto/common_words.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/password.hpp"

namespace keystonemail::crypto {
namespace {

// Tenths of bits: what a guesser pays for each kind of piece.
namespace price {
constexpr unsigned digit = 33, letter = 40, sign = 50, foreign = 60;
constexpr unsigned word = 100, walk = 80, sequence = 70, repetition = 40, year = 70, own_name = 30;
constexpr unsigned enough = 400;
}  // namespace price

constexpr std::size_t octets_looked_at_max = 128;  // the work grows with the square of it
constexpr std::size_t own_name_letters_min = 3;
constexpr std::size_t walk_keys_min = 4, sequence_min = 3;

enum class Piece : std::uint8_t { character, word, walk, sequence, repetition, year, own_name };
constexpr std::array<std::string_view, 7> piece_names{"", "a common word", "neighbouring keys", "a sequence", "a repetition",
                                                      "a year", "the login"};

// Rows and columns of keyboards: American, German and French ones and the number pad.
constexpr std::array<std::string_view, 24> key_rows{
    "1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./", "qwertzuiop", "yxcvbnm,.-", "azertyuiop", "qsdfghjklm", "wxcvbn",
    "1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm", "8ik,", "9ol.", "0p;/", "1234qwer", "asdfzxcv", "789456123", "741852963", "!@#$%^&*()"};

// What a character stands for where letters are written with digits and signs; 1, ! and | may be an i or an l.
char plain_letter(char c, char one) noexcept {
  switch (c) {
    case '0': return 'o';
    case '1': case '!': case '|': return one;
    case '2': return 'z';
    case '3': return 'e';
    case '4': case '@': return 'a';
    case '5': case '$': return 's';
    case '7': case '+': return 't';
    case '8': return 'b';
    case '9': return 'g';
    default: return to_lower(c);
  }
}

std::string with_plain_letters(std::string_view text, char one) {
  std::string out(text);
  for (char& c : out) c = plain_letter(c, one);
  return out;
}

std::string reversed(std::string_view text) { return {text.rbegin(), text.rend()}; }

bool is_common_word(std::string_view text) noexcept { return std::ranges::binary_search(common_words, text); }

bool is_walk(std::string_view text) {
  const std::string back = reversed(text);
  return std::ranges::any_of(key_rows, [&](std::string_view row) {
    return row.find(text) != std::string_view::npos || row.find(back) != std::string_view::npos;
  });
}

// The distance between neighbours of a sequence: 1 for "abc" and "890", -1 for "321", 2 for "2468"; nothing for others.
std::optional<int> step(char a, char b) noexcept {
  if (is_digit(a) && is_digit(b)) {
    const int difference = b - a;
    if (difference == -9 || difference == 9) return difference < 0 ? 1 : -1;
    return difference >= -2 && difference <= 2 && difference != 0 ? std::optional(difference) : std::nullopt;
  }
  const int difference = to_lower(b) - to_lower(a);
  return is_alpha(a) && is_alpha(b) && (difference == 1 || difference == -1) ? std::optional(difference) : std::nullopt;
}

std::size_t sequence_at(std::string_view text) noexcept {
  std::size_t length = 1;
  std::optional<int> first;
  for (; length < text.size(); ++length) {
    const auto next = step(text[length - 1], text[length]);
    if (!next || (first && *first != *next)) break;
    first = next;
  }
  return length;
}

bool is_year(std::string_view text) noexcept {
  return text.size() == 4 && (text.starts_with("19") || text.starts_with("20")) && is_digit(text[2]) && is_digit(text[3]);
}

unsigned price_of(char c) noexcept {
  const auto octet = static_cast<unsigned char>(c);
  if (octet >= 0x80) return (octet & 0xC0) == 0x80 ? 0 : price::foreign;
  return is_digit(c) ? price::digit : is_alpha(c) ? price::letter : price::sign;
}

// The local part of the login and the labels of its domain, the last of them left out.
std::vector<std::string> names_of(std::string_view login) {
  std::vector<std::string> names;
  const auto at = login.rfind('@');
  std::string lower = to_lower(login.substr(0, at));
  std::string part;
  for (const char c : lower + ".") {
    if (is_alpha(c) || is_digit(c)) {
      part += c;
      continue;
    }
    if (part.size() >= own_name_letters_min) names.push_back(part);
    part.clear();
  }
  if (lower.size() >= own_name_letters_min) names.push_back(std::move(lower));
  if (at == std::string_view::npos) return names;
  const std::string domain = to_lower(login.substr(at + 1));
  std::size_t first = 0;
  for (auto dot = domain.find('.'); dot != std::string::npos; first = dot + 1, dot = domain.find('.', first))
    if (dot - first > own_name_letters_min) names.push_back(domain.substr(first, dot - first));
  return names;
}

// The cheapest description of a password, found from its beginning to its end.
class Description {
 public:
  Description(std::string_view password, std::string_view login)
      : text_(to_lower(password)), forms_{text_, with_plain_letters(text_, 'i'), with_plain_letters(text_, 'l')}, names_(names_of(login)),
        best_(text_.size() + 1) {
    for (std::size_t at = 0; at < text_.size(); ++at) look_from(at);
  }

  [[nodiscard]] unsigned bits_in_tenths() const noexcept { return best_.back().cost; }
  // The kinds of pieces it is made of, but for single characters, each once and in order.
  [[nodiscard]] std::vector<Piece> pieces() const {
    std::vector<Piece> kinds;
    for (std::size_t end = text_.size(); end > 0; end = best_[end].from) {
      const Piece kind = best_[end].piece;
      if (kind != Piece::character && std::ranges::find(kinds, kind) == kinds.end()) kinds.insert(kinds.begin(), kind);
    }
    return kinds;
  }

 private:
  struct Best {
    unsigned cost = 0;
    std::size_t from = 0;
    Piece piece = Piece::character;
    bool is_set = false;
  };

  void offer(std::size_t from, std::size_t length, Piece piece, unsigned cost) {
    Best& best = best_[from + length];
    const unsigned whole = best_[from].cost + cost;
    if (best.is_set && best.cost <= whole) return;
    best = {whole, from, piece, true};
  }

  void look_from(std::size_t at) {
    const std::string_view rest = std::string_view(text_).substr(at);
    offer(at, 1, Piece::character, price_of(rest[0]));
    if (const std::size_t length = sequence_at(rest); length >= sequence_min) offer(at, length, Piece::sequence, price::sequence);
    for (std::size_t length = walk_keys_min; length <= rest.size() && is_walk(rest.substr(0, length)); ++length)
      offer(at, length, Piece::walk, price::walk);
    if (is_year(rest.substr(0, 4))) offer(at, 4, Piece::year, price::year);
    for (std::size_t length = 1; length <= at && length <= rest.size(); ++length)
      if (std::string_view(text_).substr(at - length, length) == rest.substr(0, length)) offer(at, length, Piece::repetition, price::repetition);
    if (const std::size_t same = std::min(rest.find_first_not_of(rest[0]), rest.size()); same >= sequence_min)
      offer(at, same, Piece::repetition, price::repetition);
    look_for_words(at);
  }

  void look_for_words(std::size_t at) {
    for (const std::string& form : forms_) {
      const std::string_view rest = std::string_view(form).substr(at);
      const std::size_t longest = std::min(rest.size(), common_word_letters_max);
      for (std::size_t length = common_word_letters_min; length <= longest; ++length) {
        const auto part = rest.substr(0, length);
        if (is_common_word(part) || is_common_word(reversed(part))) offer(at, length, Piece::word, price::word);
      }
      for (const std::string& name : names_)
        if (rest.starts_with(name) || rest.starts_with(reversed(name))) offer(at, name.size(), Piece::own_name, price::own_name);
    }
  }

  std::string text_;
  std::array<std::string, 3> forms_;
  std::vector<std::string> names_;
  std::vector<Best> best_;  // of the first so many octets
};

std::size_t count_characters(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string list(const std::vector<Piece>& pieces) {
  std::string text;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (i > 0) text += i + 1 == pieces.size() ? " and " : ", ";
    text += piece_names[static_cast<std::size_t>(pieces[i])];
  }
  return text;
}

}  // namespace

std::vector<std::string> password_weaknesses(std::string_view password, std::string_view login) {
  std::vector<std::string> reasons;
  if (count_characters(password) < limits::human_password_characters_min) {
    reasons.emplace_back("it has fewer than 12 characters");
  }
  const Description description(password.substr(0, octets_looked_at_max), login);
  const auto pieces = description.pieces();
  if (!pieces.empty() && description.bits_in_tenths() < price::enough) {
    reasons.push_back("guessers try what it is made of first: " + list(pieces));
  } else if (std::ranges::find(pieces, Piece::own_name) != pieces.end()) {
    reasons.emplace_back("it contains the login");
  }
  return reasons;
}

}  // namespace keystonemail::crypto
