// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Accounts: the internal directory. Domains, accounts, aliases, lists and app passwords, in the same store as the mail.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/random.hpp"
#include "keystonemail/base/worker_pool.hpp"
#include "keystonemail/crypto/key_derivation.hpp"
#include "keystonemail/crypto/secret.hpp"
#include "keystonemail/directory/directory.hpp"
#include "keystonemail/kv/kv.hpp"
#include "keystonemail/mailstore/mailstore.hpp"

namespace keystonemail::accounts {

namespace limits {
inline constexpr std::size_t app_passwords_per_account_max = 32;
inline constexpr std::size_t alias_targets_max = 1'000;
inline constexpr std::size_t forward_targets_max = 10;
inline constexpr std::size_t remembered_logins_max = 10'000;
inline constexpr auto remembered_login_lifetime = std::chrono::minutes(5);
}  // namespace limits

// The tables this service wants to find in its kv store, one after the other.
[[nodiscard]] std::vector<std::string> table_names();

struct Options {
  kv::Table first_table{};             // where table_names() begin in the store
  std::string primary_domain = {};     // of logins given without a domain
  crypto::ScryptCost password_cost = {};
  // Called once a change is durable that takes away what sessions of an account (its canonical login) logged in with: it was
  // disabled or removed, or a password changed or went. Threads: the caller's.
  std::function<void(std::string_view login)> end_sessions = {};
};

// With `yes` the owner's own password can be used for SCRAM too. The price: what is kept for it costs a thief of the store
// far less for each guess than the scrypt hash does, and its number of iterations tells a stranger that the account is there.
enum class ScramForPassword : std::uint8_t { no, yes };

struct NewAccount {
  std::string login = {};              // full address, or a local part in the primary domain
  std::string display_name = {};
  std::optional<crypto::SecretString> password = {};  // none: only app passwords can log in
  ScramForPassword scram = ScramForPassword::no;
  std::string password_hash = {};      // or a hash from elsewhere ($2b$ $5$ $6$ $y$ ...), replaced at the first login
  std::uint64_t quota_octets = 0;
  std::uint64_t quota_messages = 0;
};

enum class AliasKind : std::uint8_t { alias, list, catch_all };

struct Alias {
  std::string address = {};            // "@domain" for a catch-all
  AliasKind kind = AliasKind::alias;
  std::vector<std::string> targets = {};  // addresses, here or elsewhere
  // Of a list: who looks after it, by whose name (owner-LIST) its mail goes out, and who is reached at that address,
  // LIST-owner and LIST-request (RFC 2142 §6). Empty: postmaster.
  std::string owner = {};
};

// Where mail of an account goes as well, or instead.
struct Forwarding {
  std::vector<std::string> targets = {};  // addresses, here or elsewhere; empty: nowhere
  bool keeps_copy = true;              // in the account's own mailbox
};

struct AppPassword {
  std::string name = {};               // of the device, unique within the account
  std::vector<std::string> services = {};  // it is good for; empty: all
  WallTime created{};
  std::optional<WallTime> expires = {};
};

// What an administrator wants to see of an account.
struct Standing {
  directory::Account account;
  mailstore::Quota quota;              // limits, and what it has
  bool has_scram = false;              // of its owner's password
  std::string hash_kind;               // of that: "$scrypt$" of ours, "$6$" from elsewhere and not replaced yet; empty: there is none
};

// Threads: any. Durability: a change is on stable storage when its task completes with a value.
// Errors beyond those named: unavailable, cancelled, corrupt, internal.
class Accounts final : public directory::Directory {
 public:
  // Borrows all; they outlive it. Hashes run on `workers`, at most as many at once as it has threads.
  Accounts(Options options, kv::Store& store, mailstore::MailStore& mail, WorkerPool& workers, Random& random);
  ~Accounts() override;

  // Errors: conflict (is there), invalid (not a domain name).
  [[nodiscard]] Task<Result<void>> add_domain(std::string_view domain, Context context);
  // Errors: not_found, conflict (has addresses).
  [[nodiscard]] Task<Result<void>> remove_domain(std::string_view domain, Context context);
  [[nodiscard]] Task<Result<std::vector<std::string>>> domains(Context context);

  // Makes the account with its mailboxes. The first one receives postmaster's mail unless an alias says otherwise.
  // Errors: conflict (address taken), invalid, not_found (domain not ours), those of crypto::check_password_hash.
  [[nodiscard]] Task<Result<directory::Account>> add_account(NewAccount request, Context context);
  // The accounts that have no mailboxes, as after damage: mail for them is put off.
  [[nodiscard]] Task<Result<std::vector<directory::Account>>> without_mailboxes(Context context);
  // Makes mailboxes for those, and sets the limits of all that differ from what the account says. Returns how many it changed.
  [[nodiscard]] Task<Result<std::uint64_t>> reconcile_mailboxes(Context context);
  // Removes the account, its addresses and its mail.
  [[nodiscard]] Task<Result<void>> remove_account(std::string_view login, Context context);
  [[nodiscard]] Task<Result<std::vector<directory::Account>>> accounts(Context context);
  // The same with what they hold, of disabled ones too. Errors: not_found.
  [[nodiscard]] Task<Result<std::vector<Standing>>> standings(Context context);
  [[nodiscard]] Task<Result<Standing>> standing(std::string_view login, Context context);
  [[nodiscard]] Task<Result<void>> set_enabled(std::string_view login, bool enabled, Context context);
  // Errors: not_found, invalid (an address, or the account's own), too_large (count).
  [[nodiscard]] Task<Result<void>> set_forwarding(std::string_view login, Forwarding forwarding, Context context);
  [[nodiscard]] Task<Result<Forwarding>> forwarding(std::string_view login, Context context);
  // What senders are told while its owner is away. Errors: not_found, denied (an address in From that is not the account's), those of
  // autoreply::check_settings().
  [[nodiscard]] Task<Result<void>> set_vacation(std::string_view login, autoreply::Settings settings, Context context);
  [[nodiscard]] Task<Result<autoreply::Settings>> vacation(std::string_view login, Context context);
  // 0 is no limit. What is over it already stays; nothing more is taken. Errors: not_found.
  [[nodiscard]] Task<Result<void>> set_quota(std::string_view login, std::uint64_t octets, std::uint64_t messages, Context context);

  using ScramForPassword = keystonemail::accounts::ScramForPassword;
  // Whatever the account had before is gone: hash and SCRAM keys.
  [[nodiscard]] Task<Result<void>> set_password(std::string_view login, crypto::SecretString password, ScramForPassword scram,
                                                Context context);
  // A hash from elsewhere instead, as NewAccount::password_hash. Errors: those of crypto::check_password_hash.
  [[nodiscard]] Task<Result<void>> set_password_hash(std::string_view login, std::string hash, Context context);
  // Makes an app password and returns it: it is never shown again. Errors: conflict (name), too_large (count).
  [[nodiscard]] Task<Result<crypto::SecretString>> add_app_password(std::string_view login, AppPassword request, Context context);
  [[nodiscard]] Task<Result<void>> remove_app_password(std::string_view login, std::string_view name, Context context);
  [[nodiscard]] Task<Result<std::vector<AppPassword>>> app_passwords(std::string_view login, Context context);

  // Adds or replaces. Errors: invalid (an address), conflict (an account has it), not_found (domain not ours).
  [[nodiscard]] Task<Result<void>> set_alias(Alias alias, Context context);
  [[nodiscard]] Task<Result<void>> remove_alias(std::string_view address, Context context);
  [[nodiscard]] Task<Result<std::vector<Alias>>> aliases(Context context);

  // What invented SCRAM salts are made from (sasl::ServerOptions): made once and kept, so that a restart does not change
  // the salts of logins that do not exist, which would tell them from those that do.
  [[nodiscard]] Task<Result<std::string>> login_secret(Context context);

  [[nodiscard]] Task<Result<bool>> is_local_domain(std::string_view domain, Context context) override;
  [[nodiscard]] Task<Result<directory::Resolution>> resolve(std::string_view address, Context context) override;
  [[nodiscard]] Task<Result<directory::Authenticated>> authenticate(directory::PasswordAttempt attempt, Context context) override;
  [[nodiscard]] Task<Result<std::vector<ScramCredential>>> scram_credentials(std::string_view login, crypto::Hash hash,
                                                                             std::string_view service, Context context) override;
  [[nodiscard]] Task<Result<directory::Account>> find_account(std::string_view login, Context context) override;
  [[nodiscard]] Task<Result<bool>> may_send_as(directory::AccountId account, std::string_view address, Context context) override;
  [[nodiscard]] Task<Result<std::optional<directory::Absence>>> absence(directory::AccountId account, Context context) override;

  struct State;  // of the implementation

 private:
  std::unique_ptr<State> state_;
};

}  // namespace keystonemail::accounts
