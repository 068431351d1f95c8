// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// directory: the port that says who is here. Reception asks it for recipients, logins for credentials.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "keystonemail/autoreply/settings.hpp"
#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/crypto/password.hpp"
#include "keystonemail/mailstore/ids.hpp"

namespace keystonemail::directory {

using mailstore::AccountId;

namespace limits {
inline constexpr std::size_t recipients_per_address_max = 1000;  // after lists and aliases are expanded
inline constexpr std::size_t alias_depth_max = 10;
}  // namespace limits

struct Account {
  AccountId id{};
  std::string login;                 // canonical: the full address, domain in lower case A-label form
  std::string display_name;
  bool enabled = true;
  std::uint64_t quota_octets = 0;    // 0: none
  std::uint64_t quota_messages = 0;
};

// What an address leads to.
struct Mailboxes {                   // accounts here, and addresses elsewhere that it is forwarded to
  struct Local {
    AccountId account{};
    std::string address;             // the address as the account knows it, for Delivered-To
    std::string detail;              // what stood after '+' (RFC 5233), empty if nothing
    std::string list = {};           // the mailing list whose member it is; empty: none
    bool is_absent = false;          // it may have an automatic answer: see Directory::absence()
  };
  struct Remote {
    std::string address;
    std::string via = {};            // the address here that leads to it; empty: the one that was asked for
    std::string list = {};           // the mailing list whose member it is; empty: none
    bool is_copy = false;            // a mailbox here keeps the message as well, so that nobody needs to hear of this one
    // Whose wish it is, when an account here is forwarded there: such mail may stay with that account instead (attack E2).
    std::optional<AccountId> account = {};
  };
  // RFC 5321 §3.9.2: mail to members is sent in the name of who looks after the list.
  struct List {
    std::string address;
    std::string owner;               // an address here; who has it hears of members that cannot be reached
  };
  std::vector<Local> local;
  std::vector<Remote> remote = {};
  std::vector<List> lists = {};      // those named above
};
struct UnknownRecipient {};          // the domain is ours, the address is not
struct DisabledRecipient {};         // the account is there but takes no mail
struct NotLocal {};                  // the domain is not ours
using Resolution = std::variant<Mailboxes, UnknownRecipient, DisabledRecipient, NotLocal>;

// Keys for SCRAM (RFC 5802 §3), which the directory can have instead of a password. Those of one account share
// salt and iterations, as a server names them before it knows which one the client will prove.
using crypto::ScramKeys;

struct PasswordAttempt {
  std::string login;                 // as typed: full address, or local part in the primary domain
  std::string password;              // wiped by the caller
  std::string service;               // "imap", "submission", ...: app passwords may be bound to some
  IpAddress remote;
  bool guessable_refused = false;    // human_password will not be let in: it need not be checked, whose check takes long
};

// The credential that its owner chose and others may guess. While an account is being guessed at, it is good only from networks
// that it was good from before.
inline constexpr std::string_view human_password = "password";

struct Authenticated {
  Account account;
  std::string credential;            // which one matched: human_password, or an app password's name
};

// What an account wants senders of mail to be told while its owner is away.
struct Absence {
  Account account;
  autoreply::Settings settings;
};

// Threads: any. Errors everywhere: unavailable, timeout: then the answer is "later", never "no".
class Directory {
 public:
  virtual ~Directory() = default;

  // Whether mail for `domain` (any case, U- or A-labels) is ours to take.
  [[nodiscard]] virtual Task<Result<bool>> is_local_domain(std::string_view domain, Context context) = 0;
  // Follows aliases, lists, catch-all and user+detail.
  [[nodiscard]] virtual Task<Result<Resolution>> resolve(std::string_view address, Context context) = 0;

  // Checks a password. The time taken does not tell whether the login exists. Errors: denied (wrong, unknown or
  // disabled, not told apart), unavailable (too many being checked at once; try again).
  [[nodiscard]] virtual Task<Result<Authenticated>> authenticate(PasswordAttempt attempt, Context context) = 0;
  // Whether there can be keys for SCRAM at all; where not, its mechanisms are not offered.
  [[nodiscard]] virtual bool has_scram() const noexcept { return true; }
  // The keys a SCRAM login may prove, one for each credential that has them; empty for unknown logins.
  struct ScramCredential {
    std::string name;
    ScramKeys keys;
  };
  [[nodiscard]] virtual Task<Result<std::vector<ScramCredential>>> scram_credentials(std::string_view login,
                                                                                     crypto::Hash hash,
                                                                                     std::string_view service, Context context) = 0;
  // The account of a login proved by other means (SCRAM, EXTERNAL, a trusted host). Errors: not_found, denied (disabled).
  [[nodiscard]] virtual Task<Result<Account>> find_account(std::string_view login, Context context) = 0;
  // Whether `account` may use `address` as a sender.
  [[nodiscard]] virtual Task<Result<bool>> may_send_as(AccountId account, std::string_view address, Context context) = 0;
  // The automatic answer of an account that resolve() called absent, whether it is time for it or not; nothing when it has none, as
  // with directories that know of no such thing.
  [[nodiscard]] virtual Task<Result<std::optional<Absence>>> absence(AccountId account, Context context) {
    (void)account, (void)context;
    co_return std::optional<Absence>();
  }
};

}  // namespace keystonemail::directory
