// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What every directory must do. Run it from a doctest TEST_CASE, with a fixture that gives a directory and says who is in it:
//
//   struct Fixture {
//     keystonemail::directory::Directory& directory();
//     const keystonemail::conformance::DirectoryFacts& facts();
//     keystonemail::RunLoop loop;                    // the executor of all calls but those of other threads
//   };
//   TEST_CASE("my directory conforms") { keystonemail::conformance::directory<Fixture>(); }
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/directory/directory.hpp"

namespace keystonemail::conformance {

// Who is in the directory under test. Empty: it has none such, and what hangs on it is passed over.
struct DirectoryFacts {
  keystonemail::directory::AccountId account{};
  std::string login;                  // of it, canonical
  std::string password;
  std::string unknown;                // an address in the login's domain that nobody has
  std::string short_login = {};       // the login without its domain, where there is a primary one
  std::string domain_in_unicode = {};  // the login's domain in U-labels
  keystonemail::directory::AccountId other{};
  std::string other_login = {};       // of a second account
  std::string other_password = {};
  std::string disabled = {};          // an account that takes no mail and no logins
  std::string disabled_password = {};
  std::string alias = {};             // that leads, by another alias, to the account alone
  std::string list = {};              // that leads to the account, to the other one and to `elsewhere`
  std::string elsewhere = {};
  std::string caught = {};            // an address that only a catch-all leads to the account
  std::string detailed = {};          // the login's local part, '+' and `detail`
  std::string detail = {};
  bool has_scram = false;             // keys for the login, by SHA-256
  bool is_absent = false;             // the other account has an automatic answer
};

// Asks from one thread.
class DirectoryCaller {
 public:
  using Resolution = keystonemail::directory::Resolution;
  using Mailboxes = keystonemail::directory::Mailboxes;
  using Account = keystonemail::directory::Account;
  using AccountId = keystonemail::directory::AccountId;
  using Authenticated = keystonemail::directory::Authenticated;
  using ScramCredential = keystonemail::directory::Directory::ScramCredential;

  DirectoryCaller(keystonemail::directory::Directory& directory, RunLoop& loop) : directory_(directory), loop_(loop) {}

  Result<bool> is_local(std::string_view domain) { return is_local(domain, {&loop_}); }
  Result<bool> is_local(std::string_view domain, Context context) {
    return loop_.run_until(directory_.is_local_domain(domain, std::move(context)));
  }
  Result<Resolution> resolve(std::string_view address) { return resolve(address, {&loop_}); }
  Result<Resolution> resolve(std::string_view address, Context context) {
    return loop_.run_until(directory_.resolve(address, std::move(context)));
  }
  Result<Authenticated> log_in(std::string_view login, std::string_view password) { return log_in(login, password, {&loop_}); }
  Result<Authenticated> log_in(std::string_view login, std::string_view password, Context context) {
    keystonemail::directory::PasswordAttempt attempt{std::string(login), std::string(password), "imap", *IpAddress::parse("192.0.2.1")};
    return loop_.run_until(directory_.authenticate(std::move(attempt), std::move(context)));
  }
  Result<Account> find(std::string_view login) { return find(login, {&loop_}); }
  Result<Account> find(std::string_view login, Context context) {
    return loop_.run_until(directory_.find_account(login, std::move(context)));
  }
  Result<bool> may_send(AccountId account, std::string_view address) { return may_send(account, address, {&loop_}); }
  Result<bool> may_send(AccountId account, std::string_view address, Context context) {
    return loop_.run_until(directory_.may_send_as(account, address, std::move(context)));
  }
  Result<std::vector<ScramCredential>> scram(std::string_view login) { return scram(login, {&loop_}); }
  Result<std::vector<ScramCredential>> scram(std::string_view login, Context context) {
    return loop_.run_until(directory_.scram_credentials(login, crypto::Hash::sha256, "imap", std::move(context)));
  }
  Result<std::optional<keystonemail::directory::Absence>> absence(AccountId account) { return absence(account, {&loop_}); }
  Result<std::optional<keystonemail::directory::Absence>> absence(AccountId account, Context context) {
    return loop_.run_until(directory_.absence(account, std::move(context)));
  }

  // The mailboxes that `address` leads to, which must be some.
  Mailboxes mailboxes(std::string_view address) {
    CAPTURE(address);
    auto found = resolve(address);
    REQUIRE(found.has_value());
    REQUIRE(std::holds_alternative<Mailboxes>(*found));
    auto& mailboxes = std::get<Mailboxes>(*found);
    CHECK(mailboxes.local.size() + mailboxes.remote.size() > 0);
    const auto is_named = [&](const std::string& list) {
      return list.empty() || std::ranges::find(mailboxes.lists, list, &Mailboxes::List::address) != mailboxes.lists.end();
    };
    for (const auto& local : mailboxes.local) {
      CHECK(local.address.contains('@'));
      CHECK(is_named(local.list));
    }
    for (const auto& remote : mailboxes.remote) {
      CHECK(remote.address.contains('@'));
      CHECK(is_named(remote.list));
    }
    return std::move(mailboxes);
  }
  template <class Kind>
  bool leads_to(std::string_view address) {
    const auto found = resolve(address);
    return found && std::holds_alternative<Kind>(*found);
  }
  bool leads_to_one(std::string_view address, AccountId account) {
    const auto found = mailboxes(address);
    return found.local.size() == 1 && found.remote.empty() && found.local.front().account == account;
  }

 private:
  keystonemail::directory::Directory& directory_;
  RunLoop& loop_;
};

namespace directory_detail {

template <class T>
bool is_error(const Result<T>& result, ErrorKind kind) {
  return !result && result.error().kind() == kind;
}
// "Later", for the reason given, or an answer.
template <class T>
bool answers_or(const Result<T>& result, ErrorKind kind) {
  return result || result.error().kind() == kind;
}
inline bool says(const Result<bool>& result, bool answer) { return result && *result == answer; }

inline std::string with_upper_domain(std::string address) {
  for (std::size_t i = address.rfind('@') + 1; i < address.size(); ++i) address[i] = to_upper(address[i]);
  return address;
}
inline std::string domain_of(const std::string& address) { return address.substr(address.rfind('@') + 1); }

// No address, no login and no domain, in ways that people try.
inline std::vector<std::string> hostile_texts(const DirectoryFacts& facts) {
  using namespace std::string_literals;
  const std::string at_domain = "@" + domain_of(facts.login);
  return {"", "@", at_domain, "x@", " ", "a@b@c", "\xff\xfe" + at_domain, "\xc3(" + at_domain, "x\r\nRCPT TO:<y" + at_domain,
          facts.login + "\0"s, "\0"s + facts.login, facts.login + "\0@elsewhere.invalid"s, facts.login.substr(0, 1) + "\0"s + facts.login.substr(1),
          std::string(65'536, 'a'), std::string(65'536, 'a') + at_domain, facts.login + std::string(65'536, '.'), "x@" + std::string(65'536, 'a'),
          "x@[127.0.0.1]", std::string(65'536, '\0'), "' OR '1'='1", "*)(uid=*", "../../" + facts.login};
}

// Whether an account has all that is known of it.
inline bool is_the_account(const Result<DirectoryCaller::Account>& found, const DirectoryFacts& facts) {
  return found && found->id == facts.account && found->login == facts.login && found->enabled;
}

// What one of several threads at once hears, as often as it asks. Says how often it heard anything but the truth.
inline std::uint64_t ask_often(keystonemail::directory::Directory& directory, const DirectoryFacts& facts) {
  RunLoop loop;
  DirectoryCaller caller(directory, loop);
  std::uint64_t wrong = 0;
  for (int round = 0; round < 20; ++round) {
    wrong += !says(caller.is_local(domain_of(facts.login)), true);
    const auto resolved = caller.resolve(facts.login);
    const auto* found = resolved ? std::get_if<DirectoryCaller::Mailboxes>(&*resolved) : nullptr;
    wrong += !found || found->local.size() != 1 || found->local.front().account != facts.account;
    wrong += !caller.leads_to<keystonemail::directory::UnknownRecipient>(facts.unknown);
    const auto right = caller.log_in(facts.login, facts.password);
    wrong += right ? right->account.login != facts.login : right.error().kind() != ErrorKind::unavailable;  // too many at once
    const auto denied = caller.log_in(facts.login, facts.password + "x");
    wrong += denied || (denied.error().kind() != ErrorKind::denied && denied.error().kind() != ErrorKind::unavailable);
    wrong += !is_the_account(caller.find(facts.login), facts);
    wrong += !says(caller.may_send(facts.account, facts.login), true);
    wrong += !says(caller.may_send(facts.account, facts.unknown), false);
  }
  return wrong;
}

}  // namespace directory_detail

template <class Fixture>
void directory() {
  using namespace directory_detail;
  using keystonemail::directory::AccountId;
  using keystonemail::directory::DisabledRecipient;
  using keystonemail::directory::NotLocal;
  using keystonemail::directory::UnknownRecipient;
  Fixture fixture;
  const DirectoryFacts& facts = fixture.facts();
  auto& directory = fixture.directory();
  DirectoryCaller d(directory, fixture.loop);
  const std::string domain = domain_of(facts.login);

  SUBCASE("directory: a domain is ours in any case, as A-labels and as U-labels; any other is not") {
    CHECK(says(d.is_local(domain), true));
    CHECK(says(d.is_local(domain_of(with_upper_domain(facts.login))), true));
    if (!facts.domain_in_unicode.empty()) CHECK(says(d.is_local(facts.domain_in_unicode), true));
    for (const std::string& other : {std::string("elsewhere.invalid"), "sub." + domain, "x" + domain, domain + ".invalid", domain.substr(1)}) {
      CAPTURE(other);
      CHECK(says(d.is_local(other), false));
    }
  }
  SUBCASE("directory: an account's address leads to it, however its domain is written") {
    CHECK(d.leads_to_one(facts.login, facts.account));
    CHECK(d.leads_to_one(with_upper_domain(facts.login), facts.account));
    if (!facts.domain_in_unicode.empty())
      CHECK(d.leads_to_one(facts.login.substr(0, facts.login.rfind('@') + 1) + facts.domain_in_unicode, facts.account));
    if (!facts.other_login.empty()) CHECK(d.leads_to_one(facts.other_login, facts.other));
  }
  SUBCASE("directory: who is unknown, who is disabled and who is elsewhere are told apart") {
    CHECK(d.leads_to<UnknownRecipient>(facts.unknown));
    CHECK(d.leads_to<UnknownRecipient>(with_upper_domain(facts.unknown)));
    if (!facts.disabled.empty()) CHECK(d.leads_to<DisabledRecipient>(facts.disabled));
    const std::string local_part = facts.login.substr(0, facts.login.rfind('@'));
    CHECK(d.leads_to<NotLocal>("somebody@elsewhere.invalid"));
    CHECK(d.leads_to<NotLocal>(local_part + "@elsewhere.invalid"));
    CHECK(d.leads_to<NotLocal>(facts.login + ".invalid"));
  }
  SUBCASE("directory: who has an automatic answer is said to be absent, and has one that can be sent; others have none") {
    const auto none = [&](AccountId account) {
      const auto found = d.absence(account);
      return found && !*found;
    };
    CHECK(none(facts.account));
    CHECK(none(AccountId{0xffff'fff0}));
    CHECK(!d.mailboxes(facts.login).local.front().is_absent);
    if (!facts.other_login.empty()) CHECK(d.mailboxes(facts.other_login).local.front().is_absent == facts.is_absent);
    if (facts.is_absent) {
      const auto found = d.absence(facts.other);
      REQUIRE(found.has_value());
      REQUIRE(found->has_value());
      CHECK((*found)->account.id == facts.other);
      CHECK((*found)->account.login == facts.other_login);
      CHECK((*found)->settings.enabled);
      CHECK(keystonemail::autoreply::check_settings((*found)->settings).has_value());
      if (!facts.list.empty())
        CHECK(std::ranges::any_of(d.mailboxes(facts.list).local, [&](const auto& one) { return one.account == facts.other && one.is_absent; }));
    }
  }
  SUBCASE("directory: aliases are followed to their end, lists to all of their members") {
    if (!facts.alias.empty()) CHECK(d.leads_to_one(facts.alias, facts.account));
    if (!facts.list.empty()) {
      const auto found = d.mailboxes(facts.list);
      const auto has = [&](AccountId account) { return std::ranges::count(found.local, account, &DirectoryCaller::Mailboxes::Local::account) == 1; };
      CHECK(has(facts.account));
      CHECK(found.local.size() == (facts.other_login.empty() ? 1U : 2U));
      if (!facts.other_login.empty()) CHECK(has(facts.other));
      REQUIRE(found.remote.size() == (facts.elsewhere.empty() ? 0U : 1U));
      if (!facts.elsewhere.empty()) CHECK(found.remote.front().address == facts.elsewhere);
    }
  }
  SUBCASE("directory: a catch-all takes what nobody has, user+detail is the user's") {
    if (!facts.caught.empty()) CHECK(d.leads_to_one(facts.caught, facts.account));
    if (!facts.detailed.empty()) {
      const auto found = d.mailboxes(facts.detailed);
      REQUIRE(found.local.size() == 1);
      CHECK(found.local.front().account == facts.account);
      CHECK(found.local.front().detail == facts.detail);
    }
  }
  SUBCASE("directory: the right password logs in, and the login is the canonical one however it was typed") {
    for (const std::string& typed : {facts.login, with_upper_domain(facts.login), facts.short_login}) {
      if (typed.empty()) continue;
      CAPTURE(typed);
      const auto in = d.log_in(typed, facts.password);
      REQUIRE(in.has_value());
      CHECK(in->account.id == facts.account);
      CHECK(in->account.login == facts.login);
      CHECK(in->account.enabled);
      CHECK(!in->credential.empty());
      CHECK(is_the_account(d.find(typed), facts));
    }
    if (!facts.other_login.empty()) CHECK(d.log_in(facts.other_login, facts.other_password)->account.id == facts.other);
  }
  SUBCASE("directory: a wrong password, an unknown login and a disabled account are refused alike") {
    const auto wrong = d.log_in(facts.login, facts.password + "x");
    REQUIRE(is_error(wrong, ErrorKind::denied));
    std::vector<std::pair<std::string, std::string>> others{
        {facts.unknown, facts.password}, {"somebody@elsewhere.invalid", facts.password}, {facts.login, ""},
        {facts.login, facts.password.substr(1)}, {facts.login, facts.password + std::string("\0x", 2)}, {facts.login, facts.password + '\0'},
        {facts.login.substr(0, facts.login.rfind('@')) + "@elsewhere.invalid", facts.password}};
    if (!facts.other_login.empty()) others.emplace_back(facts.other_login, facts.password);
    if (!facts.disabled.empty()) others.emplace_back(facts.disabled, facts.disabled_password);
    for (const auto& [login, password] : others) {
      CAPTURE(login);
      CAPTURE(password);
      const auto refused = d.log_in(login, password);
      REQUIRE(is_error(refused, ErrorKind::denied));
      CHECK(refused.error().text() == wrong.error().text());
    }
  }
  SUBCASE("directory: an account is found by its login; none is not_found, a disabled one denied") {
    CHECK(is_the_account(d.find(facts.login), facts));
    CHECK(is_error(d.find(facts.unknown), ErrorKind::not_found));
    CHECK(is_error(d.find("somebody@elsewhere.invalid"), ErrorKind::not_found));
    CHECK(is_error(d.find(facts.login.substr(0, facts.login.rfind('@')) + "@elsewhere.invalid"), ErrorKind::not_found));
    if (!facts.disabled.empty()) CHECK(is_error(d.find(facts.disabled), ErrorKind::denied));
  }
  SUBCASE("directory: an account sends as itself, not as others, as nobody or as those elsewhere") {
    CHECK(says(d.may_send(facts.account, facts.login), true));
    CHECK(says(d.may_send(facts.account, with_upper_domain(facts.login)), true));
    CHECK(says(d.may_send(facts.account, facts.unknown), false));
    CHECK(says(d.may_send(facts.account, "somebody@elsewhere.invalid"), false));
    CHECK(says(d.may_send(facts.account, facts.login.substr(0, facts.login.rfind('@')) + "@elsewhere.invalid"), false));
    CHECK(says(d.may_send(AccountId{UINT32_MAX}, facts.login), false));
    if (facts.other_login.empty()) return;
    CHECK(says(d.may_send(facts.account, facts.other_login), false));
    CHECK(says(d.may_send(facts.other, facts.login), false));
  }
  SUBCASE("directory: SCRAM keys of one account share salt and iterations; who is not there has none") {
    const auto keys = d.scram(facts.login);
    REQUIRE(keys.has_value());
    CHECK(!keys->empty() == facts.has_scram);
    if (facts.has_scram) CHECK(directory.has_scram());
    for (const auto& [name, one] : *keys) {
      CHECK(!name.empty());
      CHECK(one.salt == keys->front().keys.salt);
      CHECK(!one.salt.empty());
      CHECK(one.iterations == keys->front().keys.iterations);
      CHECK(one.iterations >= 4'096);  // RFC 7677 §4
      CHECK(one.stored_key.size() == 32);
      CHECK(one.server_key.size() == 32);
    }
    for (const std::string& nobody : {facts.unknown, std::string("somebody@elsewhere.invalid"), facts.disabled}) {
      if (nobody.empty()) continue;
      const auto none = d.scram(nobody);
      REQUIRE(none.has_value());
      CHECK(none->empty());
    }
  }
  SUBCASE("directory: what is no address is nobody's, whatever octets it is made of") {
    for (const std::string& text : hostile_texts(facts)) {
      CAPTURE(text.size());
      CAPTURE(text.substr(0, 60));
      CHECK(says(d.is_local(text), false));
      CHECK((d.leads_to<UnknownRecipient>(text) || d.leads_to<NotLocal>(text)));
      CHECK(is_error(d.log_in(text, facts.password), ErrorKind::denied));
      CHECK(is_error(d.log_in(facts.login, text), ErrorKind::denied));
      CHECK(is_error(d.find(text), ErrorKind::not_found));
      CHECK(says(d.may_send(facts.account, text), false));
      const auto keys = d.scram(text);
      CHECK((keys && keys->empty()));
    }
    CHECK(d.leads_to_one(facts.login, facts.account));
    CHECK(d.log_in(facts.login, facts.password).has_value());
  }
  SUBCASE("directory: several threads at once hear the same as one alone") {
    std::atomic<std::uint64_t> wrong{0};
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < 4; ++i) threads.emplace_back([&] { wrong += ask_often(directory, facts); });
    }
    CHECK(wrong == 0);
  }
  SUBCASE("directory: who stops, or has no time left, hears so or the answer; never that somebody is not there") {
    std::stop_source stop;
    stop.request_stop();
    const Context stopped = Context{&fixture.loop}.with_stop(stop.get_token());
    const Context late = Context{&fixture.loop}.until(fixture.loop.now());
    for (const auto& [context, kind] : {std::pair{stopped, ErrorKind::cancelled}, std::pair{late, ErrorKind::timeout}}) {
      CAPTURE(static_cast<int>(kind));
      const auto local = d.is_local(domain, context);
      CHECK((answers_or(local, kind) && (!local || *local)));
      const auto found = d.resolve(facts.login, context);
      CHECK((answers_or(found, kind) && (!found || std::holds_alternative<DirectoryCaller::Mailboxes>(*found))));
      CHECK(answers_or(d.log_in(facts.login, facts.password, context), kind));
      CHECK(answers_or(d.find(facts.login, context), kind));
      CHECK(answers_or(d.scram(facts.login, context), kind));
      const auto sender = d.may_send(facts.account, facts.login, context);
      CHECK((answers_or(sender, kind) && (!sender || *sender)));
      if (facts.is_absent) {
        const auto away = d.absence(facts.other, context);
        CHECK((answers_or(away, kind) && (!away || away->has_value())));
      }
    }
    std::stop_source later;
    const Context stoppable = Context{&fixture.loop}.with_stop(later.get_token());
    keystonemail::directory::PasswordAttempt attempt{facts.login, facts.password, "imap", *IpAddress::parse("192.0.2.1")};
    auto under_way = directory.authenticate(std::move(attempt), stoppable);
    later.request_stop();
    CHECK(answers_or(fixture.loop.run_until(std::move(under_way)), ErrorKind::cancelled));
    CHECK(d.log_in(facts.login, facts.password).has_value());
    CHECK(d.leads_to_one(facts.login, facts.account));
  }
}

}  // namespace keystonemail::conformance
