// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/plugin/requests.hpp"

#include <algorithm>

#include "base/format.hpp"
#include "keystonemail/backends/plugin/directory.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/password.hpp"

namespace keystonemail::plugin {

namespace {

bool usable(keystonemail_text text, std::size_t octets_max = limits::text_octets_max) noexcept {
  return text.size <= octets_max && (text.data || text.size == 0);
}

std::string_view view(keystonemail_text text) noexcept { return text.size == 0 ? std::string_view() : std::string_view(text.data, text.size); }

bool plain(std::string_view text) noexcept {
  return is_utf8(text) && std::ranges::none_of(text, [](char c) { return (c & 0xE0) == 0 || c == 0x7F; });
}

bool is_plain(keystonemail_text text) noexcept { return usable(text) && plain(view(text)); }

bool is_address(keystonemail_text text) noexcept {
  if (!is_plain(text)) return false;
  const auto at = view(text).rfind('@');
  return at != std::string_view::npos && at > 0 && at + 1 < text.size;
}

bool is_full(const Answer& answer) noexcept {
  return answer.mailboxes.local.size() + answer.mailboxes.remote.size() >= directory::limits::recipients_per_address_max;
}

std::optional<Status> status_of(keystonemail_status status) noexcept {
  switch (status) {
    case KEYSTONEMAIL_OK: return Status::ok;
    case KEYSTONEMAIL_NO: return Status::no;
    case KEYSTONEMAIL_NOT_FOUND: return Status::not_found;
    case KEYSTONEMAIL_DENIED: return Status::denied;
    default: return std::nullopt;  // a plugin may say any number
  }
}

}  // namespace

Requests::Requests(Log& log)
    : log_(log),
      host_{.version = KEYSTONEMAIL_DIRECTORY_PLUGIN_VERSION,
            .size = sizeof(keystonemail_host),
            .self = this,
            .add_mailbox = add_mailbox,
            .add_remote = add_remote,
            .set_account = set_account,
            .add_scram = add_scram,
            .finish = finish,
            .log = log_line} {}

keystonemail_request Requests::add(Executor* executor, std::shared_ptr<Waiter> waiter) {
  const std::lock_guard lock(mutex_);
  open_.emplace(++last_, Open{executor, std::move(waiter), {}, {}});
  return last_;
}

void Requests::drop(keystonemail_request request) {
  const std::lock_guard lock(mutex_);
  open_.erase(request);
}

bool Requests::is_open(keystonemail_request request) const {
  const std::lock_guard lock(mutex_);
  return open_.contains(request);
}

template <class Change>
void Requests::update(keystonemail_request request, Change change) {
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(request);
  if (found == open_.end() || !found->second.fault.empty()) return;
  found->second.fault = change(found->second.answer);
}

void Requests::add_mailbox(const keystonemail_host* host, keystonemail_request request, std::uint32_t account,
                           keystonemail_text address, keystonemail_text detail) {
  of(host).update(request, [&](Answer& answer) -> std::string_view {
    if (account == 0) return "a mailbox of account 0";
    if (!is_address(address)) return "a mailbox whose address is none";
    if (!is_plain(detail)) return "a detail that is no plain text";
    if (is_full(answer)) return "too many mailboxes";
    answer.mailboxes.local.push_back({directory::AccountId{account}, std::string(view(address)), std::string(view(detail))});
    return {};
  });
}

void Requests::add_remote(const keystonemail_host* host, keystonemail_request request, keystonemail_text address) {
  of(host).update(request, [&](Answer& answer) -> std::string_view {
    if (!is_address(address)) return "a remote address that is none";
    if (is_full(answer)) return "too many addresses";
    answer.mailboxes.remote.push_back({.address = std::string(view(address))});
    return {};
  });
}

void Requests::set_account(const keystonemail_host* host, keystonemail_request request, const keystonemail_account* account,
                           keystonemail_text credential) {
  of(host).update(request, [&](Answer& answer) -> std::string_view {
    if (!account) return "no account given";
    if (account->id == 0) return "an account with id 0";
    if (account->enabled > 1) return "an account neither enabled nor disabled";
    if (!is_address(account->login)) return "a login that is no full address";
    if (!is_plain(account->display_name) || !is_plain(credential)) return "a name that is no plain text";
    answer.account = directory::Account{.id = directory::AccountId{account->id},
                                        .login = std::string(view(account->login)),
                                        .display_name = std::string(view(account->display_name)),
                                        .enabled = account->enabled == 1,
                                        .quota_octets = account->quota_octets,
                                        .quota_messages = account->quota_messages};
    answer.credential = view(credential);
    return {};
  });
}

void Requests::add_scram(const keystonemail_host* host, keystonemail_request request, const keystonemail_scram* keys) {
  of(host).update(request, [&](Answer& answer) -> std::string_view {
    if (!keys) return "no SCRAM keys given";
    if (!is_plain(keys->name)) return "a credential whose name is no plain text";
    if (!usable(keys->salt, limits::scram_salt_octets_max) || keys->salt.size == 0) return "a salt of the wrong length";
    if (keys->iterations < crypto::limits::scram_iterations_min || keys->iterations > crypto::limits::scram_iterations_max)
      return "SCRAM iterations out of bounds";
    if (!usable(keys->stored_key) || !usable(keys->server_key)) return "SCRAM keys of the wrong length";
    if (answer.scram.size() >= limits::scram_credentials_max) return "too many SCRAM credentials";
    answer.scram.push_back({std::string(view(keys->name)), {.salt = std::string(view(keys->salt)),
                                                            .iterations = keys->iterations,
                                                            .stored_key = std::string(view(keys->stored_key)),
                                                            .server_key = std::string(view(keys->server_key))}});
    return {};
  });
}

void Requests::finish(const keystonemail_host* host, keystonemail_request request, keystonemail_status status,
                      keystonemail_text reason) {
  Requests& self = of(host);
  // The lock is held while posting: once drop() has returned, the executor may go away.
  const std::lock_guard lock(self.mutex_);
  auto found = self.open_.extract(request);
  if (found.empty()) return self.log_.event(LogLevel::debug, "plugin.late_answer", {{"request", request}});
  Executor* executor = found.mapped().executor;
  auto waiter = found.mapped().waiter;
  executor->post([waiter = std::move(waiter), result = self.conclude(std::move(found.mapped()), status, reason)]() mutable {
    waiter->end(std::move(result));
  });
}

Result<Answer> Requests::conclude(Open open, keystonemail_status status, keystonemail_text reason) {
  const auto known = status_of(status);
  const bool declined = status == KEYSTONEMAIL_UNAVAILABLE;
  if (open.fault.empty() && !known && !declined) open.fault = format("status {}", status);
  if (!open.fault.empty()) {
    log_.event(LogLevel::error, "plugin.bad_answer", {{"fault", open.fault}});
    return fail(ErrorKind::unavailable, "the directory gave no usable answer", "plugin: " + open.fault);
  }
  if (declined) {
    std::string why(usable(reason) ? view(reason) : "no reason given");
    log_.event(LogLevel::warning, "plugin.unavailable", {{"reason", why}});
    return fail(ErrorKind::unavailable, "the directory is not available", std::move(why));
  }
  open.answer.status = *known;
  return std::move(open.answer);
}

void Requests::log_line(const keystonemail_host* host, std::int32_t level, keystonemail_text message) {
  if (!usable(message)) return;
  const auto known = static_cast<LogLevel>(std::clamp<std::int32_t>(level, KEYSTONEMAIL_LOG_DEBUG, KEYSTONEMAIL_LOG_ERROR));
  of(host).log_.event(known, "plugin.says", {{"message", view(message)}});
}

}  // namespace keystonemail::plugin
