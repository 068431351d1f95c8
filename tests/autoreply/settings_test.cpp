// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/autoreply/settings.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;
using namespace keystonemail::autoreply;

namespace {

std::optional<ErrorKind> fault(const Settings& settings) {
  const auto checked = check_settings(settings);
  return checked ? std::nullopt : std::optional(checked.error().kind());
}

}  // namespace

TEST_CASE("autoreply settings: what can be sent is taken, in any script") {
  CHECK(!fault({}));
  CHECK(!fault({.subject = "Bin im Urlaub – 休暇中", .text = "Grüße\nBis bald", .address = "anna@example.test", .days = 31}));
  CHECK(!fault({.from = WallTime(std::chrono::hours(1)), .until = WallTime(std::chrono::hours(2))}));
}

TEST_CASE("E4 autoreply settings: texts have a ceiling, as an answer may go to somebody who never asked") {
  CHECK(!fault({.text = std::string(limits::text_octets_max, 'x')}));
  CHECK(fault({.text = std::string(limits::text_octets_max + 1, 'x')}) == ErrorKind::too_large);
  CHECK(fault({.html = std::string(limits::text_octets_max + 1, 'x')}) == ErrorKind::too_large);
  CHECK(fault({.subject = std::string(limits::subject_octets_max + 1, 'x')}) == ErrorKind::too_large);
}

TEST_CASE("autoreply settings: what is no text, no line, no address or no time is refused") {
  CHECK(fault({.text = "\xff"}) == ErrorKind::invalid);
  CHECK(fault({.text = std::string("a\0b", 3)}) == ErrorKind::invalid);
  CHECK(fault({.subject = "a\r\nBcc: everybody@example.test"}) == ErrorKind::invalid);
  CHECK(fault({.subject = "a\x7f"}) == ErrorKind::invalid);
  CHECK(fault({.address = "anna"}) == ErrorKind::invalid);
  CHECK(fault({.from = WallTime(std::chrono::hours(2)), .until = WallTime(std::chrono::hours(2))}) == ErrorKind::invalid);
  CHECK(fault({.days = 0}) == ErrorKind::invalid);
  CHECK(fault({.days = 32}) == ErrorKind::invalid);
}

TEST_CASE("autoreply settings: an answer is known by what it says, not by when; words do not slip from one field into the next") {
  const Settings one{.subject = "a", .text = "b"};
  Settings later = one;
  later.enabled = true;
  later.from = WallTime(std::chrono::hours(9));
  later.days = 3;
  CHECK(response_name(one) == response_name(later));
  CHECK(response_name(one) != response_name({.subject = "a", .text = "c"}));
  CHECK(response_name(one) != response_name({.subject = "ab"}));
  CHECK(response_name({.text = "b"}) != response_name({.html = "b"}));
}
