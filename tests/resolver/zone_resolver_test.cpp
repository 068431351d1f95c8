// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/zone/resolver.hpp"

#include <doctest/doctest.h>

#include "conformance/resolver_conformance.hpp"

using namespace keystonemail;

namespace {

struct ZoneFixture {
  ZoneFixture() : zone_resolver(dns::Zone(dns::parse_zone(text()).value())) {}
  static std::string text() {
    return std::string(conformance::resolver_zone) + conformance::many_exchangers() + conformance::long_text();
  }
  resolver::Resolver& resolver() { return zone_resolver; }
  RunLoop loop;
  zone::ZoneResolver zone_resolver;
};

}  // namespace

TEST_CASE("zone resolver: keeps the resolver's contract") {
  ZoneFixture fixture;
  conformance::check_resolver(fixture);
}

TEST_CASE("zone resolver: a zone taken as signed authenticates what it says and what it denies") {
  RunLoop loop;
  zone::ZoneResolver resolver(dns::Zone(dns::parse_zone("a.example. 60 A 192.0.2.1").value()), zone::Trust::as_if_signed);
  const auto ask = [&](std::string_view name) {
    return loop.run_until(resolver.resolve({*dns::Name::parse(name), dns::RecordType::a}, Context{&loop})).value();
  };
  CHECK(ask("a.example").authenticated);
  CHECK(ask("b.example").authenticated);
}
