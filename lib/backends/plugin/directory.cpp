// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Each question is put to the plugin on a worker thread, as it may block, and its answer posted back to the caller.
#include "keystonemail/backends/plugin/directory.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <optional>
#include <stop_token>
#include <utility>

#include "backends/plugin/library.hpp"
#include "backends/plugin/requests.hpp"
#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/base/worker_pool.hpp"
#include "keystonemail/codec/idna.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/crypto/secret.hpp"
#include "keystonemail/directory/plugin.h"

namespace keystonemail::plugin {

namespace {

using directory::Resolution;

keystonemail_text text_of(std::string_view text) noexcept { return {text.data(), text.size()}; }

// The address with its domain as an A-label in lower case; nothing when it has no domain that could be one.
std::optional<std::string> normalised(std::string_view address) {
  const auto at = address.rfind('@');
  if (at == std::string_view::npos || at == 0) return std::nullopt;
  auto domain = codec::to_ascii_domain(address.substr(at + 1));
  if (!domain) return std::nullopt;
  return std::string(address.substr(0, at + 1)) + *domain;
}

// A broken promise of the plugin that shows only once the answer is whole.
std::unexpected<Error> unusable(Log& log, std::string_view fault) {
  log.event(LogLevel::error, "plugin.bad_answer", {{"fault", fault}});
  return fail(ErrorKind::unavailable, "the directory gave no usable answer", "plugin: " + std::string(fault));
}

class PluginDirectory final : public directory::Directory {
 public:
  PluginDirectory(DirectoryOptions options, Log& log, Library library, const keystonemail_directory_plugin& table)
      : options_(std::move(options)), log_(log), library_(std::move(library)), table_(table), requests_(log) {}
  ~PluginDirectory() override;

  [[nodiscard]] Result<void> open();

  [[nodiscard]] Task<Result<bool>> is_local_domain(std::string_view domain, Context context) override;
  [[nodiscard]] Task<Result<Resolution>> resolve(std::string_view address, Context context) override;
  [[nodiscard]] Task<Result<directory::Authenticated>> authenticate(directory::PasswordAttempt attempt, Context context) override;
  [[nodiscard]] bool has_scram() const noexcept override { return table_.scram_keys != nullptr; }
  [[nodiscard]] Task<Result<std::vector<ScramCredential>>> scram_credentials(std::string_view login, crypto::Hash hash,
                                                                             std::string_view service, Context context) override;
  [[nodiscard]] Task<Result<directory::Account>> find_account(std::string_view login, Context context) override;
  [[nodiscard]] Task<Result<bool>> may_send_as(directory::AccountId account, std::string_view address, Context context) override;

 private:
  using Call = std::move_only_function<void(keystonemail_request)>;
  [[nodiscard]] Task<Result<Answer>> ask(Call call, Context context);
  void run(Call& call, keystonemail_request request);
  [[nodiscard]] std::string full_login(std::string_view login) const;

  const DirectoryOptions options_;
  Log& log_;
  const Library library_;
  const keystonemail_directory_plugin& table_;
  Requests requests_;
  void* directory_ = nullptr;              // the plugin's
  std::unique_ptr<WorkerPool> workers_;    // set once the plugin is open
};

Result<void> PluginDirectory::open() {
  std::array<char, 512> error{};
  const auto status = table_.open(requests_.host(), text_of(options_.configuration), &directory_, error.data(), error.size());
  if (status != KEYSTONEMAIL_OK) {
    const std::string why(error.data(), strnlen(error.data(), error.size()));
    return fail(ErrorKind::unavailable, format("the plugin {} did not open: {}", options_.path, why.empty() ? "no reason given" : why));
  }
  workers_ = std::make_unique<WorkerPool>(WorkerPoolOptions{options_.threads, options_.queue_max});
  return {};
}

PluginDirectory::~PluginDirectory() {
  if (!workers_) return;
  workers_.reset();  // returns when no function of the plugin runs
  table_.close(directory_);
}

void PluginDirectory::run(Call& call, keystonemail_request request) {
  if (!requests_.is_open(request)) return;  // called off while it waited for its turn
  try {
    call(request);
  } catch (...) {  // a plugin in C++ that does not keep to the contract
    const std::string_view why = "the plugin threw an exception";
    requests_.host()->finish(requests_.host(), request, KEYSTONEMAIL_UNAVAILABLE, text_of(why));
  }
}

Task<Result<Answer>> PluginDirectory::ask(Call call, Context context) {
  if (context.stop.stop_requested()) co_return fail(ErrorKind::cancelled);
  const auto waiter = std::make_shared<Waiter>();
  Executor* const executor = context.executor;
  const keystonemail_request request = requests_.add(executor, waiter);
  if (!workers_->submit([this, request, call = std::move(call)]() mutable { run(call, request); })) {
    requests_.drop(request);
    co_return fail(ErrorKind::unavailable, "too many questions to the directory, try again later");
  }
  const Instant end = std::min(context.deadline, executor->now() + options_.timeout);
  const auto timer = executor->start_timer(end, [waiter] { waiter->end(fail(ErrorKind::timeout, "the directory did not answer")); });
  auto& pending = waiter->pending();
  std::optional<Result<Answer>> result;
  {
    const std::stop_callback stopped(context.stop, [executor, waiter] {
      executor->post([waiter] { waiter->end(fail(ErrorKind::cancelled)); });
    });
    result.emplace(co_await pending);
  }
  executor->cancel_timer(timer);
  requests_.drop(request);
  co_return *std::move(result);
}

std::string PluginDirectory::full_login(std::string_view login) const {
  std::string full(login);
  if (full.find('@') == std::string::npos && !options_.primary_domain.empty()) full.append("@").append(options_.primary_domain);
  return normalised(full).value_or(full);
}

Task<Result<bool>> PluginDirectory::is_local_domain(std::string_view domain, Context context) {
  auto name = codec::to_ascii_domain(domain);
  if (!name) co_return false;
  Call call = [this, name = *std::move(name)](keystonemail_request request) {
    table_.is_local_domain(directory_, request, text_of(name));
  };
  KM_CO_TRY(const auto answer, co_await ask(std::move(call), std::move(context)));
  switch (answer.status) {
    case Status::ok: co_return true;
    case Status::no: co_return false;
    case Status::not_found:
    case Status::denied: break;
  }
  co_return unusable(log_, "neither yes nor no to a domain");
}

Task<Result<Resolution>> PluginDirectory::resolve(std::string_view address, Context context) {
  auto name = normalised(address);
  if (!name) co_return Resolution(directory::NotLocal{});
  Call call = [this, name = *std::move(name)](keystonemail_request request) { table_.resolve(directory_, request, text_of(name)); };
  KM_CO_TRY(auto answer, co_await ask(std::move(call), std::move(context)));
  switch (answer.status) {
    case Status::no: co_return Resolution(directory::NotLocal{});
    case Status::not_found: co_return Resolution(directory::UnknownRecipient{});
    case Status::denied: co_return Resolution(directory::DisabledRecipient{});
    case Status::ok: break;
  }
  if (answer.mailboxes.local.empty() && answer.mailboxes.remote.empty()) co_return unusable(log_, "an address that leads nowhere");
  co_return Resolution(std::move(answer.mailboxes));
}

Task<Result<directory::Authenticated>> PluginDirectory::authenticate(directory::PasswordAttempt attempt, Context context) {
  Call call = [this, login = full_login(attempt.login), password = crypto::SecretString::adopt(attempt.password),
               service = std::move(attempt.service), remote = attempt.remote.to_string()](keystonemail_request request) {
    table_.authenticate(directory_, request, text_of(login), text_of(password.view()), text_of(service), text_of(remote));
  };
  KM_CO_TRY(auto answer, co_await ask(std::move(call), std::move(context)));
  if (answer.status != Status::ok) co_return fail(ErrorKind::denied);
  if (!answer.account) co_return unusable(log_, "a login without an account");
  if (!answer.account->enabled) co_return fail(ErrorKind::denied);
  if (answer.credential.empty()) answer.credential = directory::human_password;
  co_return directory::Authenticated{*std::move(answer.account), std::move(answer.credential)};
}

Task<Result<std::vector<directory::Directory::ScramCredential>>> PluginDirectory::scram_credentials(
    std::string_view login, crypto::Hash hash, std::string_view service, Context context) {
  if (!table_.scram_keys || hash == crypto::Hash::sha512) co_return std::vector<ScramCredential>();
  const std::int32_t name = hash == crypto::Hash::sha1 ? KEYSTONEMAIL_SHA_1 : KEYSTONEMAIL_SHA_256;
  Call call = [this, name, login = full_login(login), service = std::string(service)](keystonemail_request request) {
    table_.scram_keys(directory_, request, text_of(login), name, text_of(service));
  };
  KM_CO_TRY(auto answer, co_await ask(std::move(call), std::move(context)));
  if (answer.status != Status::ok) co_return std::vector<ScramCredential>();
  for (const auto& [credential, keys] : answer.scram) {
    const auto& first = answer.scram.front().keys;
    if (keys.stored_key.size() != crypto::digest_octets(hash) || keys.server_key.size() != crypto::digest_octets(hash))
      co_return unusable(log_, "SCRAM keys of the wrong length");
    if (keys.salt != first.salt || keys.iterations != first.iterations)
      co_return unusable(log_, "SCRAM credentials that do not share salt and iterations");
  }
  co_return std::move(answer.scram);
}

Task<Result<directory::Account>> PluginDirectory::find_account(std::string_view login, Context context) {
  Call call = [this, login = full_login(login)](keystonemail_request request) {
    table_.find_account(directory_, request, text_of(login));
  };
  KM_CO_TRY(auto answer, co_await ask(std::move(call), std::move(context)));
  if (answer.status == Status::denied) co_return fail(ErrorKind::denied);
  if (answer.status != Status::ok) co_return fail(ErrorKind::not_found);
  if (!answer.account) co_return unusable(log_, "a login without an account");
  if (!answer.account->enabled) co_return fail(ErrorKind::denied);
  co_return *std::move(answer.account);
}

Task<Result<bool>> PluginDirectory::may_send_as(directory::AccountId account, std::string_view address, Context context) {
  auto name = normalised(address);
  if (!name) co_return false;
  Call call = [this, account, name = *std::move(name)](keystonemail_request request) {
    table_.may_send_as(directory_, request, static_cast<std::uint32_t>(account), text_of(name));
  };
  KM_CO_TRY(const auto answer, co_await ask(std::move(call), std::move(context)));
  co_return answer.status == Status::ok;  // not_found and denied are a no as well
}

// The plugin's table, when it is one we can use.
Result<const keystonemail_directory_plugin*> table_of(const Library& library, const std::string& path) {
  using Entry = const keystonemail_directory_plugin* (*)();
  const auto entry = reinterpret_cast<Entry>(library.symbol("keystonemail_directory_plugin_entry"));
  if (!entry) return fail(ErrorKind::invalid, format("{} has no keystonemail_directory_plugin_entry: it is no directory plugin", path));
  const auto* table = entry();
  if (!table) return fail(ErrorKind::invalid, format("{} gives no functions", path));
  if (table->version != KEYSTONEMAIL_DIRECTORY_PLUGIN_VERSION)
    return fail(ErrorKind::invalid, format("{} speaks version {} of the plugin interface, this program version {}", path,
                                           table->version, static_cast<int>(KEYSTONEMAIL_DIRECTORY_PLUGIN_VERSION)));
  if (table->size < sizeof(keystonemail_directory_plugin))
    return fail(ErrorKind::invalid, format("{} gives {} octets of functions where version {} has {}", path, table->size,
                                           table->version, sizeof(keystonemail_directory_plugin)));
  const bool whole = table->open && table->close && table->is_local_domain && table->resolve && table->authenticate &&
                     table->find_account && table->may_send_as;
  if (!whole) return fail(ErrorKind::invalid, format("{} lacks a function that every directory plugin must have", path));
  return table;
}

}  // namespace

Result<std::unique_ptr<directory::Directory>> open_directory(DirectoryOptions options, Log& log) {
  if (options.configuration.size() > limits::configuration_octets_max)
    return fail(ErrorKind::invalid, format("the plugin's configuration is above {} octets", limits::configuration_octets_max));
  KM_CHECK(check_writers(options.path, options.service_user));
  KM_TRY(auto library, Library::load(options.path));
  KM_TRY(const auto* const table, table_of(library, options.path));
  const std::string_view name = table->name ? table->name : "";
  log.event(LogLevel::info, "plugin.loaded", {{"path", options.path}, {"name", name}});
  auto opened = std::make_unique<PluginDirectory>(std::move(options), log, std::move(library), *table);
  KM_CHECK(opened->open());
  return opened;
}

}  // namespace keystonemail::plugin
