// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// T9: what a million strangers leave behind.
#include <malloc.h>

#include "fixture.hpp"
#include "keystonemail/service/access/connection_limits.hpp"
#include "keystonemail/service/access/login_gate.hpp"
#include "keystonemail/service/policies/greylist.hpp"
#include "keystonemail/service/policies/rate_limits.hpp"
#include "support/sanitized.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace keystonemail::policies;

namespace {

std::size_t octets_in_use() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

}  // namespace

TEST_CASE("T9: a million sources leave the limiters of a server within 64 MiB, and an honest one is served at once") {
#ifdef __OPTIMIZE__
  const int sources = sanitized ? 10'000 : 1'000'000;
#else
  const int sources = sanitized ? 10'000 : 100'000;
#endif
  Scene scene;
  const std::size_t before = octets_in_use();
  access::ConnectionLimits connections{{}};
  access::LoginGate gate{{}};
  const auto rates = std::make_shared<RateLimits>();
  const auto grey = scene.executor.run(Greylist::open(*scene.store, kv::Table{0}, {}, {&scene.executor})).value();
  scene.policies = {rates, grey};
  for (int i = 0; i < sources; ++i) {
    // A different /26 and /24 each, so that none of them shares a counter.
    const auto source = static_cast<std::uint32_t>(i) << 8 | 9;
    const IpAddress address = IpAddress::v4({static_cast<std::uint8_t>(source >> 24), static_cast<std::uint8_t>(source >> 16), static_cast<std::uint8_t>(source >> 8),
                                             static_cast<std::uint8_t>(source)});
    const auto place = connections.admit(address, scene.executor.now());
    (void)gate.failed(address, "user" + std::to_string(i), scene.executor.wall_now());
    Peer peer(scene, address.to_string());
    (void)peer.connect();
    (void)peer.mail("x" + std::to_string(i) + "@any.test");
    (void)peer.rcpt("bob@example.test");
    scene.log.text.clear();
  }
  const std::size_t used = octets_in_use() - before;
  MESSAGE("limiters after " << sources << " sources: " << used / 1024 << " KiB");
  CHECK(used < 64U << 20);
  CHECK(rates->networks() <= RateLimits::networks_max);
  CHECK(grey->triplets() <= Greylist::triplets_max);
  CHECK(connections.admit(*IpAddress::parse("203.0.113.9"), scene.executor.now()));
  Peer honest(scene, "2001:db8::1");
  CHECK(words(honest.connect()) == "proceed");
  CHECK(words(honest.mail("x@good.test")) == "proceed");
}

TEST_CASE("T9: a flood from one /64 costs nobody else a connection, and the log a line a minute") {
  Scene scene;
  access::ConnectionLimits connections{{}};
  scene.policies = {std::make_shared<RateLimits>()};
  int let_in = 0, turned_away = 0;
  const auto connect = [&](const std::string& address) {
    const auto place = connections.admit(*IpAddress::parse(address), scene.executor.now());
    const bool passed = place && words(Peer(scene, address).connect()) == "proceed";
    return passed;
  };
  for (int i = 0; i < 20'000; ++i) let_in += connect("2001:db8:0:1::" + std::to_string(i % 10'000)) ? 1 : 0;
  CHECK(let_in == 300);
  for (int i = 0; i < 1'000; ++i) {
    turned_away += connect("198.51." + std::to_string(i / 200) + "." + std::to_string(i % 200)) ? 0 : 1;
    turned_away += connect("2001:db8:" + std::to_string(i + 1) + "::1") ? 0 : 1;
  }
  CHECK(turned_away == 0);
  CHECK(connect("2001:db8:0:2::1"));  // the next network of the same site
  CHECK(scene.log.count("policy.decided") <= 1);
}
