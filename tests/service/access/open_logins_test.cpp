// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/access/open_logins.hpp"

#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

using namespace keystonemail::access;

TEST_CASE("open logins: all sessions of a login end together, others and those that come later do not") {
  OpenLogins open;
  const auto first = open.enter("a@b", open.now()), second = open.enter("a@b", open.now()), other = open.enter("c@d", open.now());
  int heard = 0;
  const std::stop_callback on_end(second.token(), [&] {
    ++heard;
    (void)open.now();  // may call back
  });
  open.end("a@b");
  CHECK(first.has_ended());
  CHECK(second.has_ended());
  CHECK(heard == 1);
  CHECK(!other.has_ended());
  CHECK(!open.enter("a@b", open.now()).has_ended());
}

TEST_CASE("open logins: a login whose credentials were read before they were taken away has ended when it begins") {
  OpenLogins open;
  const auto before = open.now();
  open.end("a@b");
  CHECK(open.enter("a@b", before).has_ended());
  CHECK(!open.enter("c@d", before).has_ended());
  CHECK(!open.enter("a@b", open.now()).has_ended());
}

TEST_CASE("open logins: leases may outlast it, and logins without sessions are forgotten") {
  OpenLogins::Lease kept;
  {
    OpenLogins open;
    for (int i = 0; i < 10'000; ++i) (void)open.enter("user" + std::to_string(i), open.now());
    kept = open.enter("last", open.now());
  }
  CHECK(!kept.has_ended());
  CHECK(!OpenLogins::Lease().has_ended());
}

TEST_CASE("open logins: sessions begin and end on several threads") {
  OpenLogins open;
  std::vector<std::thread> threads;
  for (int n = 0; n < 4; ++n) {
    threads.emplace_back([&open, n] {
      for (int i = 0; i < 2'000; ++i) {
        const std::string login = "user" + std::to_string(i % 7);
        if (n == 0) open.end(login);
        else CHECK(open.enter(login, open.now()).token().stop_possible());
      }
    });
  }
  for (auto& thread : threads) thread.join();
}
