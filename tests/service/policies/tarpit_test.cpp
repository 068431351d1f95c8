// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/policies/tarpit.hpp"

#include "fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace keystonemail::policies;
using namespace std::chrono_literals;

TEST_CASE("tarpit: each unknown recipient is answered later than the one before, up to a ceiling") {
  Scene scene;
  scene.policies.push_back(std::make_shared<Tarpit>(TarpitOptions{.step = 1s, .longest = 3s}));
  Peer peer(scene);
  std::vector<std::chrono::milliseconds> delays;
  for (int i = 0; i < 5; ++i) delays.push_back(peer.unknown("a@example.test").delay);
  CHECK(delays == std::vector<std::chrono::milliseconds>{1s, 2s, 3s, 3s, 3s});
  CHECK(Peer(scene).unknown("a@example.test").delay == 1s);
  CHECK(words(peer.mail("x@any.test")) == "proceed");
}

TEST_CASE("tarpit: strangers may be greeted late, others are not") {
  Scene scene;
  scene.policies.push_back(std::make_shared<Tarpit>(TarpitOptions{.greeting = 3s}));
  CHECK(Peer(scene).connect().delay == 3s);
  CHECK(Peer(scene, "203.0.113.9", "smtp", true).connect().delay == 0s);
  CHECK(Peer(scene, "203.0.113.9", "submission").connect().delay == 0s);
}

TEST_CASE("tarpit: who logged in, is trusted or put off does not wait") {
  Scene scene;
  scene.policies.push_back(std::make_shared<Tarpit>());
  Peer user(scene), trusted(scene, "203.0.113.9", "smtp", true);
  user.login("alice@example.test");
  for (Peer* peer : {&user, &trusted}) CHECK(peer->unknown("a@example.test").delay == 0s);
}
