// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/srs/rewriter.hpp"

#include <doctest/doctest.h>

#include "keystonemail/base/text.hpp"

using namespace keystonemail;
using namespace keystonemail::mailauth::srs;

namespace {

const std::string secret = "0123456789abcdef0123456789abcdef", other_secret = "fedcba9876543210fedcba9876543210";
const WallTime today = WallTime(std::chrono::days(20'000));

Rewriter rewriter(std::string domain = "us.test", std::vector<std::string> secrets = {secret}) {
  return Rewriter({.domain = std::move(domain), .secrets = std::move(secrets)});
}
Fault fault_of(const Rewriter& r, const Mailbox& address, WallTime now = today) {
  const auto found = r.reverse(address, now);
  REQUIRE(!found);
  return found.error();
}

}  // namespace

TEST_CASE("srs: a sender becomes one of ours, and is found again") {
  const auto r = rewriter();
  const Mailbox sender{"carol+x=y", "Else.test"};
  const auto made = r.forward(sender, today);
  REQUIRE(made);
  CHECK(made->domain == "us.test");
  CHECK(made->local.starts_with("SRS0="));
  CHECK(made->local.ends_with("=else.test=carol+x=y"));
  CHECK(made->local.size() == std::string("SRS0=HHHHHHHH=TT=else.test=carol+x=y").size());
  REQUIRE(r.recognizes(*made));
  const auto back = r.reverse(*made, today);
  REQUIRE(back);
  CHECK(*back == Mailbox{"carol+x=y", "else.test"});
}

TEST_CASE("srs: case that is lost on the way, and other separators behind the tag, do no harm") {
  const auto r = rewriter();
  auto made = r.forward({"Carol", "else.test"}, today).value();
  const auto lower = r.reverse({to_lower(made.local), "US.TEST"}, today);
  REQUIRE(lower);
  CHECK(*lower == Mailbox{"carol", "else.test"});
  made.local[4] = '+';
  CHECK(r.reverse(made, today).has_value());
  made.local[4] = '-';
  CHECK(r.reverse(made, today).has_value());
}

TEST_CASE("srs: what another forwarder made becomes SRS1, by whatever number of hands, and leads to the first of them") {
  const auto first = rewriter("one.test"), second = rewriter("two.test", {other_secret}), third = rewriter("three.test", {std::string(32, 'z')});
  const auto at_one = first.forward({"carol", "else.test"}, today).value();
  const auto at_two = second.forward(at_one, today).value();
  CHECK(at_two.local.starts_with("SRS1="));
  const auto at_three = third.forward(at_two, today).value();
  CHECK(at_three.local.size() == at_two.local.size());  // it does not grow with each hand
  const auto from_three = third.reverse(at_three, today);
  REQUIRE(from_three);
  CHECK(*from_three == at_one);
  CHECK(second.reverse(at_two, today).value() == at_one);
  CHECK(first.reverse(*from_three, today).value() == Mailbox{"carol", "else.test"});
}

TEST_CASE("srs: what only looks like another forwarder's is a sender like others") {
  const auto r = rewriter();
  for (const char* local : {"SRS1=ABCDEFt==HHHH=AA=else.test=carol", "SRS1=H=one.test=", "SRS1=H=one.test", "SRS1==one.test=x", "SRS1="}) {
    CAPTURE(local);
    const auto made = r.forward({local, "two.test"}, today);
    REQUIRE(made);
    CHECK(made->local.starts_with("SRS0="));
    const auto back = r.reverse(*made, today);
    REQUIRE(back);
    CHECK(*back == Mailbox{local, "two.test"});
  }
}

TEST_CASE("srs: an address lives for its time, also across the day where the numbers begin again, and a clock set back a day is borne") {
  const auto r = rewriter();
  for (const int day : {20'000, 20'479, 20'480, 20'470}) {  // 20,480 is a multiple of 1,024
    CAPTURE(day);
    const auto made = r.forward({"carol", "else.test"}, WallTime(std::chrono::days(day))).value();
    CHECK(r.reverse(made, WallTime(std::chrono::days(day + 21))).has_value());
    CHECK(fault_of(r, made, WallTime(std::chrono::days(day + 22))) == Fault::expired);
    CHECK(r.reverse(made, WallTime(std::chrono::days(day - 1))).has_value());
    CHECK(fault_of(r, made, WallTime(std::chrono::days(day - 3))) == Fault::expired);
  }
}

TEST_CASE("E5: an address that was not made by us leads nowhere, whatever is changed in it") {
  const auto r = rewriter();
  const auto made = r.forward({"carol", "else.test"}, today).value();
  for (std::size_t i = 5; i < made.local.size(); ++i) {
    CAPTURE(i);
    Mailbox changed = made;
    changed.local[i] = changed.local[i] == 'q' ? 'r' : 'q';
    if (r.recognizes(changed)) CHECK(!r.reverse(changed, today));
  }
  for (const char* local : {"SRS0=", "SRS0=AAAAAAAA", "SRS0=AAAAAAAA=AA=else.test=carol", "SRS0==AA=else.test=carol", "SRS1=AAAAAAAA=one.test==x",
                            "SRS0=AAAAAAAA=AA=victim.test=victim", "srs1+", "SRS1=x=victim.test=victim"}) {
    CAPTURE(local);
    const Mailbox forged{local, "us.test"};
    REQUIRE(r.recognizes(forged));
    CHECK(!r.reverse(forged, today));
  }
  // A hash of one form is none of the other.
  const auto later = r.forward({"SRS0=AAAAAAAA=AA=else.test=carol", "one.test"}, today).value();
  Mailbox turned = later;
  turned.local[3] = '0';
  CHECK(fault_of(r, turned) == Fault::forged);
}

TEST_CASE("srs: a new secret signs, and the old one is still good to read") {
  const auto before = rewriter("us.test", {secret}), after = rewriter("us.test", {other_secret, secret});
  const auto old = before.forward({"carol", "else.test"}, today).value();
  CHECK(after.reverse(old, today).has_value());
  const auto fresh = after.forward({"carol", "else.test"}, today).value();
  CHECK(fault_of(before, fresh) == Fault::forged);
}

TEST_CASE("srs: other addresses are not taken for one of its own") {
  const auto r = rewriter();
  for (const char* local : {"carol", "SRS0", "SRS2=x", "SRS0x", "srs"}) CHECK(!r.recognizes({local, "us.test"}));
  CHECK(!r.recognizes({"SRS0=AAAAAAAA=AA=else.test=carol", "else.test"}));
}

TEST_CASE("srs: a sender too long for any server is not made, and options that protect nothing are refused") {
  CHECK(!rewriter().forward({std::string(100, 'x'), "a-rather-long-name.else.test"}, today));
  CHECK(!check_options({.domain = "us.test", .secrets = {}}));
  CHECK(!check_options({.domain = "us.test", .secrets = {"short"}}));
  CHECK(!check_options({.domain = "US.test", .secrets = {secret}}));
  CHECK(!check_options({.domain = "us.test", .secrets = {secret}, .lifetime = std::chrono::days(0)}));
  CHECK(check_options({.domain = "us.test", .secrets = {secret}}));
}
