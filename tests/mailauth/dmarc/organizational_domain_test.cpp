// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dmarc/organizational_domain.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;
using namespace keystonemail::mailauth::dmarc;

namespace {
std::string organization(std::string_view name) { return organizational_domain(dns::Name::parse(name).value()).text(); }
}  // namespace

TEST_CASE("dmarc organizational domain: the public suffix and one label") {
  CHECK(organization("a.mail.example.com") == "example.com");
  CHECK(organization("example.com") == "example.com");
  CHECK(organization("com") == "com");
  CHECK(organization("a.b.example.co.uk") == "example.co.uk");
  CHECK(organization("co.uk") == "co.uk");
  CHECK(organization("a.b.nosuchtld") == "b.nosuchtld");
  CHECK(organization("x.city.kawasaki.jp") == "city.kawasaki.jp");
}

TEST_CASE("D10: it is found by A-labels") {
  CHECK(organization("www.xn--85x722f.xn--55qx5d.cn") == "xn--85x722f.xn--55qx5d.cn");  // 公司.cn is a suffix
  CHECK(is_public_suffix(*dns::Name::from_domain("公司.cn")));
  CHECK_FALSE(is_public_suffix(*dns::Name::parse("example.com")));
}
