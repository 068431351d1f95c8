// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/accounts/records.hpp"

#include <doctest/doctest.h>

#include "base/record.hpp"

using namespace keystonemail;
using namespace keystonemail::accounts;

namespace {
constexpr std::size_t encode_empty_vacation_octets = 8;  // switched off, no times, four empty texts, seven days
}

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

TEST_CASE("accounts rows: those of version 1, with SCRAM keys for one way of typing, are read") {
  RecordWriter row;
  row.octet(1).number(7).text("a@example.com").text("Ann").octet(1).number(0).number(0).number(3).text("").text("salt").octet(0);
  row.number(1).text("phone").number(0).number(1'000).octet(0).text("hash");
  row.number(4'096).text("stored").text("server").number(100'000).text("stored too").text("server too");
  const auto account = decode_account(row.view());
  REQUIRE(account);
  REQUIRE(account->app_passwords.size() == 1);
  const auto& phone = account->app_passwords[0];
  REQUIRE(phone.keys.size() == 1);
  CHECK(phone.keys[0] == crypto::ScramKeys{"salt", 4'096, "stored", "server"});
  REQUIRE(phone.stretched_keys.size() == 1);
  CHECK(phone.stretched_keys[0].iterations == 100'000);
  CHECK(decode_account(encode(*account))->app_passwords[0].keys == phone.keys);
  std::string later(row.view());
  later[0] = 3;
  CHECK(!decode_account(later));
}

TEST_CASE("accounts rows: more sets of SCRAM keys than there are ways of typing are damage") {
  AccountRecord account;
  account.app_passwords.push_back({{.name = "phone"}, "hash", std::vector<crypto::ScramKeys>(17), {}});
  CHECK(!decode_account(encode(account)));
}

TEST_CASE("accounts rows: automatic answers are kept whole; rows of version 3 have none") {
  AccountRecord account;
  account.login = "a@example.com";
  account.vacation = {.enabled = true, .from = WallTime(std::chrono::hours(5)), .until = WallTime(std::chrono::hours(9)), .subject = "Fort", .text = "Grüße\n",
                      .html = "<p>Grüße</p>", .address = "info@example.com", .days = 31};
  const std::string row = encode(account);
  CHECK(decode_account(row)->vacation == account.vacation);
  CHECK(!decode_account(row.substr(0, row.size() - 1)));
  account.vacation = {};
  std::string older = encode(account);
  older.resize(older.size() - encode_empty_vacation_octets);
  older[0] = 3;
  REQUIRE(decode_account(older));
  CHECK(decode_account(older)->vacation == autoreply::Settings{});
}
