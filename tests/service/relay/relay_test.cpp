// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// From the queue to a peer and back to the sender, in virtual time.
#include "keystonemail/service/relay/relay.hpp"

#include "service/relay/fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::test;

namespace {

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

}  // namespace

TEST_CASE("relay: a queued message goes to the domain's mail host, and leaves the queue") {
  RelayFixture f;
  auto& peer = f.peer();
  f.start();
  f.send();
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  REQUIRE(peer.messages.size() == 1);
  CHECK(peer.messages[0].sender == "anna@example.test");
  CHECK(peer.messages[0].recipients == std::vector<std::string>{"bob@dest.test"});
  CHECK(peer.messages[0].text == "Subject: hello\r\n\r\nHello.\r\n");
  CHECK(f.reports().empty());
  CHECK(f.is_sound());
}

TEST_CASE("relay: what was queued before it began is found, and what is due later waits") {
  RelayFixture f;
  auto& peer = f.peer();
  f.send();
  f.start();
  CHECK(f.until([&] { return peer.messages.size() == 1; }, 60s));
}

TEST_CASE("relay: a refused recipient comes back to the sender in the commit that takes the entry away") {
  RelayFixture f;
  auto& peer = f.peer();
  peer.script.replies["bob@dest.test"] = "550 5.1.1 No such user";
  f.start();
  f.send({"bob@dest.test", "carol@dest.test"});
  REQUIRE(f.until([&] { return f.queued() == 0; }, 60s));
  CHECK(peer.recipients() == std::vector<std::string>{"carol@dest.test"});
  const auto reports = f.reports();
  REQUIRE(reports.size() == 1);
  CHECK(has(reports[0], "Final-Recipient: rfc822; bob@dest.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"));
  CHECK(has(reports[0], "Remote-MTA: dns; mx.dest.test\r\n"));
  CHECK(has(reports[0], "Return-Path: <>\r\n"));
  CHECK(!has(reports[0], "carol"));
  CHECK(f.is_sound());
}
