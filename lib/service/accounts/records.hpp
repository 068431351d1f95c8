// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the directory stores, and how (FORMAT.md beside this file).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/result.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/service/accounts/accounts.hpp"

namespace keystonemail::accounts {

struct StoredAppPassword {
  AppPassword about;
  std::string hash;                      // SHA-256 of the normalised password
  // A SCRAM client proves what was typed to the letter, so there are keys for each way of typing it.
  std::vector<crypto::ScramKeys> keys;            // at 4,096 iterations: 160 random bits need no stretching
  std::vector<crypto::ScramKeys> stretched_keys;  // at 100,000, for accounts whose owner's password has SCRAM keys too
};

struct AccountRecord {
  directory::AccountId id{};
  std::string login;                     // as made: the local part's case is kept
  std::string display_name;
  bool enabled = true;
  std::uint64_t quota_octets = 0;
  std::uint64_t quota_messages = 0;
  std::uint64_t version = 0;             // grows with every change: remembered logins of an older one are void
  std::string password_hash;             // empty: none
  std::string scram_salt;                // one for all credentials of the account
  std::optional<crypto::ScramKeys> password_keys;
  std::vector<StoredAppPassword> app_passwords;
  Forwarding forwarding;
  autoreply::Settings vacation;

  [[nodiscard]] directory::Account account() const;
};

[[nodiscard]] std::string encode(const AccountRecord& record);
[[nodiscard]] Result<AccountRecord> decode_account(std::string_view stored);

// What an address row says.
struct AddressRecord {
  std::optional<directory::AccountId> account;  // present: an account's own address; else an alias
  Alias alias;                                   // kind and targets
};
[[nodiscard]] std::string encode(const AddressRecord& record);
[[nodiscard]] Result<AddressRecord> decode_address(std::string_view stored);

// Keys of the one table, told apart by their first octet.
[[nodiscard]] std::string account_key(directory::AccountId id);
[[nodiscard]] std::string address_key(std::string_view address_key);  // mime::Address::key(), or "@domain"
[[nodiscard]] std::string domain_key(std::string_view domain);
inline constexpr std::string_view next_account_key = "mnext-account";
inline constexpr std::string_view postmaster_key = "mpostmaster";
inline constexpr std::string_view login_secret_key = "mlogin-secret";
inline constexpr char account_prefix = 'a', domain_prefix = 'd', address_prefix = 'n';

}  // namespace keystonemail::accounts
