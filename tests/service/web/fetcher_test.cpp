// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What callers of a fetcher rely on, on the scripted one.
#include <doctest/doctest.h>

#include "support/fake_fetcher.hpp"

namespace keystonemail::web {
namespace {

FetchResult fetch(Fetcher& fetcher, std::string url) {
  RunLoop loop;
  FetchRequest request{.url = std::move(url), .octets_max = 10};
  return loop.run_until(fetcher.fetch(std::move(request), &loop));
}

}  // namespace

TEST_CASE("fetcher: an error tells where it happened, and is an Error to those who do not ask") {
  test::FakeFetcher fetcher;
  fetcher.fail("https://a.example/", FetchFault::certificate, "expired");
  const FetchResult result = fetch(fetcher, "https://a.example/");
  REQUIRE(!result);
  CHECK(result.error().fault() == FetchFault::certificate);
  const Error& plain = result.error();
  CHECK(plain.kind() == ErrorKind::denied);
  CHECK(plain.describe() == "denied: certificate (expired)");
}

TEST_CASE("fetcher: the scripted one answers in turn, the last answer again and again") {
  test::FakeFetcher fetcher;
  fetcher.answer("https://a.example/", 503, "later");
  fetcher.answer("https://a.example/", 200, "now");
  CHECK(fetch(fetcher, "https://a.example/")->status == 503);
  CHECK(fetch(fetcher, "https://a.example/")->body == "now");
  CHECK(fetch(fetcher, "https://a.example/")->body == "now");
  CHECK(fetcher.requests.size() == 3);
  CHECK(fetch(fetcher, "https://b.example/").error().fault() == FetchFault::name_not_found);
}

TEST_CASE("fetcher: the scripted one keeps to the size that was asked for") {
  test::FakeFetcher fetcher;
  fetcher.answer("https://a.example/", 200, "eleven chars");
  CHECK(fetch(fetcher, "https://a.example/").error().fault() == FetchFault::too_large);
}

}  // namespace keystonemail::web
