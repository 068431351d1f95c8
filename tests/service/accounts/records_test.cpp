// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/accounts/records.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;
using namespace keystonemail::accounts;

TEST_CASE("accounts rows: an alias of an unknown kind, or octets behind a record, are damage") {
  AddressRecord record;
  record.alias = {"all@example.com", AliasKind::list, {"a@example.com", "b@example.net"}};
  std::string row = encode(record);
  REQUIRE(decode_address(row).has_value());
  CHECK(decode_address(row)->alias.targets == record.alias.targets);
  CHECK(!decode_address(row + "x").has_value());
  row[2] = 3;
  CHECK(!decode_address(row).has_value());

  AccountRecord account;
  account.login = "a@example.com";
  CHECK(decode_account(encode(account))->login == account.login);
  CHECK(!decode_account(encode(account) + "x").has_value());
}
