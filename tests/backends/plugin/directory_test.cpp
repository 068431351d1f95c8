// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The plugin backend against a plugin that keeps to the contract and one that does not.
#include "keystonemail/backends/plugin/directory.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>

using namespace keystonemail;
using directory::Mailboxes;

namespace {

// The plugins in a folder of their own, which only we can write.
class Folder {
 public:
  Folder() {
    char name[] = "/tmp/keystonemail-plugin-XXXXXX";
    path_ = mkdtemp(name);
    for (const char* plugin : {"good", "bad", "no"}) {
      const std::string file = std::string("lib") + plugin + "_plugin.so";
      std::filesystem::copy(std::filesystem::path(KEYSTONEMAIL_TEST_PLUGINS) / file, path_ / (std::string(plugin) + ".so"));
      chmod((path_ / (std::string(plugin) + ".so")).c_str(), 0644);
    }
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string operator/(const char* name) const { return path_ / name; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class RecordingLog final : public Log {
 public:
  bool wants(LogLevel) const noexcept override { return true; }
  void write(LogLevel, std::string_view event, std::span<const LogField>) noexcept override {
    const std::lock_guard lock(mutex_);
    events_.append(event).append(" ");
  }
  [[nodiscard]] bool has(std::string_view event) {
    const std::lock_guard lock(mutex_);
    return events_.find(event) != std::string::npos;
  }

 private:
  std::mutex mutex_;
  std::string events_;
};

struct Fixture {
  Folder folder;
  RunLoop loop;
  RecordingLog log;

  [[nodiscard]] auto open(const char* name, std::string configuration = "example.test",
                          std::chrono::milliseconds timeout = std::chrono::minutes(1)) {
    return plugin::open_directory({.path = folder / name, .configuration = std::move(configuration), .primary_domain = "example.test",
                                   .threads = 2, .queue_max = 8, .timeout = timeout}, log);
  }
  [[nodiscard]] Context soon() { return Context{&loop}.until(loop.now() + std::chrono::milliseconds(50)); }
  [[nodiscard]] auto login(directory::Directory& directory, std::string name, std::string password) {
    directory::PasswordAttempt attempt{std::move(name), std::move(password), "imap", IpAddress()};
    return loop.run_until(directory.authenticate(std::move(attempt), {&loop}));
  }
  [[nodiscard]] auto resolve(directory::Directory& directory, const char* address) {
    return loop.run_until(directory.resolve(address, {&loop}));
  }
  [[nodiscard]] auto local(directory::Directory& directory, const char* domain) {
    return loop.run_until(directory.is_local_domain(domain, {&loop}));
  }
};

template <class T>
bool is(const Result<T>& result, ErrorKind kind) {
  return !result && result.error().kind() == kind;
}

bool says(const Result<bool>& result, bool answer) { return result && *result == answer; }

}  // namespace

TEST_CASE_FIXTURE(Fixture, "plugin: domains are asked for as A-labels in lower case") {
  const auto opened = open("good.so", "xn--bcher-kva.test");
  REQUIRE(opened);
  CHECK(log.has("plugin.loaded"));
  CHECK(log.has("plugin.says"));
  CHECK(says(local(**opened, "B\xC3\xBC" "cher.TEST"), true));
  CHECK(says(local(**opened, "elsewhere.test"), false));
  CHECK(says(local(**opened, "no domain"), false));
}

TEST_CASE_FIXTURE(Fixture, "plugin: an address leads to mailboxes, elsewhere, to nobody, or is not ours") {
  const auto opened = open("good.so");
  REQUIRE(opened);
  auto& directory = **opened;
  const auto all = resolve(directory, "all@EXAMPLE.test");
  REQUIRE(all);
  const auto& found = std::get<Mailboxes>(*all);
  REQUIRE(found.local.size() == 1);
  CHECK(found.local.front().account == directory::AccountId{1});
  CHECK(found.local.front().address == "all@example.test");
  CHECK(found.local.front().detail == "box");
  REQUIRE(found.remote.size() == 1);
  CHECK(found.remote.front().address == "friend@elsewhere.test");
  CHECK(std::holds_alternative<directory::UnknownRecipient>(*resolve(directory, "bob@example.test")));
  CHECK(std::holds_alternative<directory::DisabledRecipient>(*resolve(directory, "gone@example.test")));
  CHECK(std::holds_alternative<directory::NotLocal>(*resolve(directory, "ann@elsewhere.test")));
  CHECK(is(resolve(directory, "later@example.test"), ErrorKind::unavailable));
}

TEST_CASE_FIXTURE(Fixture, "plugin: a password is checked with an answer that comes later from another thread") {
  const auto opened = open("good.so");
  REQUIRE(opened);
  const auto ann = login(**opened, "ann", "open sesame");
  REQUIRE(ann);
  CHECK(ann->account.login == "ann@example.test");
  CHECK(ann->account.quota_octets == 1000);
  CHECK(ann->credential == "phone");
  CHECK(is(login(**opened, "ann@example.test", "wrong"), ErrorKind::denied));
  CHECK(is(login(**opened, "bob", "open sesame"), ErrorKind::denied));
}

TEST_CASE_FIXTURE(Fixture, "plugin: accounts, senders and SCRAM keys") {
  const auto opened = open("good.so");
  REQUIRE(opened);
  auto& directory = **opened;
  CHECK(loop.run_until(directory.find_account("ann", {&loop}))->display_name == "Ann");
  CHECK(is(loop.run_until(directory.find_account("bob", {&loop})), ErrorKind::not_found));
  CHECK(says(loop.run_until(directory.may_send_as(directory::AccountId{1}, "ann@example.test", {&loop})), true));
  CHECK(says(loop.run_until(directory.may_send_as(directory::AccountId{2}, "ann@example.test", {&loop})), false));
  const auto keys = loop.run_until(directory.scram_credentials("ann", crypto::Hash::sha256, "imap", {&loop}));
  REQUIRE(keys);
  REQUIRE(keys->size() == 1);
  CHECK(keys->front().keys.stored_key.size() == 32);
  CHECK(loop.run_until(directory.scram_credentials("bob", crypto::Hash::sha1, "imap", {&loop}))->empty());
}

TEST_CASE_FIXTURE(Fixture, "plugin: what cannot be opened is refused with a reason") {
  CHECK(is(open("good.so", ""), ErrorKind::unavailable));
  CHECK(open("good.so", "").error().text().ends_with("no domain given"));
  CHECK(is(open("absent.so"), ErrorKind::not_found));
  CHECK(is(open("no.so"), ErrorKind::invalid));
  CHECK(is(plugin::open_directory({.path = "good.so"}, log), ErrorKind::invalid));
  CHECK(is(plugin::open_directory({.path = folder.path()}, log), ErrorKind::invalid));
  for (const char* wrong : {"version", "size", "function", "null"}) {
    CAPTURE(wrong);
    setenv("KEYSTONEMAIL_TEST_PLUGIN", wrong, 1);
    CHECK(is(open("bad.so"), ErrorKind::invalid));
  }
  unsetenv("KEYSTONEMAIL_TEST_PLUGIN");
}

TEST_CASE_FIXTURE(Fixture, "H13: a plugin that others may write, or replace, is not loaded") {
  const std::string path = folder / "good.so";
  chmod(path.c_str(), 0664);
  CHECK(is(open("good.so"), ErrorKind::denied));
  chmod(path.c_str(), 0646);
  CHECK(is(open("good.so"), ErrorKind::denied));
  chmod(path.c_str(), 0644);
  CHECK(open("good.so"));
  chmod(folder.path().c_str(), 0777);
  CHECK(is(open("good.so"), ErrorKind::denied));
  chmod(folder.path().c_str(), 0755);
  if (geteuid() == 0) {
    REQUIRE(chown(path.c_str(), 12345, 0) == 0);
    CHECK(is(open("good.so"), ErrorKind::denied));
  }
}

TEST_CASE_FIXTURE(Fixture, "plugin: an answer that breaks the contract is no answer") {
  const auto opened = open("bad.so");
  REQUIRE(opened);
  auto& directory = **opened;
  for (const char* how : {"null", "huge", "zero", "break", "binary", "noat", "many", "nowhere"}) {
    CAPTURE(how);
    CHECK(is(resolve(directory, (std::string(how) + "@example.test").c_str()), ErrorKind::unavailable));
  }
  for (const char* how : {"zero", "maybe", "short", "null", "nobody"}) {
    CAPTURE(how);
    CHECK(is(login(directory, how, "secret"), ErrorKind::unavailable));
  }
  CHECK(is(login(directory, "disabled", "secret"), ErrorKind::denied));
  CHECK(is(login(directory, "unknown", "secret"), ErrorKind::denied));
  for (const char* how : {"length", "weak", "saltless", "salts"}) {
    CAPTURE(how);
    CHECK(is(loop.run_until(directory.scram_credentials(how, crypto::Hash::sha256, "imap", {&loop})), ErrorKind::unavailable));
  }
  CHECK(is(loop.run_until(directory.find_account("ann", {&loop})), ErrorKind::unavailable));
  CHECK(is(loop.run_until(directory.may_send_as(directory::AccountId{1}, "ann@example.test", {&loop})), ErrorKind::unavailable));
  CHECK(is(local(directory, "garbage.test"), ErrorKind::unavailable));
  CHECK(is(local(directory, "vague.test"), ErrorKind::unavailable));
  CHECK(is(local(directory, "throws.test"), ErrorKind::unavailable));
  CHECK(says(local(directory, "twice.test"), true));
  CHECK(log.has("plugin.bad_answer"));
}

TEST_CASE_FIXTURE(Fixture, "plugin: a call that is never answered, or too late, ends at its deadline") {
  const auto opened = open("bad.so");
  REQUIRE(opened);
  CHECK(is(loop.run_until((*opened)->is_local_domain("silent.test", soon())), ErrorKind::timeout));
  CHECK(is(loop.run_until((*opened)->is_local_domain("blocks.test", soon())), ErrorKind::timeout));
  CHECK(says(local(**opened, "fine.test"), false));
  const auto impatient = open("bad.so", "", std::chrono::milliseconds(50));
  REQUIRE(impatient);
  CHECK(is(local(**impatient, "silent.test"), ErrorKind::timeout));
}

TEST_CASE_FIXTURE(Fixture, "plugin: a call ends when its caller asks it to stop") {
  const auto opened = open("bad.so");
  REQUIRE(opened);
  std::stop_source stop;
  auto task = (*opened)->is_local_domain("silent.test", Context{&loop}.with_stop(stop.get_token()));
  CHECK_FALSE(task.done());
  stop.request_stop();
  CHECK(is(loop.run_until(std::move(task)), ErrorKind::cancelled));
  CHECK(is(loop.run_until((*opened)->is_local_domain("x.test", Context{&loop}.with_stop(stop.get_token()))), ErrorKind::cancelled));
}

TEST_CASE_FIXTURE(Fixture, "plugin: one that blocks every worker makes further calls unavailable, not endless") {
  const auto opened = open("bad.so");
  REQUIRE(opened);
  std::vector<Task<Result<bool>>> tasks;
  for (int i = 0; i < 20; ++i) tasks.push_back((*opened)->is_local_domain("blocks.test", soon()));
  int refused = 0;
  for (auto& task : tasks) {
    const auto result = loop.run_until(std::move(task));
    CHECK((is(result, ErrorKind::unavailable) || is(result, ErrorKind::timeout)));
    refused += is(result, ErrorKind::unavailable);
  }
  CHECK(refused >= 10);  // two at work and eight that wait
}
