// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/accounts/accounts.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <latch>
#include <memory>
#include <semaphore>
#include <string>

#include "keystonemail/backends/memory/blob_store.hpp"
#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/service/mailstore/kv_mail_store.hpp"
#include "service/accounts/records.hpp"

using namespace keystonemail;
using namespace keystonemail::accounts;
using crypto::SecretString;

namespace {

// Cheap enough for tests; the cost of real ones is checked in tests/crypto.
constexpr crypto::ScryptCost cheap{.log2_n = 4, .r = 8, .p = 1};
const IpAddress peer = *IpAddress::parse("192.0.2.1");

class Fixture {
 public:
  Fixture() {
    memory::KvOptions options;
    for (const auto name : service::mail_store_tables()) options.tables.emplace_back(name);
    const auto blobs_table = kv::Table{static_cast<std::uint8_t>(options.tables.size())};
    options.tables.emplace_back("blobs");
    const auto first = kv::Table{static_cast<std::uint8_t>(options.tables.size())};
    for (auto& name : table_names()) options.tables.push_back(name);
    store = memory::make_kv_store(options);
    blobs = memory::make_blob_store({.table = blobs_table});
    mail = *loop.run_until(service::KvMailStore::open(*store, *blobs, random, {}, {&loop}));
    directory = std::make_unique<Accounts>(Options{.first_table = first, .primary_domain = "example.test", .password_cost = cheap},
                                           *store, *mail, workers, random);
    run(directory->add_domain("Example.TEST", context()));
  }
  Context context() { return {&loop}; }
  template <class T>
  T run(Task<T> task) {
    return loop.run_until(std::move(task));
  }
  directory::Account add(const std::string& login, const std::string& password = "correct horse battery") {
    auto account = run(directory->add_account({.login = login, .password = SecretString(password)}, context()));
    REQUIRE(account);
    return *account;
  }
  directory::Resolution resolve(const std::string& address) {
    auto found = run(directory->resolve(address, context()));
    REQUIRE(found);
    return *found;
  }
  Result<directory::Authenticated> log_in(const std::string& login, const std::string& password, const std::string& service = "imap") {
    return run(directory->authenticate({login, password, service, peer}, context()));
  }
  // From here to go_on() all threads of the pool are busy, however fast they are, and what is submitted waits.
  void stop_workers() {
    std::latch stopped(threads);
    for (std::ptrdiff_t i = 0; i < threads; ++i) {
      REQUIRE(workers.submit([&] {
        stopped.count_down();
        going_on.acquire();
      }));
    }
    stopped.wait();
  }
  void go_on() { going_on.release(threads); }

  static constexpr std::ptrdiff_t threads = 2;
  static constexpr std::size_t queue_max = 8;
  RunLoop loop;
  SeededRandom random{1};
  std::counting_semaphore<threads> going_on{0};
  WorkerPool workers{{.threads = threads, .queue_max = queue_max}};
  std::unique_ptr<kv::Store> store;
  std::unique_ptr<blob::Store> blobs;
  std::unique_ptr<service::KvMailStore> mail;
  std::unique_ptr<Accounts> directory;
};

template <class T>
bool is(const directory::Resolution& resolution) {
  return std::holds_alternative<T>(resolution);
}

}  // namespace

TEST_CASE("accounts: a new account has its mailboxes and receives mail in any case of its domain") {
  Fixture f;
  const auto alice = f.add("alice@example.test");
  CHECK(f.run(f.mail->find_mailbox(alice.id, "inbox", f.context())));
  for (const char* address : {"alice@example.test", "Alice@EXAMPLE.test", "alice@Example.Test"}) {
    const auto found = f.resolve(address);
    REQUIRE(is<directory::Mailboxes>(found));
    CHECK(std::get<directory::Mailboxes>(found).local[0].account == alice.id);
  }
  CHECK(is<directory::UnknownRecipient>(f.resolve("nobody@example.test")));
  CHECK(is<directory::NotLocal>(f.resolve("alice@elsewhere.test")));
}

TEST_CASE("accounts: internationalised domains are one domain in both forms") {
  Fixture f;
  REQUIRE(f.run(f.directory->add_domain("b\xc3\xbc" "cher.test", f.context())));
  f.add("rita@xn--bcher-kva.test");
  CHECK(is<directory::Mailboxes>(f.resolve("rita@b\xc3\xbc" "cher.test")));
  CHECK(is<directory::Mailboxes>(f.resolve("rita@B\xc3\x9c" "CHER.test")));
  CHECK(*f.run(f.directory->is_local_domain("b\xc3\xbc" "cher.test", f.context())));
}

TEST_CASE("accounts: a login is taken once, and only in our domains") {
  Fixture f;
  f.add("alice@example.test");
  const auto again = f.run(f.directory->add_account({.login = "ALICE"}, f.context()));
  REQUIRE(!again);
  CHECK(again.error().kind() == ErrorKind::conflict);
  const auto foreign = f.run(f.directory->add_account({.login = "bob@elsewhere.test"}, f.context()));
  REQUIRE(!foreign);
  CHECK(foreign.error().kind() == ErrorKind::not_found);
  const auto nonsense = f.run(f.directory->add_account({.login = "a b@example.test@x"}, f.context()));
  REQUIRE(!nonsense);
  CHECK(nonsense.error().kind() == ErrorKind::invalid);
}

TEST_CASE("accounts: user+detail reaches the user, and the detail is kept") {
  Fixture f;
  f.add("alice@example.test");
  const auto found = f.resolve("alice+lists.kernel@example.test");
  REQUIRE(is<directory::Mailboxes>(found));
  CHECK(std::get<directory::Mailboxes>(found).local[0].detail == "lists.kernel");
  CHECK(is<directory::UnknownRecipient>(f.resolve("+x@example.test")));
}

TEST_CASE("accounts: aliases and lists expand, loops end, and foreign targets are kept") {
  Fixture f;
  f.add("alice@example.test");
  f.add("bob@example.test");
  REQUIRE(f.run(f.directory->set_alias({"team", AliasKind::list, {"alice", "bob@example.test", "far@elsewhere.test", "team2"}}, f.context())));
  REQUIRE(f.run(f.directory->set_alias({"team2", AliasKind::alias, {"team", "alice"}}, f.context())));
  const auto found = f.resolve("team@example.test");
  REQUIRE(is<directory::Mailboxes>(found));
  CHECK(std::get<directory::Mailboxes>(found).local.size() == 2);
  REQUIRE(std::get<directory::Mailboxes>(found).remote.size() == 1);
  CHECK(std::get<directory::Mailboxes>(found).remote[0].address == "far@elsewhere.test");
  REQUIRE(f.run(f.directory->set_alias({"ring1", AliasKind::alias, {"ring2"}}, f.context())));
  REQUIRE(f.run(f.directory->set_alias({"ring2", AliasKind::alias, {"ring1"}}, f.context())));
  CHECK(!is<directory::Mailboxes>(f.resolve("ring1@example.test")));
}

TEST_CASE("accounts: members of a list are told apart, and its owner has addresses of its own") {
  Fixture f;
  f.add("alice@example.test");
  f.add("bob@example.test");
  REQUIRE(f.run(f.directory->set_alias({"team", AliasKind::list, {"alice", "far@elsewhere.test"}, "bob"}, f.context())));
  REQUIRE(f.run(f.directory->set_alias({"all", AliasKind::alias, {"team", "bob", "direct@elsewhere.test"}}, f.context())));
  const auto resolved = f.resolve("all@example.test");
  REQUIRE(is<directory::Mailboxes>(resolved));
  const auto& found = std::get<directory::Mailboxes>(resolved);
  REQUIRE(found.local.size() == 2);
  CHECK(found.local[0].list == "team@example.test");
  CHECK(found.local[1].list.empty());
  REQUIRE(found.remote.size() == 2);
  CHECK(found.remote[0].list == "team@example.test");
  CHECK(found.remote[0].via == "team@example.test");
  CHECK(found.remote[1].list.empty());
  CHECK(found.remote[1].via == "all@example.test");
  REQUIRE(found.lists.size() == 1);
  CHECK(found.lists[0].owner == "owner-team@example.test");
  for (const char* address : {"owner-team@example.test", "Team-Owner@example.test", "team-request@example.test"}) {
    CAPTURE(address);
    const auto owner = f.resolve(address);
    REQUIRE(is<directory::Mailboxes>(owner));
    CHECK(std::get<directory::Mailboxes>(owner).local.at(0).address == "bob@example.test");
  }
  CHECK(is<directory::UnknownRecipient>(f.resolve("owner-all@example.test")));  // that is no list
  REQUIRE(f.run(f.directory->set_alias({"orphan", AliasKind::list, {"bob"}}, f.context())));
  const auto postmaster = f.resolve("owner-orphan@example.test");
  REQUIRE(is<directory::Mailboxes>(postmaster));
  CHECK(std::get<directory::Mailboxes>(postmaster).local.at(0).account == directory::AccountId{1});
  CHECK(!f.run(f.directory->set_alias({"team", AliasKind::list, {"alice"}, "team"}, f.context())));
  CHECK(!f.run(f.directory->set_alias({"plain", AliasKind::alias, {"alice"}, "bob"}, f.context())));
  bool kept = false;
  const auto all = f.run(f.directory->aliases(f.context()));
  for (const auto& alias : *all) kept = kept || (alias.address == "team@example.test" && alias.owner == "bob@example.test");
  CHECK(kept);
}

TEST_CASE("accounts: an account's mail goes on to addresses of its choice, with or without a copy that stays") {
  Fixture f;
  f.add("alice@example.test");
  f.add("bob@example.test");
  REQUIRE(f.run(f.directory->set_forwarding("alice", {{"far@elsewhere.test", "bob"}, true}, f.context())));
  const auto resolved = f.resolve("alice+box@example.test");
  REQUIRE(is<directory::Mailboxes>(resolved));
  const auto& found = std::get<directory::Mailboxes>(resolved);
  REQUIRE(found.local.size() == 2);
  CHECK(found.local[0].detail == "box");
  REQUIRE(found.remote.size() == 1);
  CHECK(found.remote[0].is_copy);
  CHECK(found.remote[0].via == "alice+box@example.test");
  CHECK(found.remote[0].account == directory::AccountId{1});
  REQUIRE(f.run(f.directory->set_forwarding("alice", {{"far@elsewhere.test"}, false}, f.context())));
  const auto only = f.resolve("alice@example.test");
  REQUIRE(is<directory::Mailboxes>(only));
  CHECK(std::get<directory::Mailboxes>(only).local.empty());
  CHECK(!std::get<directory::Mailboxes>(only).remote.at(0).is_copy);
  CHECK(*f.run(f.directory->may_send_as(directory::AccountId{1}, "alice@example.test", f.context())));
  CHECK(f.run(f.directory->forwarding("alice", f.context()))->targets == std::vector<std::string>{"far@elsewhere.test"});
  REQUIRE(f.run(f.directory->set_enabled("alice", false, f.context())));
  CHECK(!is<directory::Mailboxes>(f.resolve("alice@example.test")));
  REQUIRE(f.run(f.directory->set_enabled("alice", true, f.context())));
  REQUIRE(f.run(f.directory->set_alias({"to-far", AliasKind::alias, {"far@elsewhere.test"}}, f.context())));
  CHECK(!std::get<directory::Mailboxes>(f.resolve("to-far@example.test")).remote.at(0).account);
  REQUIRE(f.run(f.directory->set_forwarding("alice", {{"to-far"}, false}, f.context())));
  CHECK(std::get<directory::Mailboxes>(f.resolve("alice@example.test")).remote.at(0).account == directory::AccountId{1});  // by way of an alias
  CHECK(!f.run(f.directory->set_forwarding("alice", {{"alice@example.test"}, true}, f.context())));
  CHECK(!f.run(f.directory->set_forwarding("nobody", {{"x@y.test"}, true}, f.context())));
}

TEST_CASE("accounts: what senders are told is kept, shown while it is switched on, and checked; From is an address of one's own") {
  Fixture f;
  f.add("alice@example.test");
  f.add("bob@example.test");
  REQUIRE(f.run(f.directory->set_alias({"info", AliasKind::alias, {"alice"}}, f.context())));
  const auto is_absent = [&f](const std::string& address) {
    const auto found = f.resolve(address);
    REQUIRE(is<directory::Mailboxes>(found));
    return std::get<directory::Mailboxes>(found).local.at(0).is_absent;
  };
  const auto absence = [&f] { return f.run(f.directory->absence(directory::AccountId{1}, f.context())).value(); };
  CHECK(!is_absent("alice@example.test"));
  CHECK(!absence());
  autoreply::Settings settings{.enabled = true, .subject = "Fort", .text = "Bis bald\n", .address = "info@example.test", .days = 3};
  REQUIRE(f.run(f.directory->set_vacation("alice", settings, f.context())));
  for (const char* address : {"alice@example.test", "alice+box@example.test", "info@example.test"}) CHECK(is_absent(address));
  CHECK(!is_absent("bob@example.test"));
  REQUIRE(absence());
  CHECK(absence()->settings == settings);
  CHECK(absence()->account.login == "alice@example.test");
  CHECK(f.run(f.directory->vacation("ALICE@example.test", f.context())).value() == settings);
  settings.enabled = false;
  REQUIRE(f.run(f.directory->set_vacation("alice", settings, f.context())));
  CHECK(!is_absent("alice@example.test"));
  CHECK(!absence());
  CHECK(f.run(f.directory->vacation("alice", f.context())).value() == settings);
  const auto error = [&f](const std::string& login, autoreply::Settings wanted) {
    const auto set = f.run(f.directory->set_vacation(login, std::move(wanted), f.context()));
    REQUIRE(!set);
    return set.error().kind();
  };
  CHECK(error("alice", {.address = "bob@example.test"}) == ErrorKind::denied);
  CHECK(error("alice", {.address = "x@elsewhere.test"}) == ErrorKind::denied);
  CHECK(error("alice", {.days = 0}) == ErrorKind::invalid);
  CHECK(error("alice", {.text = std::string(100'000, 'x')}) == ErrorKind::too_large);
  CHECK(error("nobody", {}) == ErrorKind::not_found);
  CHECK(f.run(f.directory->vacation("nobody", f.context())).error().kind() == ErrorKind::not_found);
}

TEST_CASE("E2: addresses that lead to each other lead nowhere, by aliases, accounts and details alike, and end") {
  Fixture f;
  f.add("alice@example.test");
  f.add("bob@example.test");
  REQUIRE(f.run(f.directory->set_forwarding("alice", {{"bob"}, false}, f.context())));
  REQUIRE(f.run(f.directory->set_forwarding("bob", {{"alice"}, false}, f.context())));
  CHECK(!is<directory::Mailboxes>(f.resolve("alice@example.test")));
  REQUIRE(f.run(f.directory->set_forwarding("bob", {{"alice"}, true}, f.context())));
  const auto kept = f.resolve("alice@example.test");
  REQUIRE(is<directory::Mailboxes>(kept));
  CHECK(std::get<directory::Mailboxes>(kept).local.size() == 1);
  REQUIRE(f.run(f.directory->set_forwarding("alice", {{"alice+more@example.test"}, false}, f.context())));
  CHECK(!is<directory::Mailboxes>(f.resolve("alice@example.test")));
  REQUIRE(f.run(f.directory->set_alias({"ring", AliasKind::alias, {"ring+x"}}, f.context())));
  CHECK(!is<directory::Mailboxes>(f.resolve("ring@example.test")));
}

TEST_CASE("accounts: a chain of aliases deeper than the limit leads nowhere") {
  Fixture f;
  f.add("alice@example.test");
  for (int i = 0; i < 12; ++i) {
    const std::string target = i == 11 ? "alice" : "hop" + std::to_string(i + 1);
    REQUIRE(f.run(f.directory->set_alias({"hop" + std::to_string(i), AliasKind::alias, {target}}, f.context())));
  }
  CHECK(!is<directory::Mailboxes>(f.resolve("hop0@example.test")));
  CHECK(is<directory::Mailboxes>(f.resolve("hop2@example.test")));
}

TEST_CASE("accounts: a catch-all takes what nobody else does") {
  Fixture f;
  f.add("alice@example.test");
  const auto bob = f.add("bob@example.test");
  REQUIRE(f.run(f.directory->set_alias({"@example.test", AliasKind::catch_all, {"bob"}}, f.context())));
  CHECK(std::get<directory::Mailboxes>(f.resolve("whoever@example.test")).local[0].account == bob.id);
  CHECK(std::get<directory::Mailboxes>(f.resolve("alice@example.test")).local[0].account != bob.id);
}

TEST_CASE("accounts: postmaster is always there once anybody is") {
  Fixture f;
  CHECK(is<directory::UnknownRecipient>(f.resolve("postmaster@example.test")));
  const auto alice = f.add("alice@example.test");
  CHECK(std::get<directory::Mailboxes>(f.resolve("PostMaster@example.test")).local[0].account == alice.id);
}

TEST_CASE("accounts: a quota is set, shown with what the account has, and heeded, of a disabled account too") {
  Fixture f;
  const auto alice = f.add("alice@example.test");
  f.add("bob@example.test");
  REQUIRE(f.run(f.directory->set_quota("alice", 5'000, 7, f.context())));
  REQUIRE(f.run(f.directory->set_enabled("alice", false, f.context())));
  const auto seen = f.run(f.directory->standing("Alice@Example.TEST", f.context()));
  REQUIRE(seen);
  CHECK(seen->account.login == "alice@example.test");
  CHECK(seen->quota.octets_limit == 5'000);
  CHECK(seen->quota.messages_limit == 7);
  CHECK(seen->quota.messages_used == 0);
  const auto all = f.run(f.directory->standings(f.context()));
  REQUIRE(all);
  REQUIRE(all->size() == 2);
  CHECK((*all)[0].quota.octets_limit == 5'000);
  CHECK((*all)[1].quota.octets_limit == 0);
  CHECK(f.run(f.mail->account(alice.id, f.context()))->quota.octets_limit == 5'000);
  CHECK(f.run(f.directory->standing("nobody", f.context())).error().kind() == ErrorKind::not_found);
}

TEST_CASE("accounts: a disabled account takes no mail and lets nobody in") {
  Fixture f;
  f.add("alice@example.test");
  REQUIRE(f.run(f.directory->set_enabled("alice", false, f.context())));
  CHECK(is<directory::DisabledRecipient>(f.resolve("alice@example.test")));
  CHECK(!f.log_in("alice", "correct horse battery"));
  REQUIRE(f.run(f.directory->set_enabled("alice", true, f.context())));
  CHECK(f.log_in("alice", "correct horse battery"));
}

TEST_CASE("accounts: a removed account is gone with its mail, its address and its logins") {
  Fixture f;
  const auto alice = f.add("alice@example.test");
  REQUIRE(f.log_in("alice", "correct horse battery"));
  REQUIRE(f.run(f.directory->remove_account("alice@example.test", f.context())));
  CHECK(is<directory::UnknownRecipient>(f.resolve("alice@example.test")));
  CHECK(!f.log_in("alice", "correct horse battery"));
  CHECK(!f.run(f.mail->account(alice.id, f.context())));
  CHECK(f.add("alice@example.test").id != alice.id);  // numbers are never used again
}

TEST_CASE("password: the right one logs in by full address or local part, and no other does") {
  Fixture f;
  f.add("alice@example.test");
  CHECK(f.log_in("alice@example.test", "correct horse battery"));
  CHECK(f.log_in("alice", "correct horse battery"));
  CHECK(f.log_in("ALICE@EXAMPLE.TEST", "correct horse battery"));
  for (const char* wrong : {"", "correct horse batter", "correct horse battery ", "Correct horse battery"}) {
    const auto refused = f.log_in("alice", wrong);
    REQUIRE(!refused);
    CHECK(refused.error().kind() == ErrorKind::denied);
  }
  const auto unknown = f.log_in("nobody", "x");
  REQUIRE(!unknown);
  CHECK(unknown.error().text() == f.log_in("alice", "y").error().text());
}

TEST_CASE("password: a remembered login ends with a change of password") {
  Fixture f;
  f.add("alice@example.test");
  REQUIRE(f.log_in("alice", "correct horse battery"));
  REQUIRE(f.run(f.directory->set_password("alice", SecretString("another long password"), Accounts::ScramForPassword::no, f.context())));
  CHECK(!f.log_in("alice", "correct horse battery"));
  CHECK(f.log_in("alice", "another long password"));
}

TEST_CASE("password: a hash from elsewhere is accepted and replaced at login") {
  Fixture f;
  auto made = crypto::hash_password("imported password", f.random, {.log2_n = 3, .r = 1, .p = 1});
  REQUIRE(made);
  REQUIRE(f.run(f.directory->add_account({.login = "old", .password_hash = *made}, f.context())));
  REQUIRE(crypto::needs_rehash(*made, cheap));
  const auto kind = [&] { return f.run(f.directory->standing("old", f.context()))->hash_kind; };
  CHECK(kind() == "$scrypt$");
  CHECK(f.log_in("old", "imported password"));
  const auto second = f.log_in("old", "imported password");
  REQUIRE(second);
  CHECK(!f.log_in("old", "imported passwore"));
  // A crypt(5) one, instead of a password with SCRAM keys.
  const std::string sha256 = "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5";  // Hello world!
  REQUIRE(f.run(f.directory->set_password("old", SecretString("another long password"), ScramForPassword::yes, f.context())));
  REQUIRE(f.run(f.directory->set_password_hash("old", sha256, f.context())));
  CHECK(kind() == "$5$");
  CHECK(f.run(f.directory->scram_credentials("old", crypto::Hash::sha256, "imap", f.context()))->empty());
  CHECK(!f.log_in("old", "another long password"));
  CHECK(kind() == "$5$");
  CHECK(f.log_in("old", "Hello world!"));
  CHECK(kind() == "$scrypt$");
  CHECK(f.log_in("old", "Hello world!"));
  CHECK(!f.run(f.directory->set_password_hash("old", "{SSHA}AAAA", f.context())));
  CHECK(!f.run(f.directory->add_account({.login = "new", .password_hash = "secret"}, f.context())));
  CHECK(!f.run(f.directory->find_account("new", f.context())));
}

TEST_CASE("app password: logs in where it may, until it is revoked or expires") {
  Fixture f;
  f.add("alice@example.test");
  const auto phone = f.run(f.directory->add_app_password("alice", {.name = "phone", .services = {"imap"}}, f.context()));
  REQUIRE(phone);
  CHECK(f.log_in("alice", std::string(phone->view()))->credential == "phone");
  CHECK(!f.log_in("alice", std::string(phone->view()), "submission"));
  const auto old = f.run(f.directory->add_app_password("alice", {.name = "old", .expires = WallTime{}}, f.context()));
  REQUIRE(old);
  CHECK(!f.log_in("alice", std::string(old->view())));
  CHECK(!f.run(f.directory->add_app_password("alice", {.name = "phone"}, f.context())));
  REQUIRE(f.run(f.directory->remove_app_password("alice", "phone", f.context())));
  CHECK(!f.log_in("alice", std::string(phone->view())));
}

TEST_CASE("scram: app passwords carry keys that share a salt; a human password has none unless its owner asks") {
  Fixture f;
  f.add("alice@example.test");
  const auto keys = [&] { return *f.run(f.directory->scram_credentials("alice", crypto::Hash::sha256, "imap", f.context())); };
  CHECK(keys().empty());
  REQUIRE(f.run(f.directory->add_app_password("alice", {.name = "a"}, f.context())));
  REQUIRE(f.run(f.directory->add_app_password("alice", {.name = "b"}, f.context())));
  auto found = keys();
  REQUIRE(found.size() == 2 * 4);  // for each way of typing one
  CHECK(found[0].name == "a");
  CHECK(found[4].name == "b");
  for (const auto& credential : found) {
    CHECK(credential.keys.salt == found[0].keys.salt);
    CHECK(credential.keys.iterations == crypto::limits::scram_iterations_min);
  }
  REQUIRE(f.run(f.directory->set_password("alice", SecretString("another long password"), Accounts::ScramForPassword::yes, f.context())));
  found = keys();
  REQUIRE(found.size() == 1 + 2 * 4);
  for (const auto& credential : found) CHECK(credential.keys.iterations == crypto::limits::scram_iterations_human);
  CHECK(f.run(f.directory->scram_credentials("nobody", crypto::Hash::sha256, "imap", f.context()))->empty());
  CHECK(f.run(f.directory->scram_credentials("alice", crypto::Hash::sha1, "imap", f.context()))->empty());
}

TEST_CASE("scram: an owner's password has keys from the first day if that is asked for, and none once it is changed without") {
  Fixture f;
  NewAccount wanted{.login = "alice", .password = SecretString("correct horse battery"), .scram = ScramForPassword::yes};
  REQUIRE(f.run(f.directory->add_account(std::move(wanted), f.context())));
  const auto keys = [&] { return *f.run(f.directory->scram_credentials("alice", crypto::Hash::sha256, "imap", f.context())); };
  const auto has_scram = [&] { return f.run(f.directory->standing("alice", f.context()))->has_scram; };
  REQUIRE(keys().size() == 1);
  const auto derived = crypto::derive_scram_keys(crypto::Hash::sha256, "correct horse battery", keys()[0].keys.salt, crypto::limits::scram_iterations_human);
  REQUIRE(derived);
  CHECK(*derived == keys()[0].keys);
  CHECK(has_scram());
  CHECK(f.log_in("alice", "correct horse battery"));
  REQUIRE(f.run(f.directory->set_password("alice", SecretString("another long password"), ScramForPassword::no, f.context())));
  CHECK(keys().empty());
  CHECK(!has_scram());
}

TEST_CASE("scram: an app password has keys for how it is shown, without hyphens, and both in upper case") {
  Fixture f;
  f.add("alice@example.test");
  const auto shown = f.run(f.directory->add_app_password("alice", {.name = "phone"}, f.context()));
  REQUIRE(shown);
  const auto found = *f.run(f.directory->scram_credentials("alice", crypto::Hash::sha256, "imap", f.context()));
  const auto has_keys_for = [&](std::string_view typed) {
    const auto keys = crypto::derive_scram_keys(crypto::Hash::sha256, typed, found[0].keys.salt, found[0].keys.iterations).value();
    return std::ranges::any_of(found, [&](const auto& credential) { return credential.keys == keys; });
  };
  std::string plain(shown->view());
  std::erase(plain, '-');
  CHECK(plain.size() == 32);
  for (const std::string& typed : {std::string(shown->view()), plain, to_upper(shown->view()), to_upper(plain)}) CHECK(has_keys_for(typed));
  plain[0] = plain[0] == '2' ? '3' : '2';
  CHECK_FALSE(has_keys_for(plain));
}

TEST_CASE("sender: an account may use its own addresses and no other") {
  Fixture f;
  const auto alice = f.add("alice@example.test");
  f.add("bob@example.test");
  REQUIRE(f.run(f.directory->set_alias({"sales", AliasKind::alias, {"alice"}}, f.context())));
  const auto may = [&](const char* address) { return *f.run(f.directory->may_send_as(alice.id, address, f.context())); };
  CHECK(may("alice@example.test"));
  CHECK(may("Alice+shop@example.test"));
  CHECK(may("sales@example.test"));
  CHECK(!may("bob@example.test"));
  CHECK(!may("nobody@example.test"));
  CHECK(!may("alice@elsewhere.test"));
}

TEST_CASE("domain: one with addresses cannot be removed") {
  Fixture f;
  f.add("alice@example.test");
  const auto refused = f.run(f.directory->remove_domain("example.test", f.context()));
  REQUIRE(!refused);
  CHECK(refused.error().kind() == ErrorKind::conflict);
  REQUIRE(f.run(f.directory->remove_account("alice", f.context())));
  CHECK(f.run(f.directory->remove_domain("example.test", f.context())));
  CHECK(f.run(f.directory->domains(f.context()))->empty());
}

TEST_CASE("H9: more password checks than the queue holds are put off, not taken in") {
  Fixture f;
  f.add("alice@example.test");
  f.stop_workers();
  std::vector<Task<Result<directory::Authenticated>>> tries;
  for (int i = 0; i < 100; ++i) tries.push_back(f.directory->authenticate({"alice", "wrong " + std::to_string(i), "imap", peer}, f.context()));
  f.go_on();
  std::size_t put_off = 0;
  for (auto& attempt : tries) {
    const auto result = f.run(std::move(attempt));
    REQUIRE(!result);
    put_off += result.error().kind() == ErrorKind::unavailable ? 1 : 0;
  }
  CHECK(put_off == tries.size() - Fixture::queue_max);
  CHECK(f.log_in("alice", "correct horse battery"));
}

TEST_CASE("records: every truncation of a stored account or address is an error, never a crash") {
  AccountRecord record{.id = directory::AccountId{7}, .login = "a@example.test"};
  record.vacation = {.enabled = true, .from = WallTime(std::chrono::hours(1)), .text = "away"};
  record.app_passwords.push_back({{.name = "phone", .services = {"imap", "smtp"}}, "hash", {{}, {}}, {{}}});
  for (const std::string& whole : {encode(record), encode(AddressRecord{.account = {}, .alias = {"x@y", AliasKind::list, {"a@b", "c@d"}}})}) {
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
      const auto part = std::string_view(whole).substr(0, cut);
      CHECK((!decode_account(part) || !decode_address(part)));
    }
  }
  const auto back = decode_account(encode(record));
  REQUIRE(back);
  CHECK(back->app_passwords[0].about.services == std::vector<std::string>{"imap", "smtp"});
}

TEST_CASE("accounts: whose mailboxes are lost is named, gets new ones with the same limits, and can be removed") {
  Fixture f;
  const auto alice = f.add("alice@example.test"), bob = f.add("bob@example.test");
  f.run(f.directory->set_quota("alice@example.test", 5000, 0, f.context()));
  REQUIRE(f.run(f.mail->remove_account(alice.id, f.context())));
  REQUIRE(f.run(f.mail->remove_account(bob.id, f.context())));
  CHECK(f.run(f.directory->without_mailboxes(f.context()))->size() == 2);
  CHECK(f.run(f.directory->remove_account("bob@example.test", f.context())));
  CHECK(f.run(f.directory->reconcile_mailboxes(f.context())) == std::uint64_t{1});
  CHECK(f.run(f.directory->without_mailboxes(f.context()))->empty());
  CHECK(f.run(f.mail->account(alice.id, f.context()))->quota.octets_limit == 5000);
  REQUIRE(f.run(f.mail->set_quota(alice.id, {}, f.context())));
  CHECK(f.run(f.directory->reconcile_mailboxes(f.context())) == std::uint64_t{1});
  CHECK(f.run(f.mail->account(alice.id, f.context()))->quota.octets_limit == 5000);
  CHECK(f.run(f.directory->reconcile_mailboxes(f.context())) == std::uint64_t{0});
}
