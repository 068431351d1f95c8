// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/list_pattern.hpp"

#include <string>

#include "keystonemail/mailstore/mailstore.hpp"

namespace keystonemail::service::imap {

namespace {

constexpr std::size_t word_bits = 64;

// Neighbouring wildcards are one, and `*` swallows `%`.
std::string without_repeats(std::string_view pattern) {
  std::string result;
  for (const char c : pattern) {
    const bool wild = c == '*' || c == '%';
    const bool after_wild = !result.empty() && (result.back() == '*' || result.back() == '%');
    if (!wild || !after_wild) {
      result.push_back(c);
    } else if (c == '*') {
      result.back() = '*';
    }
  }
  return result;
}

void set_bit(std::uint64_t* words, std::size_t bit) noexcept {
  words[bit / word_bits] |= std::uint64_t{1} << bit % word_bits;
}

// Adds to `out` each place after one in `from`.
void advance(const std::uint64_t* from, std::uint64_t* out, std::size_t words) noexcept {
  std::uint64_t carry = 0;
  for (std::size_t i = 0; i < words; ++i) {
    const std::uint64_t moved = from[i] << 1 | carry;
    carry = from[i] >> (word_bits - 1);
    out[i] |= moved;
  }
}

}  // namespace

ListPattern::ListPattern(std::string_view pattern) {
  if (pattern.size() > limits::list_pattern_octets_max) {
    impossible_ = true;
    return;
  }
  const std::string simple = without_repeats(pattern);
  length_ = simple.size();
  words_ = length_ / word_bits + 1;
  literals_.resize(words_ * 256);
  any_.resize(words_);
  any_but_separator_.resize(words_);
  for (std::size_t i = 0; i < length_; ++i) {
    if (simple[i] == '*') {
      set_bit(any_.data(), i);
    } else if (simple[i] == '%') {
      set_bit(any_but_separator_.data(), i);
    } else {
      ++fixed_;
      set_bit(literals_.data() + words_ * static_cast<unsigned char>(simple[i]), i);
    }
  }
}

bool ListPattern::matches(std::string_view path) const {
  if (impossible_) return false;
  if (path.size() < fixed_) return false;
  Words places(words_), next(words_), advancing(words_);
  places[0] = 1;
  skip_wildcards(places);
  for (const char c : path) {
    const std::uint64_t* literal = literals_.data() + words_ * static_cast<unsigned char>(c);
    const bool separator = c == mailstore::limits::hierarchy_separator;
    for (std::size_t i = 0; i < words_; ++i) {
      advancing[i] = places[i] & literal[i];
      next[i] = places[i] & (separator ? any_[i] : any_[i] | any_but_separator_[i]);
    }
    advance(advancing.data(), next.data(), words_);
    skip_wildcards(next);
    places.swap(next);
  }
  return (places[length_ / word_bits] >> length_ % word_bits & 1) != 0;
}

// A wildcard may stand for nothing. No two are neighbours, so one step is all.
void ListPattern::skip_wildcards(Words& places) const noexcept {
  std::uint64_t carry = 0;
  for (std::size_t i = 0; i < words_; ++i) {
    const std::uint64_t wild = places[i] & (any_[i] | any_but_separator_[i]);
    places[i] |= wild << 1 | carry;
    carry = wild >> (word_bits - 1);
  }
}

}  // namespace keystonemail::service::imap
