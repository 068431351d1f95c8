// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/arc/sealer.hpp"

#include <doctest/doctest.h>

#include "mailauth/arc/support.hpp"

using namespace keystonemail;
using namespace keystonemail::mailauth;
using namespace keystonemail::mailauth::arc;
using testing::arc_message;
using testing::describe;
using testing::Hands;
using testing::replaced;
using testing::verify_arc;

TEST_CASE("arc: a sealer adds one set on top, in lines of at most 78 columns") {
  Hands hands;
  const auto fields = hands.fields("one.example", arc_message, ChainStatus::none);
  mime::HeaderReader reader(fields);
  CHECK(reader.next()->name == "ARC-Seal");
  CHECK(reader.next()->name == "ARC-Message-Signature");
  CHECK(reader.next()->raw == "ARC-Authentication-Results: i=1; one.example;\r\n\tspf=pass\r\n");
  CHECK_FALSE(reader.next().has_value());
  CHECK(fields.find("cv=none") != std::string::npos);
  for (std::size_t begin = 0; begin < fields.size(); begin = fields.find('\n', begin) + 1) {
    CHECK(fields.find('\r', begin) - begin + (fields[begin] == '\t' ? 7 : 0) <= 78);
  }
}

TEST_CASE("arc: DKIM signatures are sealed with the message") {
  Hands hands;
  const testing::Domain domain;
  const auto text = hands.seal("one.example", domain.sign(arc_message));
  CHECK(describe(verify_arc(hands.zone, text)) == "pass");
  CHECK(describe(verify_arc(hands.zone, replaced(text, "DKIM-Signature: v=1", "DKIM-Signature: v=2"))) ==
        "fail: ARC-Message-Signature: signature did not verify");
}

TEST_CASE("D9: a chain that failed is sealed as failed, alone, and then never again") {
  Hands hands;
  const auto good = hands.seal("one.example", arc_message);
  const auto broken = replaced(good, "There.", "Gone.");
  REQUIRE(verify_arc(hands.zone, broken).status == ChainStatus::fail);
  const auto sealed = hands.seal("two.example", broken);
  CHECK(sealed.find("ARC-Seal: i=2; a=rsa-sha256; t=1800000000; cv=fail;") == 0);
  CHECK(describe(verify_arc(hands.zone, sealed)) == "fail: sealed as failed");
  CHECK(hands.fields("three.example", sealed, ChainStatus::fail).empty());
  CHECK(hands.fields("three.example", sealed, ChainStatus::pass).empty());
}

TEST_CASE("D9: a chain that is said to pass but is not whole is sealed as failed") {
  Hands hands;
  const auto gap = replaced(hands.seal("one.example", arc_message), "ARC-Authentication-Results", "X");
  CHECK(hands.fields("two.example", gap, ChainStatus::pass).find("cv=fail") != std::string::npos);
  const auto odd = "ARC-Seal: i=x\r\n" + arc_message;
  CHECK(hands.fields("two.example", odd, ChainStatus::pass).find("ARC-Seal: i=1; a=rsa-sha256; t=1800000000; cv=fail;") == 0);
}

TEST_CASE("arc: what is found where there is no chain begins one, whatever its status is said to be") {
  Hands hands;
  CHECK(hands.fields("one.example", arc_message, ChainStatus::pass).find("cv=none") != std::string::npos);
}

TEST_CASE("arc: a full chain, a header that begins with white space and one beyond the limits cannot be sealed") {
  Hands hands;
  const auto options = hands.hand("one.example");
  Sealer full(options);
  full.receive("ARC-Seal: i=50; cv=pass\r\n" + arc_message);
  CHECK(full.receive_end(ChainStatus::pass, {"x", {}, 1, 0}, testing::at(1)).error().kind() == ErrorKind::too_large);
  Sealer blank(options);
  blank.receive(" " + arc_message);
  CHECK(blank.receive_end(ChainStatus::none, {"x", {}, 1, 0}, testing::at(1)).error().kind() == ErrorKind::invalid);
  Sealer large(options);
  for (int i = 0; i < 1100; ++i) large.receive("X: " + std::string(1000, 'x') + "\r\n");
  large.receive(arc_message);
  CHECK(large.receive_end(ChainStatus::none, {"x", {}, 1, 0}, testing::at(1)).error().kind() == ErrorKind::too_large);
}

TEST_CASE("arc: a message without From is sealed too, and stays verifiable") {
  Hands hands;
  CHECK(describe(verify_arc(hands.zone, hands.seal("one.example", "Subject: x\r\n\r\nHi.\r\n"))) == "pass");
}

TEST_CASE("arc: options that RFC 8617 forbids are refused") {
  Hands hands;
  auto options = hands.hand("one.example");
  CHECK(check_options(options).has_value());
  options.fields.push_back({"ARC-Seal"});
  CHECK_FALSE(check_options(options).has_value());
  options.fields.back().name = "authentication-results";
  CHECK_FALSE(check_options(options).has_value());
  options.fields = {{"To"}};
  CHECK_FALSE(check_options(options).has_value());
  options = hands.hand("one.example");
  options.key.domain = "com";
  CHECK_FALSE(check_options(options).has_value());
}
