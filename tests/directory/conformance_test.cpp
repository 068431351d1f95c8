// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The suite of directories on each that there is: our own on two stores, plugins, a class of somebody else's, and those
// of others with mail accounts made for them.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "../../examples/custom_directory/customers.hpp"
#include "conformance/directory_conformance.hpp"
#include "keystonemail/backends/lmdb/kv_store.hpp"
#include "keystonemail/backends/memory/blob_store.hpp"
#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/backends/plugin/directory.hpp"
#include "keystonemail/service/accounts/accounts.hpp"
#include "keystonemail/service/mailstore/kv_mail_store.hpp"
#include "service/server/provisioning_directory.hpp"

using namespace keystonemail;
using accounts::Accounts;
using conformance::DirectoryFacts;
using crypto::SecretString;
using directory::AccountId;

namespace {

// A folder of our own, which only we can write.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "directory-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string operator/(const char* name) const { return path_ / name; }
  std::string copy(const std::string& plugin) const {
    const auto to = path_ / "plugin.so";
    std::filesystem::copy(plugin, to);
    chmod(to.c_str(), 0644);
    return to;
  }

 private:
  std::filesystem::path path_;
};

struct Tables {
  std::vector<std::string> names;
  kv::Table content{}, accounts{};
};
Tables tables() {
  Tables made;
  for (const auto name : service::mail_store_tables()) made.names.emplace_back(name);
  made.content = kv::Table{static_cast<std::uint8_t>(made.names.size())};
  made.names.emplace_back("content");
  made.accounts = kv::Table{static_cast<std::uint8_t>(made.names.size())};
  for (auto& name : accounts::table_names()) made.names.push_back(std::move(name));
  return made;
}

struct Memory {
  std::unique_ptr<kv::Store> store = memory::make_kv_store({.tables = tables().names});
};
struct Lmdb {
  Lmdb() {
    auto opened = lmdb::open_kv_store({.directory = folder / "kv", .tables = tables().names, .map_octets_initial = 64U << 20,
                                       .free_octets_min = 0, .free_percent_min = 0, .file_systems = lmdb::FileSystems::any});
    if (!opened) FAIL(opened.error().describe());
    store = *std::move(opened);
  }
  Folder folder;
  std::unique_ptr<kv::Store> store;
};

template <class Store>
class Internal {
 public:
  Internal() {
    blobs_ = memory::make_blob_store({.table = tables().content});
    mail_ = *loop.run_until(service::KvMailStore::open(*kv_.store, *blobs_, random_, {}, {&loop}));
    accounts_ = std::make_unique<Accounts>(
        accounts::Options{.first_table = tables().accounts, .primary_domain = "xn--bcher-kva.test", .password_cost = {.log2_n = 4, .r = 8, .p = 1}},
        *kv_.store, *mail_, workers_, random_);
    for (const char* domain : {"b\u00fccher.test", "other.test"}) must(accounts_->add_domain(domain, {&loop}));
    facts_ = {.account = add("anna"), .login = "anna@xn--bcher-kva.test", .password = "anna's own password",
              .unknown = "nobody@xn--bcher-kva.test", .short_login = "anna", .domain_in_unicode = "B\u00dccher.test",
              .other = add("otto"), .other_login = "otto@xn--bcher-kva.test", .other_password = "otto's own password",
              .disabled = "gone@xn--bcher-kva.test", .disabled_password = "gone's own password", .alias = "first@xn--bcher-kva.test",
              .list = "all@xn--bcher-kva.test", .elsewhere = "friend@elsewhere.invalid", .caught = "whoever@other.test",
              .detailed = "anna+Lists@xn--bcher-kva.test", .detail = "Lists", .has_scram = true, .is_absent = true};
    must(accounts_->set_vacation("otto", {.enabled = true, .text = "Verreist."}, {&loop}));
    (void)add("gone");
    must(accounts_->set_enabled("gone", false, {&loop}));
    alias({.address = "second", .targets = {"anna"}});
    alias({.address = "first", .targets = {"second"}});
    alias({.address = "all", .kind = accounts::AliasKind::list, .targets = {"first", "otto", "anna", "friend@elsewhere.invalid"}});
    alias({.address = "@other.test", .targets = {"anna"}});
    must(accounts_->set_password("anna", SecretString(facts_.password), Accounts::ScramForPassword::yes, {&loop}));
    REQUIRE(loop.run_until(accounts_->add_app_password("anna", {.name = "phone", .services = {}, .created = {}, .expires = {}}, {&loop})));
  }
  Accounts& directory() { return *accounts_; }
  [[nodiscard]] const DirectoryFacts& facts() const { return facts_; }

  RunLoop loop;

 private:
  void must(Task<Result<void>> task) {
    const auto done = loop.run_until(std::move(task));
    if (!done) FAIL(done.error().describe());
  }
  AccountId add(const std::string& login) {
    auto added = loop.run_until(accounts_->add_account({.login = login, .display_name = {}, .password = SecretString(login + "'s own password"),
                                                        .password_hash = {}}, {&loop}));
    REQUIRE(added);
    return added->id;
  }
  void alias(accounts::Alias alias) { must(accounts_->set_alias(std::move(alias), {&loop})); }

  Store kv_;
  SeededRandom random_{1};
  WorkerPool workers_{{.threads = 2, .queue_max = 64}};
  std::unique_ptr<blob::Store> blobs_;
  std::unique_ptr<service::KvMailStore> mail_;
  std::unique_ptr<Accounts> accounts_;
  DirectoryFacts facts_;
};

// A plugin, loaded as the host loads one.
class Loaded {
 public:
  directory::Directory& directory() { return *directory_; }
  [[nodiscard]] const DirectoryFacts& facts() const { return facts_; }

  RunLoop loop;

 protected:
  explicit Loaded(DirectoryFacts facts) : facts_(std::move(facts)) {}
  void load(const std::string& file, std::string configuration, std::string primary_domain) {
    auto opened = plugin::open_directory({.path = folder_.copy(file), .configuration = std::move(configuration),
                                          .primary_domain = std::move(primary_domain)}, log_);
    if (!opened) FAIL(opened.error().describe());
    directory_ = *std::move(opened);
  }
  Folder folder_;

 private:
  NullLog log_;
  std::unique_ptr<directory::Directory> directory_;
  const DirectoryFacts facts_;
};

class Plugin : public Loaded {
 public:
  Plugin() : Loaded({.account = AccountId{1}, .login = "ann@xn--bcher-kva.test", .password = "open sesame",
                     .unknown = "nobody@xn--bcher-kva.test", .short_login = "ann", .domain_in_unicode = "B\u00dccher.test",
                     .disabled = "gone@xn--bcher-kva.test", .disabled_password = "open sesame",
                     .list = "all@xn--bcher-kva.test", .elsewhere = "friend@elsewhere.test", .has_scram = true}) {
    load(KEYSTONEMAIL_TEST_PLUGINS "/libgood_plugin.so", "xn--bcher-kva.test", "xn--bcher-kva.test");
  }
};

#ifdef KEYSTONEMAIL_USERS_FILE_PLUGIN
class UsersFile : public Loaded {
 public:
  UsersFile() : Loaded({.account = AccountId{7}, .login = "ann@example.test", .password = "secret", .unknown = "nobody@example.test",
                        .short_login = "ann", .other = AccountId{8}, .other_login = "bob@example.test", .other_password = "hidden"}) {
    std::ofstream(folder_ / "users") << "7 ann@example.test secret\n8 bob@example.test hidden\n";
    load(KEYSTONEMAIL_USERS_FILE_PLUGIN, folder_ / "users", "example.test");
  }
};
#endif

class Shop {
 public:
  directory::Directory& directory() { return customers_; }
  [[nodiscard]] const DirectoryFacts& facts() const { return facts_; }

  RunLoop loop;

 private:
  Customers customers_;
  const DirectoryFacts facts_{.account = AccountId{1234}, .login = "1234@shop.test", .password = "ask the shop's login service here",
                              .unknown = "12@shop.test", .short_login = "1234"};
};

// Another fixture's, with mail accounts.
template <class Inner>
class Provisioned {
 public:
  Provisioned() {
    blobs_ = memory::make_blob_store({.table = tables().content});
    mail_ = *inner_.loop.run_until(service::KvMailStore::open(*kv_.store, *blobs_, random_, {}, {&inner_.loop}));
    directory_ = std::make_unique<ProvisioningDirectory>(inner_.directory(), *mail_);
  }
  directory::Directory& directory() { return *directory_; }
  [[nodiscard]] const DirectoryFacts& facts() const { return inner_.facts(); }

 private:
  Inner inner_;
  Memory kv_;
  SeededRandom random_{1};
  std::unique_ptr<blob::Store> blobs_;
  std::unique_ptr<service::KvMailStore> mail_;
  std::unique_ptr<ProvisioningDirectory> directory_;

 public:
  RunLoop& loop = inner_.loop;
};

}  // namespace

TEST_CASE("directory: our own conforms on memory") { conformance::directory<Internal<Memory>>(); }
TEST_CASE("directory: our own conforms on lmdb") { conformance::directory<Internal<Lmdb>>(); }
TEST_CASE("directory: a plugin conforms") { conformance::directory<Plugin>(); }
#ifdef KEYSTONEMAIL_USERS_FILE_PLUGIN
TEST_CASE("directory: the example of a plugin conforms") { conformance::directory<UsersFile>(); }
#endif
TEST_CASE("directory: the example of a class of one's own conforms") { conformance::directory<Shop>(); }
TEST_CASE("directory: with mail accounts made for them, somebody else's conform") {
  SUBCASE("a class") { conformance::directory<Provisioned<Shop>>(); }
  SUBCASE("a plugin") { conformance::directory<Provisioned<Plugin>>(); }
}
