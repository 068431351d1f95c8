// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include <algorithm>
#include <array>

#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/password.hpp"

namespace keystonemail::crypto {
namespace {

// Words that guessers try first, in lower case. A password that is one of them with digits or signs round it is weak.
constexpr std::array<std::string_view, 56> common_words{
    "password", "passwort", "passw0rd", "p@ssword", "p@ssw0rd", "qwerty", "qwertz", "qwertyuiop", "azerty", "asdfgh", "asdfghjkl",
    "letmein", "welcome", "willkommen", "admin", "administrator", "root", "login", "master", "monkey", "dragon", "football", "baseball",
    "iloveyou", "sunshine", "princess", "superman", "batman", "trustno", "shadow", "michael", "jennifer", "charlie", "hunter", "secret",
    "geheim", "hallo", "hello", "test", "testtest", "changeme", "default", "guest", "user", "mail", "email", "mailserver", "computer",
    "internet", "server", "summer", "winter", "spring", "autumn", "correcthorsebatterystaple", "keystone"};

std::size_t count_characters(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string letters_of(std::string_view text) {
  std::string letters;
  for (const char c : text) {
    if (is_alpha(c)) letters.push_back(to_lower(c));
  }
  return letters;
}

// Of few different characters, or counting up or down: "aaaaaaaaaaaa", "123456789012".
bool is_monotonous(std::string_view text) noexcept {
  std::array<bool, 256> seen{};
  for (const unsigned char c : text) seen[c] = true;
  if (std::ranges::count(seen, true) < 5) return true;
  std::size_t steps = 0;
  for (std::size_t i = 1; i < text.size(); ++i) {
    const int difference = text[i] - text[i - 1];
    if ((difference >= -1 && difference <= 1) || difference == 9 || difference == -9) ++steps;
  }
  return text.size() > 1 && steps * 4 >= (text.size() - 1) * 3;
}

bool is_common(std::string_view password) {
  const auto lower = to_lower(password);
  const auto letters = letters_of(password);
  return std::ranges::any_of(common_words, [&](std::string_view word) {
    return lower == word || letters == word || (letters.size() == 2 * word.size() && letters == std::string(word) + std::string(word));
  });
}

}  // namespace

std::vector<std::string> password_weaknesses(std::string_view password, std::string_view login) {
  std::vector<std::string> reasons;
  if (count_characters(password) < limits::human_password_characters_min) {
    reasons.emplace_back("it has fewer than 12 characters");
  }
  if (is_common(password)) reasons.emplace_back("it is one of the first that guessers try");
  if (is_monotonous(password)) reasons.emplace_back("it repeats or counts the same few characters");
  const auto name = to_lower(login.substr(0, login.find('@')));
  if (name.size() >= 3 && to_lower(password).find(name) != std::string::npos) reasons.emplace_back("it contains the login");
  return reasons;
}

}  // namespace keystonemail::crypto
